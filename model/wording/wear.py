"""Sizes that only clothes and shoes have, told by a word for such goods in the same text: ages, waist and leg, cups.

Linear time: a form is looked for first, the words only where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SURE, _FAIR = 0.85, 0.8  # with a form of its own; a bare letter or number
_NOT_FOR = r"(?<!for )(?<!für )(?<!pour )(?<!para )(?<!voor )(?<!per )"
_GARMENT = re.compile(
    r"(?<![^\W\d_])(?:dress(?:es)?|t-?shirts?|tee|tops?|jeans?|trousers|pants|chinos|shorts|leggings|tights|skirts?|coats?"
    r"|jackets?|blazers?|suits?|hood(?:ie|y)s?|sweaters?|jumpers?|cardigans?|pyjamas?|pajamas?"
    r"|rompers?|bodysuits?|bodies|onesies?|(?:snow|play|track|jump|ski)suits?|dungarees|costumes?|babygrows?|bibs?|tunics?|kaftans?|uniforms?|tees|waistcoats?"
    r"|sleepsuits?|sleepwear|body(?= (?:bébé|baby|manches))|vests?|cloth(?:es|ing)|outfits?|swimsuits?|bikinis?"
    r"|underwear|briefs|boxers?"
    r"|robes?|jupes?|vestes?|manteaux?|pulls?|chemises?|chemisiers?|pantalons?|gilets?|blousons?|combinaisons?|vêtements?"
    r"|vestidos?|camis(?:a|eta)s?|pantal(?:ón|ones)|chaquetas?|abrigos?|faldas?|sudaderas?|jersey|pijamas?|ropa"
    r"|campera|cazadora|playera|remera|doudounes?|maillot de bain|abit[oi]|tutin[ae]|maglia"
    r"|déguisements?|disfraz|ensemble(?= (?:bébé|fille|garçon|femme))|conjunto|completino|felp[ae]|cappott[oi]"
    r"|marinières?|polos?|sleeping bags?|schlafsack|gigoteuses?|turbulettes?"
    r"|calças?|camisola|casacos?|saias?|tröja|pantolon|trui|rok|bluza|bluzka|koszula|spódnica|sweter|płaszcz"
    r"|vestit[oi]|camici[ae]|giacc(?:a|he)|gonn[ae]|maglie(?:tta|tte|one|oni)|pigiam[ai]|blusas?|blouse|jurk|broek|jas"
    r"|sukienka|spodnie|kurtka|klänning|jacka|ceket|elbise|платье|куртка|рубашка|футболка|брюки|джинсы)(?![^\W\d_])"
    r"(?!\s(?:racks?|hooks?|hangers?|stands?|bags?|covers?|box(?:es)?|horse)\b)"
    r"|(?:shirt|hose|jacke|kleid|hemd|bluse|pullover|mantel|weste|strampler|anzug|schlafanzug|pulli|höschen|babybody)(?:n|e|er|s)?(?![^\W_])"
    r"|[裙裤]|衬衫|连体衣|t恤|卫衣|外套|羽绒服|毛衣|大衣|内衣|睡衣|西装|夹克|ワンピース|シャツ|パーカー|원피스|셔츠"
)
_SHOES = re.compile(
    rf"{_NOT_FOR}(?<![^\W\d_])(?:shoes|boots|sneakers?|trainers|sandals|loafers|slippers|pumps|heels|stiletto(?:s|es)"
    r"|(?:[a-zäöü]{0,15}(?:schuhe|stiefel|stiefeletten|sandalen|pantoffeln))|chaussures|baskets|bottes|bottines|sandales|escarpins"
    r"|mocassins|wellies|wellingtons|brogues|clogs|tongs|zapat(?:os|illas)|botas|botines|sandalias|tacones|scarpe|stivali|stivaletti|sandali|sapatos|sapatilhas|tênis|buty|botki|kozaki|trampki|skor|schoenen"
    r"|laarzen|ботинки|туфли|кроссовки|сапоги)(?![^\W\d_])|鞋(?![架柜带垫油刷盒拔])|靴|スニーカー|ブーツ"
)
_SOCKS = re.compile(rf"{_NOT_FOR}(?:socks?|socken|strümpfe|sokken|chaussettes|calcetines|calzini|袜)")
_CHILD = re.compile(
    r"(?<![^\W\d_])(?:bab(?:y|ies)|kids?|girls?|boys?|child(?:ren)?|toddlers?|infants?|kinder|mädchen|jungen|bébé|enfants?|fille"
    r"|garçon|dziecięc[aey]|niñ[ao]s?|bebé|bambin[aio]|neonat[aio])(?![^\W\d_])"
)
_BRAS = re.compile(
    r"(?<![^\W\d_])(?:bras?|bralette|bhs?|soutien-gorge|soutiens-gorge|sujetador|reggiseno|sutiã|bikini|corset)(?![^\W\d_])|文胸|胸罩"
)
_SUITS = re.compile(r"(?<![^\W\d_])(?:suit|blazer|tuxedo|sakko|anzug)(?![^\W\d_])")
_JEANS = re.compile(r"(?<![^\W\d_])(?:jeans?|chinos?|levi'?s|wrangler)(?![^\W\d_])")

_YEARS = r"y|yrs?|years?|jahren?|ans|años|anni|anos"
_MONTHS = r"m|mths?|mos?|months?|monaten?|mois|meses|mesi"
_NO_AGE = r"(?![^\W_])(?!['’-]?\s?(?:old\b|warranty|guarantee|garant|alt\b))"
_AGES = re.compile(
    rf"(?<![\w.,/-])([0-9]{{1,2}})\s?[-–]\s?([0-9]{{1,2}})\s?(?:(?P<years>{_YEARS})|(?P<months>{_MONTHS})){_NO_AGE}"
)
_AGE = re.compile(
    r"(?<![\w.,/-])([0-9]{1,2})\s?(?:(?P<years>years?|jahre|ans|años|anni|anos)|(?P<months>months?|monate|mois|meses|mesi))"
    rf"{_NO_AGE}"
)
_SIZE_BEFORE = re.compile(r"(?:size|gr\.|größe|taille|talla|taglia|maat|aged?)\s?:?\s?$")
_TODDLER = re.compile(r"(?<![\w.,/-])([2-6])t(?![\w/-])")
_RANGE = re.compile(
    r"(?<![\w.,/-])([0-9]{2})\s?[-–/]\s?([0-9]{2})(?![\w/.,-]\w|\w|\s?(?:cm|mm|%|€|eur|pcs|pack|den\b))"
)
_CUP = re.compile(
    r"(?<![\w.,/-])((?:2[68]|3[02468]|4[02468]|[6-9][05]|1[0-2][05])\s?(?:a{1,2}|b|c|d{1,3}|e{1,2}|f{1,2}|g{1,2}|h))(?![\w/-])"
)
_DRESS = re.compile(r"(?<![\w.,/-])t\.?\s?(3[2-9]|[45][0-9])(?![\w/-])(?![.,][0-9])")
_SUIT = re.compile(r"(?<![\w.,/-])((?:3[4-9]|[45][0-9])[rs])(?![\w/-])")
_SHOE = re.compile(
    r"(?<![^\W_])(?<!-)(?P<sign>(?:eur|nº|n°|n\.|no\.|nr\.?|r\.|rozm\.)\s?|p)(?P<named>(?:1[6-9]|[234][0-9]|5[0-2])(?:[.,]5)?)(?![\w/]|[.,-][0-9]|\s?(?:€|eur))"
    r"|(?<=\s)(?P<last>(?:3[4-9]|4[0-8])(?:[.,]5)?)(?=\s{0,3}$)"
)
_HEIGHTS = "|".join(map(str, range(50, 177, 6)))  # children's, in cm
_HEIGHT = re.compile(
    rf"(?<=\s)({_HEIGHTS})(?=\s{{0,3}}$|\s[^\W\d_]{{3}})(?!\s(?:pcs|pack|stück|teile|seiten|pages|pi[eè]|uds)[^\W_]{{0,3}})"
)
_LAST = re.compile(r"(?<=\s)(3[2-9]|4[0-9]|5[0-8])(?=\s{0,3}$)")
_WEARER = (
    "mens?|womens?|ladies|gents|girls|boys|shoes|boots|trainers|sneakers|sandals|heels|loafers|slippers|wellies|dress"
)
_BY_WEARER = re.compile(  # mens 10; petite 12 trousers
    rf"(?<![^\W_])(?:{_WEARER}|petite)\s((?:[1-9]|1[0-9]|2[0-8])(?:\.5)?)(?=\s{{0,3}}(?:$|,)|(?<=petite\s\d\d)\s)"
)
_BEHIND_SHOES = re.compile(  # sneakers 38 white
    r"(?<![^\W_])(?:shoes|boots|trainers|sneakers|sandals|heels|stilettos|loafers|bottines|baskets|escarpins|stivali|scarpe|botas|zapatos"
    r"|schuhe|stiefel)\s((?:3[4-9]|4[0-8])(?:\.5)?)(?=\s[^\W\d_]{2})"
)
_HOSES = re.compile(r"\b(?:garden|water|air|fuel|vacuum|radiator|pvc)\s?hoses?\b")
_PRICE_BEFORE = re.compile(r"(?<![^\W_])(?:nur|für|only|ab|statt|vb|price|preis|prix|precio)\s?:?\s?$")
_MODEL_BEFORE = re.compile(
    r"(?<![^\W_])(?:jordan|model|modell|modèle|style|nr|no|type|typ|class|klasse|serie|&|\+|gen)[.:]?\s$", re.IGNORECASE
)
_DIGIT = re.compile(r"[0-9]")
_LETTER = re.compile(
    r"(?:(?<=\s)|(?<=\s[Tt]\.)|(?<=\s[Tt]\.\s))([SML])(?=\s{0,3}$|,|\s[^\W\d_]{3})(?!\s[x×/&]|\s(?:Oliver|Size))"
)
_MAX_TITLE = 200  # code points in which a letter by itself is a size
_SHORT = re.compile(  # Gr 38, tg. 42
    r"(?<![\w.,])(?<![0-9]\s)(?P<word>gr|tg|stl|strl|talle|n\.|num\.|numero|número|numéro)[.:]?\s?"
    r"(?P<first>1[6-9]|[234][0-9]|5[0-8])(?:\s?[-–/]\s?(?P<last>[3-5][0-9]))?(?![\w/-]|[.,][0-9]|\s?(?:cm|mm|%|€|eur|g\b|kg|ml))"
)
_AGED = re.compile(r"(?<![\w-])aged?\s([1-9]|1[0-6])(?:\s?[-–]\s?([1-9]|1[0-6]))?(?![\w+.-])(?!\s(?:months|mths|mo)\b)")
_LENGTHS = re.compile(
    r"(?<![\w.,/-])([5-9][0-9]|1[0-7][0-9])\s?/\s?([5-9][0-9]|1[0-7][0-9])(?![\w/]|[.,-][0-9])"
)  # children's, in cm
_STEP_CM = 6
_LOOK_BACK = 12


@dataclass(frozen=True, slots=True)
class Worn:
    """A size of something to wear at code points ``[start, end)``; ``score``: how sure the form makes it, 0-1."""

    value: str
    score: float
    start: int
    end: int


class _Goods:
    """Whether a text has a word of each kind: looked for once, however many forms ask."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[re.Pattern[str], bool] = {}

    def have(self, *kinds: re.Pattern[str]) -> bool:
        return any(self._has(kind) for kind in kinds)

    def _has(self, kind: re.Pattern[str]) -> bool:
        if kind not in self._known:
            self._known[kind] = kind.search(self._text) is not None
        return self._known[kind]


