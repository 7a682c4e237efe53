"""Raised cents and lines through prices, told from drawn crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw, ImageFont

from model.reading import raised
from model.reading.detect import TextBox
from model.reading.ink import HEIGHT, glyphs_at, inks, scaled
from model.reading.join import joined
from model.reading.recognise import ReadLine
from model.reading.rows import raised_after, raised_before, rows_of
from model.reading.second_look import look_again, stripped
from model.reading.strikes import find_strike, without
from model.types import Pixels

INKS = (("white", "black"), ("#c02020", "#ffe880"), ("#203060", "white"), ("#ffe040", "#a01030"))


@dataclass(frozen=True)
class Drawn:
    """A crop, and where the middle of each character is."""

    pixels: Pixels
    places: tuple[float, ...]


def draw(
    text: str, cents: str = "", colours: tuple[str, str] = ("white", "black"), strike: tuple[float, float] | None = None
) -> Drawn:
    """``text`` in digits of 48 pixels, ``cents`` raised behind it; ``strike``: where a line begins and ends, 0-1."""
    large, small = ImageFont.load_default(48), ImageFont.load_default(26)
    width = int(large.getlength(text) + small.getlength(cents)) + 28
    image = Image.new("RGB", (width, 66), colours[0])
    pen, left, middles = ImageDraw.Draw(image), 12.0, []
    rise = large.getbbox("0", anchor="ls")[1] - small.getbbox("0", anchor="ls")[1]
    for character, font, base in [*((one, large, 50.0) for one in text), *((one, small, 50.0 + rise) for one in cents)]:
        pen.text((left, base), character, colours[1], font, "ls")
        middles.append((left + font.getlength(character) / 2) / width)
        left += font.getlength(character)
    if strike is not None:
        pen.line([(6, 16 + 34 * strike[0]), (left + 4, 16 + 34 * strike[1])], colours[1], 4)
    return Drawn(np.asarray(image, np.uint8), tuple(middles))


@pytest.mark.parametrize("colours", INKS)
@pytest.mark.parametrize(("whole", "cents"), [("$299", "90"), ("£7", "49"), ("€1,299", "00"), ("$36", "88")])
def test_small_digits_that_hang_from_the_top_are_cents(whole: str, cents: str, colours: tuple[str, str]) -> None:
    """Whatever the colours, two smaller digits at the top are told from digits of one height."""
    drawn = draw(whole, cents, colours)
    (amount,) = raised.candidates(whole + cents)
    assert raised.judge(drawn.pixels, whole + cents, drawn.places, amount) == "raised"
    level = draw(whole + cents, "", colours)
    assert raised.judge(level.pixels, whole + cents, level.places, amount) == "level"


def _merged(drawn: Drawn) -> Drawn:
    """The same with a bar of ink through all digits: no glyph stands alone any more."""
    pixels = drawn.pixels.copy()
    pixels[28:31, 6:-6] = pixels[-4, 4] // 2 + pixels[30, 3] // 3
    return Drawn(cv2.GaussianBlur(pixels, (0, 0), 1.2).astype(np.uint8), drawn.places)


@pytest.mark.parametrize("colours", INKS)
@pytest.mark.parametrize(("whole", "cents"), [("$299", "90"), ("£7", "49"), ("€1299", "00"), ("$36", "88")])
def test_rows_tell_raised_digits_where_glyphs_cannot(whole: str, cents: str, colours: tuple[str, str]) -> None:
    """Edges that end higher than the other digits' are those of cents; edges that end with them are not."""
    count = len(whole)
    for drawn, is_raised in ((draw(whole, cents, colours), True), (draw(whole + cents, "", colours), False)):
        small = scaled(_merged(drawn).pixels)
        middles = [place * small.shape[1] for place in drawn.places]
        found = rows_of(small, middles[1:count], middles[count:])
        assert found is not None
        assert (found.feet > 0.3) is is_raised
        assert (found.below < 0.5) is is_raised


@given(hnp.arrays(np.uint8, (HEIGHT, 90, 3)), st.lists(st.floats(0, 90), min_size=3, max_size=6))
def test_rows_of_any_pixels_are_measured_without_fault(pixels: Pixels, places: list[float]) -> None:
    """Noise yields nothing, or numbers."""
    middles = sorted(places)
    found = rows_of(pixels, middles[:-2], middles[-2:])
    assert found is None or np.isfinite([found.top, found.feet, found.below]).all()


