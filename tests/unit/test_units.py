"""Sizes in words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.wording.measures import canonical_number, canonical_unit
from model.wording.units import find_sizes, lowered

PIECES = st.sampled_from(
    [
        "7",
        "9.5",
        "1,000",
        "30",
        " ",
        "x",
        "cm",
        "in",
        '"',
        "uk",
        "EU",
        "size",
        "XL",
        "large",
        ",",
        "İ",
        "ſ",
        "kg",
        "-",
        "/",
    ]
)


def values(text: str) -> list[str]:
    return [size.value for size in find_sizes(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("women's court, white, 7 uk", "UK 7"),
        ("ankle boot, US 9.5", "US 9.5"),
        ("sneaker, 8 B(M) US", "US 8"),
        ("Schuhe EU 42", "EU 42"),
        ("frame 30 x 40 cm", "30x40cm"),
        ('mirror 16" x 20"', "16x20in"),
        ("box 55 × 48,5 × 85 cm", "55x48.5x85cm"),
        ("12-inch wall clock", "12in"),
        ("flour 1,5 kg", "1.5kg"),
        ("bottle 500ml", "500ml"),
        ("canister 1,000 ml", "1000ml"),
        ("水杯 20厘米", "20cm"),
        ("ring, size 7", "7"),
        ("Hose Gr. 42", "42"),
        ("T-shirt size M", "M"),
        ("T-shirt, blue, M", "M"),
        ("T-shirt 3XL", "3XL"),
        ("queen bed skirt", "queen"),
        ("mop head, Small", "S"),
        ('chair, 35"h', "35in"),
        ("bath mat, 21-by-34-inch, platinum", "21x34in"),
        ("velvet sheet set - queen, white", "queen"),
        ("xxl bean bag cover", "XXL"),
        ("flat sheet, double - white", "double"),
        ("14 quart bucket", "14qt"),
        ("1/2 inch hinge", "0.5in"),
        ('mat, black,1/4"', "0.25in"),
        ('band, 1 1/4"', "1.25in"),
        ("labels 1 x 2 5/8 inch", "1x2.625in"),
        ('labels, 1" x 2-5/8, magenta', "1x2.625in"),
        ('shelving, 48" w x 18" d', "48x18in"),
        ("cover 56l x 38w in. fire pit", "56x38in"),
        ("door mat 4x6 walnut", "4x6"),
        ("rug 3' x 5'", "3x5ft"),
        ("shirt, eu m", "EU M"),
        ("pumps, us-0", "US 0"),
        ("sandals, black, 7.5", "7.5"),
        ("jacket (black, 164)", "164"),
        ("sandal, tan, 6 toddler", "6"),
        ("folder for letter size paper", "letter"),
        ("A4 paper, 500 sheets", "A4"),
        ("duvet cover, size double, gold", "double"),
        ("comforter, twin extra-long", "twin xl"),
        ("gloves, 9 mil", "9mil"),
        ("bottes, pointure 38", "38"),
        ("女靴 38码", "38"),
        ("Kinderfahrrad 16 Zoll", "16in"),
        ("sartén 28 cm", "28cm"),
        ("cola 24x330ml", "330ml"),
        ("Milch 12 x 1l", "1l"),
        ("bière 6x25cl", "25cl"),
        ("pack of 2 x 500ml", "500ml"),
        ("set of 2 x 45cm cushions", "45cm"),
        ("lot de 2 x 45 x 45 cm", "45x45cm"),
        ("rug 3'6\" x 5'6\"", "42x66in"),
        ("rug, 5'w x 7'6\"l", "60x90in"),
        ("wool rug 3'6-by-5'6", "42x66in"),
        ("curtain pole 6ft 6in", "78in"),
        ("5'10\" surfboard", "70in"),
        ("shag rug 8'x10'", "8x10ft"),
        ("12in skillet", "12in"),
        ("1.500 ml Wasserkocher", "1500ml"),
        ("Platte 1.200 x 600 mm", "1200x600mm"),
        ("bit, 3.175 mm", "3.175mm"),
        ("Schrank B 100 x T 50 x H 200 cm", "100x50x200cm"),
        ("bookcase H180 x W80 x D30 cm", "180x80x30cm"),
        ("Tisch L120 B80 H75", "120x80x75"),
        ("Tisch ca. 120 / 80 / 75 cm", "120x80x75cm"),
        ("curtains W46 x L54", "46x54"),
        ("½ inch valve", "0.5in"),
        ("1 ½ inch pipe", "1.5in"),
        (".5 litre bottle", "0.5l"),
        ("sneakers EU 42 2/3", "EU 42 2/3"),
        ("boots UK 6½", "UK 6.5"),
        ("socks UK 6-11", "UK 6-11"),
        ("slippers, 11-12 m us", "US 11-12"),
        ("flip-flops pack of 2-10 uk", "UK 10"),
        ("Socken Gr. 43-46", "43-46"),
        ("bundle size 3-6 months", "3-6M"),
        ("bundle size 12 - 18 months", "12-18M"),
        ("boots UK 8 - 2 pairs", "UK 8"),
        ("gloves, size 8 - 10 pairs", "8"),
        ("t-shirt, size medium", "M"),
        ("vestido tamanho M", "M"),
        ("連衣裙修身L码", "L"),
        ("shirt S/M", "S/M"),
        ("tyre 205/55 R16", "205/55R16"),
        ("花盆 直径20cm", "20cm"),
        ("四件套 1.8米床", "1.8m"),
        ("黑色，37码", "37"),
        ("Zaino 25 litri", "25l"),
        ("狗窝 大号 灰色", "L"),
        ("Letto matrimoniale contenitore", "double"),
        ("full size fitted sheet", "full"),
        ("violin size 3/4 with bow", "3/4"),
        ("cello size 4/4", "4/4"),
        ("full size violin", "full"),
        ("picture frame A4", "A4"),
        ("leather journal refillable A5", "A5"),
        ("Holz, 70x140. Ohne Matratze", "70x140"),
        ("anello misura 14", "14"),
        ("Jeans Gr. 34/32", "34x32"),
        ("Nike shoes mens 10.5", "10.5"),
    ],
)
def test_a_size_is_found_and_written_one_way(text: str, value: str) -> None:
    """Sizes in the ways sellers write them get one canonical form."""
    assert values(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "2 in 1 laptop",
        "7-in-1 hub",
        "set of 2 in black",
        "5G phone",
        "1920x1080 monitor",
        "2.4g wireless mouse",
        "cart with 400 lb capacity",
        "strap, 30,000lb break strength",
        "zip line up to 113kg",
        "large capacity bag",
        "gel pens, medium point",
        "medium grey rug",
        "6 x 20 pieces",
        "10x42 binoculars",
        "single monitor arm",
        "full body massager",
        "pack of 1,000",
        "SET DE 10",
        "M. Smith",
        "size 10-1",
        "UK 9-3",
        "100 m water resistant watch",
        "speaker, range 10m",
        "ships from USA in 3 m",
        "phone 128g",
        "Air Force 1 '07",
        "in 10 / 20 / 30",
        "M6x20",
        "8-pack",
        "full size keyboard",
        "wetsuit 3/2mm",
        "3M口罩",
        "Ohrpolster in S, M, L",
        "seat, max weight 30kg",
        "红米Note12 128G",
        "Audi A4 bumper",
    ],
)
def test_a_number_beside_a_look_alike_of_a_unit_is_no_size(text: str) -> None:
    """Words that only look like units state no size."""
    assert values(text) == []


@pytest.mark.parametrize(
    ("worn", "value", "not_worn"),
    [
        ("kids pyjamas 3-4Y", "3-4Y", "puzzle 3-4Y"),
        ("baby romper 6-9 months", "6-9M", "lego for babies 6-9 months"),
        ("pyjama enfant 6 ans", "6Y", "jeu enfant 6 ans"),
        ("toddler jacket 2T", "2T", "tempered glass for 5T"),
        ("jeans W32/L34", "32x34", "bulb W32"),
        ("chinos 36/32", "36x32", "Bluse 36/32"),
        ("robe T40 neuve", "40", "torx T40"),
        ("botas negras nº 39", "39", "novela nº 39"),
        ("women's sandals EUR 39", "EU 39", "sandals EUR 39,90"),
        ("socks 39-42", "39-42", "puzzle 39-42"),
        ("bra 34C", "34C", "bulb 34C"),
        ("navy suit 42R", "42R", "bulb 42R"),
        ("Zara black dress M", "M", "t-shirt Tesla Model S"),
        ("baskets blanches 42", "42", "Box für Schuhe 42"),
        ("Hoodie L grey", "L", "regal L grau"),
        ("Bluse Gr 38", "38", "wert gr 388"),
        ("jas stl 40/42", "40-42", "kaffee stl"),
        ("scarpe numero 43", "43", "rivista numero 43"),
        ("Jacke Kinder 104/110", "104-110", "Beutel 104/110"),
        ("Steppjacke 48/50", "48-50", "filter 48/50"),
        ("boys shirt age 7-8", "7-8Y", "game age 7-8"),
        ("Elsa costume age 5", "5Y", "puzzle age 5"),
        ("karierte Bluse rot 40", "40", "garden hose 40"),
        ("suede ankle boots 6", "6", "car boots 6 pcs"),
        ("old skool trainers mens 10", "10", "multivitamin mens 10"),
        ("petite 10 trousers", "10", "petite 10 vases"),
        ("Jeanshose Jungen 128 hellblau", "128", "Puzzle Kinder 128 Teile"),
        ("abrigo azul marino S", "S", "figura azul marino S"),
        ("chemise à carreaux T.M", "M", "poêle T.M"),
        ("sneakers 38 white leather", "38", "socket 38 white"),
        ("baby sleeping bag 6-18 months", "6-18M", "baby bouncer 6-18 months"),
        ("scarpe bambina numero 27", "27", "rivista numero 27"),
    ],
)
def test_some_forms_are_sizes_only_beside_something_to_wear(worn: str, value: str, not_worn: str) -> None:
    """The same number beside other goods, a price or a model's name states nothing."""
    assert (values(worn), values(not_worn)) == ([value], [])