def find_worn(text: str, in_lower_case: str, beside: str = "") -> Iterator[Worn]:
    """Sizes by form. ``in_lower_case`` is ``text``, position by position; ``beside``: what else names the goods."""
    goods = _Goods(f"{in_lower_case}\n{beside}" if beside else in_lower_case)
    if _DIGIT.search(text):
        yield from _numbered(in_lower_case, goods)
        yield from _last_numbers(in_lower_case, goods) if not beside else ()
    letters = list(_LETTER.finditer(text)) if len(text) <= _MAX_TITLE else []
    if len(letters) == 1 and goods.have(_GARMENT) and not _MODEL_BEFORE.search(_before(text, letters[0].start())):
        yield Worn(letters[0][1], _FAIR, *letters[0].span())


def _numbered(text: str, goods: _Goods) -> Iterator[Worn]:
    """Of lowered ``text``."""
    yield from _ages(text, goods)
    for form, kind in ((_TODDLER, _GARMENT), (_CUP, _BRAS), (_DRESS, _GARMENT), (_SUIT, _SUITS)):
        for match in form.finditer(text):
            if goods.have(kind):
                value = match[0] if form is _TODDLER else match[1]
                yield Worn(value.replace(" ", "").upper(), _SURE, *match.span())
    yield from _short(text, goods)
    yield from _ranges(text, goods)
    yield from _shoe_numbers(text, goods)