def test_an_even_ground_has_no_rows() -> None:
    """No edges, no answer."""
    assert rows_of(np.full((HEIGHT, 90, 3), 80, np.uint8), [20.0, 40.0], [60.0, 70.0]) is None


def test_five_digits_in_a_group_end_in_cents() -> None:
    """``$1,29990`` is read as raised though its ink says nothing, and is then less sure."""
    flat = np.full((40, 200, 3), 200, np.uint8)
    text = "$1,29990"
    (seen,) = look_again([flat], [ReadLine(text, 0.99, tuple((index + 0.5) / 8 for index in range(8)))], _never)
    assert seen.text == "$1,299⁹⁰"
    assert seen.score < 0.9


def test_level_digits_in_a_group_of_five_stay() -> None:
    """``1.07588`` may be measured to the fifth place, or have lost a point: nothing raised is made up."""
    drawn = draw("$1.07588")
    (seen,) = look_again([drawn.pixels], [ReadLine("$1.07588", 0.99, drawn.places)], _never)
    assert seen.text == "$1.07588"
    flat = np.full((40, 200, 3), 200, np.uint8)
    (seen,) = look_again([flat], [ReadLine("1.07588", 0.99, drawn.places[1:])], _never)
    assert (seen.text, seen.score) == ("1.07588", 0.99)


def draw_raised_sign(sign: str, whole: str, cents: str) -> Drawn:
    """A small sign at the top, an amount, and its small cents; the places are the digits'."""
    large, small = ImageFont.load_default(48), ImageFont.load_default(26)
    image = Image.new("RGB", (260, 66), "white")
    pen, left, middles = ImageDraw.Draw(image), 12.0, []
    rise = large.getbbox("0", anchor="ls")[1] - small.getbbox("0", anchor="ls")[1]
    for text, font, base in ((sign, small, 50.0 + rise), (whole, large, 50.0), (cents, small, 50.0 + rise)):
        for character in text:
            pen.text((left, base), character, "black", font, "ls")
            middles.append((left + font.getlength(character) / 2) / image.width)
            left += font.getlength(character)
    return Drawn(np.asarray(image, np.uint8), tuple(middles[len(sign) :]))


@pytest.mark.parametrize(
    ("said", "text"), [("$", "$36⁸⁸"), ("₹", "₹36⁸⁸"), ("き", "₹36⁸⁸"), ("x", "36⁸⁸"), ("", "36⁸⁸"), ("$€", "36⁸⁸")]
)
def test_a_raised_sign_is_read_by_itself(said: str, text: str) -> None:
    """What hangs before an amount with raised cents is cut out and read; what is no sign is not written."""
    drawn = draw_raised_sign("$", "36", "88")
    asked: list[Pixels] = []

    def read(crops: Sequence[Pixels]) -> list[ReadLine]:
        asked.extend(crops)
        return [ReadLine("88", 0.6, (0.3, 0.6)) if len(asked) == 1 else ReadLine(said, 0.6, (0.5,) * len(said))]

    (seen,) = look_again([drawn.pixels], [ReadLine("3688", 0.95, drawn.places)], read)
    assert seen.text == text
    assert seen.score <= 0.95
    (_, crop) = asked
    small = scaled(drawn.pixels)
    assert crop.shape[1] < drawn.places[0] * small.shape[1]
    assert crop.min() < 80, "the sign is in it"


def test_before_an_amount_without_room_no_sign_is_looked_for() -> None:
    """The crop begins with the first digit."""
    drawn = draw("36", "88")
    places = tuple((place * drawn.pixels.shape[1] - 12) / (drawn.pixels.shape[1] - 12) for place in drawn.places)
    asked: list[Pixels] = []

    def read(crops: Sequence[Pixels]) -> list[ReadLine]:
        asked.extend(crops)
        return [ReadLine("88", 0.99, (0.3, 0.6))]

    (seen,) = look_again([drawn.pixels[:, 12:]], [ReadLine("3688", 0.95, places)], read)
    assert seen.text == "36⁸⁸"
    assert len(asked) == 1, "the cents, but no sign"