@pytest.mark.parametrize(
    ("text", "is_sure"),
    [("hoodie, large", True), ("size large", True), ("large vase", False), ("small, medium, large", False)],
)
def test_a_word_for_a_size_is_surer_alone_after_a_comma(text: str, is_sure: bool) -> None:
    """A part of a title of its own states the size; a word before the goods, or one of several, may only describe."""
    assert all((size.score >= 0.8) is is_sure for size in find_sizes(text))


def test_one_size_in_several_systems_is_several_sizes() -> None:
    """Each system's number is a size of its own."""
    assert values("sneakers-8 uk (42 eu) (9 us)") == ["UK 8", "EU 42", "US 9"]


def test_sides_in_different_units_are_two_measures() -> None:
    """A rectangle whose sides have different units is not given the last one's unit."""
    assert values("rug 1 m x 50 cm") == ["1m", "50cm"]


def test_a_number_and_a_letter_for_one_size_are_both_found() -> None:
    """Gloves of size 9 are also L."""
    assert values("gloves, size 9 (l)") == ["9", "L"]
    assert values("gloves, size 10, xl, 12 pairs") == ["10", "XL"]


@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=300))
def test_sizes_never_overlap_and_lie_within_the_text(text: str) -> None:
    """Whatever the text: spans are in order, apart and not empty; scores are probabilities."""
    last = 0
    for size in find_sizes(text):
        assert last <= size.start < size.end <= len(text)
        assert 0 < size.score <= 1
        assert size.value and size.label
        last = size.end