def _ages(text: str, goods: _Goods) -> Iterator[Worn]:
    for match in _AGES.finditer(text):
        is_said = _SIZE_BEFORE.search(_before(text, match.start())) or goods.have(_GARMENT, _SHOES)
        if is_said and int(match[1]) < int(match[2]) <= (16 if match["years"] else 36):
            yield Worn(f"{int(match[1])}-{int(match[2])}{_age_unit(match)}", _SURE, *match.span())
    for match in _AGE.finditer(text):
        is_said = _SIZE_BEFORE.search(_before(text, match.start())) or (goods.have(_CHILD) and goods.have(_GARMENT))
        if is_said and int(match[1]) <= (16 if match["years"] else 36):
            yield Worn(f"{int(match[1])}{_age_unit(match)}", _FAIR, *match.span())

    for match in _AGED.finditer(text) if goods.have(_GARMENT) else ():
        if not match[2] or int(match[1]) < int(match[2]):
            yield Worn("-".join(filter(None, match.groups())) + "Y", _FAIR, *match.span())


def _short(text: str, goods: _Goods) -> Iterator[Worn]:
    """After a size word cut short; a number's word names anything else as well, beside shoes the shoe's."""
    for match in _SHORT.finditer(text):
        if match["word"].startswith("n") and not goods.have(_SHOES):
            continue
        if not match["last"] or int(match["first"]) < int(match["last"]):
            yield Worn("-".join(filter(None, match.group("first", "last"))), _SURE, *match.span())