@given(hnp.arrays(np.uint8, (HEIGHT, 90, 3)), st.lists(st.floats(0, 90), min_size=1, max_size=4))
@example(np.zeros((HEIGHT, 90, 3), np.uint8), [90.0, 90.0])
def test_what_hangs_before_any_pixels_is_cut_out_without_fault(pixels: Pixels, places: list[float]) -> None:
    """A part of the picture with rows and columns, or nothing."""
    part = raised_before(pixels, sorted(places))
    assert part is None or min(part.shape[:2]) >= 1


def test_raised_cents_make_a_price_of_a_number_that_stands_alone() -> None:
    """Its sign was not read; a number of one height stays what it is, as sure as it was."""
    drawn, level = draw("299", "90"), draw("29990")
    nothing = partial(_always, ReadLine("", 0.0, ()))
    (seen,) = look_again([drawn.pixels], [ReadLine("29990", 0.99, drawn.places)], nothing)
    assert (seen.text, seen.score) == ("299⁹⁰", 0.99)
    (seen,) = look_again([drawn.pixels], [ReadLine("29990", 0.7, drawn.places)], _never)
    assert seen.text == "29990", "texture is read as numbers, but not surely"
    (seen,) = look_again([level.pixels], [ReadLine("29990", 0.99, level.places)], _never)
    assert (seen.text, seen.score) == ("29990", 0.99)