@given(st.text())
def test_lower_case_keeps_every_position(text: str) -> None:
    """A position in the lowered text is the same position in the text."""
    assert len(lowered(text)) == len(text)


@given(st.integers(0, 99_999), st.integers(0, 99))
def test_a_number_reads_the_same_with_a_comma_and_with_a_point(whole: int, part: int) -> None:
    """Decimal comma and decimal point mean the same, and the value is kept."""
    assert canonical_number(f"{whole},{part:02}") == canonical_number(f"{whole}.{part:02}")
    assert float(canonical_number(f"{whole}.{part:02}")) == pytest.approx(whole + part / 100)


def test_three_digits_after_a_comma_are_thousands_unless_zero_stands_before() -> None:
    """``1,500`` is a large number; ``0,500`` is a small one."""
    assert (canonical_number("1,500"), canonical_number("0,500")) == ("1500", "0.5")


def test_what_is_no_unit_is_refused() -> None:
    """Asking for the short name of something else is an error, not a guess."""
    assert canonical_unit("Inches") == "in"
    with pytest.raises(KeyError):
        canonical_unit("parsec")


@pytest.mark.parametrize(
    "piece",
    [
        "1m ",
        "9",
        "1 x ",
        "1.1,",
        '" ',
        "size ",
        "US ",
        "extra ",
        "1x1x",
        " ",
        "S, ",
        "5'1\" x ",
        "w1 ",
        "t40 ",
        "8 months baby ",
    ],
)
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    """The longest text allowed, made to provoke backtracking, is read in well under a second."""
    text = (piece * 20_000)[:20_000]
    began = time.process_time()
    find_sizes(text)
    assert time.process_time() - began < 1.5