def _age_unit(match: re.Match[str]) -> str:
    return "Y" if match["years"] else "M"


def _ranges(text: str, goods: _Goods) -> Iterator[Worn]:
    """Socks 39-42; jeans 36/32, waist and leg; children's 104/110."""
    for match in _HEIGHT.finditer(text) if goods.have(_CHILD) and goods.have(_GARMENT) else ():
        yield Worn(match[1], _FAIR, *match.span(1))
    for match in _LENGTHS.finditer(text):
        if int(match[2]) - int(match[1]) == _STEP_CM and goods.have(_GARMENT, _CHILD):
            yield Worn(f"{match[1]}-{match[2]}", _FAIR, *match.span())
    for match in _RANGE.finditer(text):
        first, second = int(match[1]), int(match[2])
        if "/" in match[0]:
            if 24 <= first <= 50 and second in (28, 30, 32, 34, 36) and second - first != 2 and goods.have(_JEANS):
                yield Worn(f"{first}x{second}", _FAIR, *match.span())
            elif second - first == 2 and first % 2 == 0 and 32 <= first <= 58 and goods.have(_GARMENT):
                yield Worn(f"{first}-{second}", _FAIR, *match.span())
        elif 15 <= first < second <= min(52, first + 8) and goods.have(_SOCKS, _SHOES):
            yield Worn(f"{first}-{second}", _FAIR, *match.span())


def _shoe_numbers(text: str, goods: _Goods) -> Iterator[Worn]:
    for match in _SHOE.finditer(text):
        before = _before(text, match.start())
        number = (match["named"] or match["last"]).replace(",", ".")
        if not goods.have(_SHOES) or _PRICE_BEFORE.search(before) or _MODEL_BEFORE.search(before):
            continue
        is_euro = (match["sign"] or "").startswith("eur")
        yield Worn(f"EU {number}" if is_euro else number, _FAIR, *match.span())


def _last_numbers(text: str, goods: _Goods) -> Iterator[Worn]:
    """``Bluse rot 40``: an even European size ends the title; ``mens 10``: any stands behind who wears it."""
    for form in (_LAST, _BY_WEARER, _BEHIND_SHOES):
        for match in form.finditer(text) if len(text) <= _MAX_TITLE else ():
            before = _before(text, match.start())
            is_even = form is not _LAST or int(match[1]) % 2 == 0
            is_worn = goods.have(_GARMENT) if form is _LAST else goods.have(_GARMENT, _SHOES)
            if (
                is_worn
                and is_even
                and not (_PRICE_BEFORE.search(before) or _MODEL_BEFORE.search(before) or _HOSES.search(text))
            ):
                yield Worn(match[1], _FAIR, *match.span(1))


def _before(text: str, end: int) -> str:
    return text[max(0, end - _LOOK_BACK) : end]