@pytest.mark.parametrize(
    ("said", "text", "struck"),
    [("で", "86.95", ((0, 5),)), ("T", "86.95", ((0, 5),)), ("7", "786.95", ((0, 6),)), ("", "786.95", ((0, 6),))],
)
def test_a_crossed_out_sign_is_no_digit(said: str, text: str, struck: tuple[tuple[int, int], ...]) -> None:
    """``₹86.95`` under a line is read as ``786.95``; the first character alone is no digit, unless it is one."""
    drawn = draw("786.95", strike=(0.9, 0.1))
    asked: list[int] = []

    def read(crops: Sequence[Pixels]) -> list[ReadLine]:
        asked.append(crops[0].shape[1] * HEIGHT // crops[0].shape[0])
        return [ReadLine("", 0.0, ()) if len(asked) == 1 else ReadLine(said, 0.3, (0.5,) * len(said))]

    (seen,) = look_again([drawn.pixels], [ReadLine("786.95", 0.93, drawn.places)], read)
    assert (seen.text, seen.struck) == (text, struck)
    assert asked[1] < asked[0] / 3, "the second time only the first character is asked for"


@pytest.mark.parametrize(
    ("tight", "text"), [("$31.99", "$31.99"), ("531.99", "531.99"), ("$81.99", "531.99"), ("", "531.99")]
)
def test_a_crossed_out_sign_is_read_in_a_tighter_crop(tight: str, text: str) -> None:
    """Alone the sign looks like a digit as well; with larger letters it does not, and all else stays."""
    drawn = draw("531.99", strike=(0.5, 0.5))
    said = iter(("", "5", tight))

    def read(crops: Sequence[Pixels]) -> list[ReadLine]:
        one = next(said)
        return [ReadLine(one, 0.97, (0.5,) * len(one)) for _ in crops]

    (seen,) = look_again([drawn.pixels], [ReadLine("531.99", 0.93, drawn.places)], read)
    assert seen.text == text


def test_first_digits_of_other_amounts_are_not_doubted() -> None:
    """Without a line through them, or with their sign, they cost no second reading."""
    for text in ("786.95", "$86.95", "786 x 95"):
        drawn = draw(text)
        (seen,) = look_again([drawn.pixels], [ReadLine(text, 0.93, drawn.places)], _never)
        assert seen.text == text


def test_a_reading_that_lost_a_sign_is_not_taken() -> None:
    """With the line gone some of the sign may be gone as well: what was read with it stays."""
    drawn = draw("$29.99", strike=(0.5, 0.5))
    read_again = partial(_always, ReadLine("29.99", 0.99, drawn.places[1:]))
    (seen,) = look_again([drawn.pixels], [ReadLine("$29.99", 0.97, drawn.places)], read_again)
    assert seen.text == "$29.99"


def test_nothing_is_said_of_what_cannot_be_measured() -> None:
    """A crop without ink, or with one blot, is neither raised nor level."""
    for shade in (np.zeros((40, 200, 3), np.uint8), np.full((40, 200, 3), 200, np.uint8)):
        assert raised.judge(shade, "$29990", (0.1, 0.3, 0.4, 0.5, 0.6, 0.8), (1, 4, 6)) == "unknown"


@pytest.mark.parametrize("text", ["12.50", "$1,299", "50%", "100 g", "2026-11-24", "$1.299", "S"])
def test_only_amounts_that_may_have_lost_their_point_are_looked_at(text: str) -> None:
    """Where a point stands, or a unit follows, or the last group is one of three, there is nothing to ask."""
    assert [text[start:end] for start, _, end in raised.candidates(text)] in ([], ["2026"])


@given(whole=st.integers(1, 99_999), cents=st.integers(0, 99))
def test_raised_digits_are_digits_again(whole: int, cents: int) -> None:
    """Writing cents raised keeps every digit."""
    text = f"${whole}{cents:02}"
    (amount,) = raised.candidates(text)
    written = raised.written(text, amount)
    assert written.startswith(f"${whole}")
    assert raised.plain(written) == text
    assert not set(written[-2:]) & set("0123456789")


@pytest.mark.parametrize("colours", INKS)
@pytest.mark.parametrize("strike", [(0.5, 0.5), (0.95, 0.1), (0.05, 0.9)])
@pytest.mark.parametrize("text", ["$29.99", "1.299,00 €", "¥459"])
def test_a_line_through_a_price_is_found(text: str, strike: tuple[float, float], colours: tuple[str, str]) -> None:
    """Level or aslant, in the ink's colour; without the line none is found."""
    drawn, bare = draw(text, "", colours, strike), draw(text, "", colours)
    assert find_strike(drawn.pixels, drawn.places[0], drawn.places[-1]) is not None
    assert find_strike(bare.pixels, bare.places[0], bare.places[-1]) is None


@pytest.mark.parametrize("strike", [(-0.1, -0.1), (1.12, 1.12)])
def test_lines_above_and_below_are_no_strikes(strike: tuple[float, float]) -> None:
    """Underlined or overlined is not crossed out."""
    drawn = draw("$29.99", "", strike=strike)
    assert find_strike(drawn.pixels, drawn.places[0], drawn.places[-1]) is None


@pytest.mark.parametrize("text", ["8888", "====", "EEEE", "-------", "1-1-1", "0.00", "TTTT", "$444.44"])
def test_bars_of_letters_are_no_strikes(text: str) -> None:
    """Letters with bars at one height do not add up to a line, as there are gaps between them."""
    drawn = draw(text)
    assert find_strike(drawn.pixels, drawn.places[0], drawn.places[-1]) is None


def test_what_is_left_without_the_line_is_what_was_under_it() -> None:
    """The crop is nearer to what it would be had the line never been drawn."""
    drawn, bare = draw("$29.99", strike=(0.6, 0.4)), draw("$29.99")
    strike = find_strike(drawn.pixels, drawn.places[0], drawn.places[-1])
    assert strike is not None
    before = np.abs(scaled(drawn.pixels).astype(int) - scaled(bare.pixels)).mean()
    after = np.abs(without(drawn.pixels, strike).astype(int) - scaled(bare.pixels)).mean()
    assert after < before


def test_glyphs_keep_their_order() -> None:
    """Each character gets ink of its own, from left to right, even where places are a little off."""
    drawn = draw("$299")
    off = [place + 0.03 for place in drawn.places]
    found = [glyphs for ink in inks(scaled(drawn.pixels)) if (glyphs := glyphs_at(ink, off)) is not None]
    assert found
    for glyphs in found:
        assert [glyph.middle for glyph in glyphs] == sorted({glyph.middle for glyph in glyphs})
        assert all(0 <= glyph.top < glyph.bottom <= HEIGHT for glyph in glyphs)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 300))
def test_any_crop_is_looked_at_without_fault(seed: int, height: int, width: int) -> None:
    """Noise of any shape breaks nothing, and answers are of the kinds that there are."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    places = (0.1, 0.3, 0.5, 0.7, 0.9)
    assert raised.judge(noise, "$2990", places, (1, 3, 5)) in ("raised", "level", "unknown")
    strike = find_strike(noise, 0.1, 0.9)
    if strike is not None:
        assert without(noise, strike).shape == scaled(noise).shape


@pytest.mark.parametrize(("score", "text"), [(0.96, "₹29.99"), (0.99, "€29.99")])
def test_a_sign_is_changed_only_for_a_surer_reading(score: float, text: str) -> None:
    """Taking the line out takes parts of signs out too."""
    drawn = draw("₹29.99", strike=(0.5, 0.5))
    read_again = partial(_always, ReadLine("€29.99", score, drawn.places))
    (seen,) = look_again([drawn.pixels], [ReadLine("₹29.99", 0.95, drawn.places)], read_again)
    assert seen.text == text


@pytest.mark.parametrize(
    ("read", "said", "text"),
    [
        ("2.90", "民", "₹2.90"), ("788", "₹", "₹788"), ("21-213", "手", "₹21-213"), ("2.90", "R", "2.90"),
        ("2.90 €", None, "2.90 €"), ("2 x 90", None, "2 x 90"),
    ],
)  # fmt: skip
def test_room_before_an_amount_without_a_sign_is_read_alone(read: str, said: str | None, text: str) -> None:
    """More room than a digit needs: something stands there that was not read with the line."""
    drawn = draw("₹" + read)
    look = _never if said is None else partial(_always, ReadLine(said, 0.9, (0.5,)))
    (seen,) = look_again([drawn.pixels], [ReadLine(read, 0.96, drawn.places[1:])], look)
    assert seen.text == text


@pytest.mark.parametrize(("said", "text"), [("民", "₹3,746"), ("R", "R3,746")])
def test_a_letter_before_an_amount_may_be_a_sign(said: str, text: str) -> None:
    """Alone it is read as what rupee signs are taken for."""
    drawn = draw("R3,746")
    (seen,) = look_again(
        [drawn.pixels], [ReadLine("R3,746", 0.96, drawn.places)], partial(_always, ReadLine(said, 0.9, (0.5,)))
    )
    assert seen.text == text


def test_a_sign_hardly_seen_alone_is_none() -> None:
    """It is texture beside a number."""
    drawn = draw("₹788")
    (seen,) = look_again(
        [drawn.pixels], [ReadLine("788", 0.96, drawn.places[1:])], partial(_always, ReadLine("₹", 0.05, (0.5,)))
    )
    assert seen.text == "788"


def test_without_room_nothing_is_looked_for() -> None:
    """The crop begins at the first digit."""
    drawn = draw("2.90")
    (seen,) = look_again([drawn.pixels], [ReadLine("2.90", 0.96, drawn.places)], _never)
    assert seen.text == "2.90"


def _never(_: object) -> list[ReadLine]:
    raise AssertionError("nothing had to be read again")


def test_lines_without_prices_are_left_as_they_are() -> None:
    """Words cost nothing and are not read again."""
    drawn = draw("organic")
    (seen,) = look_again([drawn.pixels], [ReadLine("organic", 0.9, drawn.places)], _never)
    assert (seen.text, seen.score, seen.struck) == ("organic", 0.9, ())


@pytest.mark.parametrize(
    "alone", [ReadLine("90", 0.99, (0.3, 0.7)), ReadLine("", 0.0, ()), ReadLine("96", 0.6, (0.3, 0.7))]
)
def test_raised_cents_are_written_raised(alone: ReadLine) -> None:
    """The second look changes ``$29990`` to what stands there, whether or not the cents alone are read surely."""
    drawn = draw("$299", "90")
    (seen,) = look_again([drawn.pixels], [ReadLine("$29990", 0.99, drawn.places)], partial(_always, alone))
    assert seen.text == "$299⁹⁰"
    assert seen.score == 0.99


@pytest.mark.parametrize(
    ("whole", "cents", "read", "text"),
    [
        ("$61", "90", "$619", "$61⁹⁰"), ("$396", "00", "$3960", "$396⁰⁰"), ("$161", "95", "$16105", "$161⁹⁵"),
        ("$61", "90", "$6190", "$61⁹⁰"), ("$4", "99", "$499", "$4⁹⁹"),
    ],
)  # fmt: skip
def test_raised_cents_are_read_alone(whole: str, cents: str, read: str, text: str) -> None:
    """In the line they are so small that one is lost or misread."""
    drawn = draw(whole, cents)
    asked: list[Pixels] = []

    def look(crops: Sequence[Pixels]) -> list[ReadLine]:
        asked.extend(crops)
        return [ReadLine(cents, 0.98, (0.3, 0.7))]

    (seen,) = look_again([drawn.pixels], [ReadLine(read, 0.95, drawn.places[: len(read)])], look)
    assert seen.text == text
    small = scaled(drawn.pixels)
    assert asked[0].shape[0] < 0.7 * small.shape[0]
    assert asked[0].shape[1] < 0.5 * small.shape[1]


@pytest.mark.parametrize("text", ["$1.07588", "29990", "£788", "$7,477", "$111"])
def test_level_digits_have_no_cents_behind_them(text: str) -> None:
    """Feet may be narrow or far apart: no part of such an amount is read alone."""
    drawn = draw(text)
    for amount in raised.candidates(text):
        assert raised.cents_crop(drawn.pixels, text, drawn.places, amount) is None


@given(hnp.arrays(np.uint8, (HEIGHT, 90, 3)), st.floats(0, 89))
def test_what_hangs_behind_any_pixels_is_cut_out_without_fault(pixels: Pixels, first: float) -> None:
    """A part of the picture with rows and columns, or nothing."""
    found = raised_after(pixels, first)
    assert found is None or min(found[0].shape[:2]) >= 1


def test_struck_prices_are_read_again_without_the_line() -> None:
    """The better reading is kept, and the span that the line crosses is said."""
    drawn = draw("$29.99", strike=(0.5, 0.5))
    asked: list[Pixels] = []

    def read(crops: Sequence[Pixels]) -> list[ReadLine]:
        asked.extend(crops)
        return [ReadLine("$29.99", 0.98, drawn.places, 0.9)]

    (seen,) = look_again([drawn.pixels], [ReadLine("$28.99", 0.9, drawn.places, 0.6)], read)
    assert len(asked) == 1
    assert (seen.text, seen.struck) == ("$29.99", ((0, 6),))


def _always(line: ReadLine, _: object) -> list[ReadLine]:
    return [line]


def test_a_misreading_without_the_line_is_not_taken() -> None:
    """What says no price any more, is less sure of its digits, or lost bars of them, does not replace what was read."""
    drawn = draw("$29.99", strike=(0.5, 0.5))
    for worse in (
        ReadLine("S/A", 0.99, (0.2, 0.5, 0.7)), ReadLine("$20.00", 0.99, drawn.places, 0.4),
        ReadLine("$20.99", 0.99, drawn.places, 1.0), ReadLine("$29.90", 0.99, drawn.places, 1.0),
        ReadLine("$9.99", 0.99, drawn.places[1:], 1.0),
    ):  # fmt: skip
        read_again = partial(_always, worse)
        (seen,) = look_again([drawn.pixels], [ReadLine("$29.99", 0.97, drawn.places)], read_again)
        assert seen.text == "$29.99"
        assert seen.struck


def test_blanks_around_a_line_go_and_spans_move() -> None:
    """Spans count from the first character that is kept."""
    drawn = draw(" $29.99", strike=(0.5, 0.5))
    (seen,) = look_again([drawn.pixels], [ReadLine(" $29.99", 0.9, drawn.places)], lambda _: [ReadLine("", 0.0, ())])
    kept = stripped(seen)
    assert kept.text == "$29.99"
    assert kept.struck == ((0, 6),)


def _box(left: float, top: float, right: float, bottom: float) -> TextBox:
    return TextBox(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32), 0.9)


def test_cents_in_a_box_of_their_own_are_joined() -> None:
    """A small box at the upper right becomes part of the amount's; order and other boxes stay."""
    title, amount, cents = _box(0, 0, 300, 30), _box(0, 50, 120, 100), _box(115, 50, 160, 75)
    found = joined([title, amount, cents])
    assert len(found) == 2
    assert found[0] is title
    assert found[1].corners.tolist() == [[0, 50], [160, 50], [160, 100], [0, 100]]


@pytest.mark.parametrize(
    "other",
    [(115, 78, 160, 100), (180, 50, 220, 75), (125, 50, 300, 75), (125, 50, 200, 98), (0, 20, 40, 45), (30, 50, 60, 75)]
)  # fmt: skip
def test_boxes_elsewhere_stay_apart(other: tuple[float, float, float, float]) -> None:
    """At the foot, farther away, longer, as high, above or inside: no cents."""
    boxes = [_box(0, 50, 120, 100), _box(*other)]
    assert joined(boxes) == boxes


@pytest.mark.parametrize(
    ("read", "kept"), [('2" €', "2⁰⁰ €"), ('$15"', "$15⁰⁰"), ('15" TV', '15" TV'), ('30" x 40"', '30" x 40"')]
)
def test_quotation_marks_beside_money_are_zeros(read: str, kept: str) -> None:
    """Inches stay inches."""
    assert raised.with_zeros(read) == kept
