"""Sizes in words: value, unit and system, found and written one way. Linear time on any input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from model.wording.measures import canonical_number, find_dimensions, find_measures
from model.wording.wear import find_worn

_END = r"(?!\w)"
_DIGIT = re.compile(r"[0-9¼½¾]")
_SHOE_NUMBER = r"[0-9]{1,2}(?:[.,]5|\s?[½⅓⅔]|\s1/[23]|\s2/3)?"
_TO = r"\s?[-–]\s?"
_COUNTED = r"(?!\s?(?:packs?|pcs|pieces?|pairs?|paar|stück|[cm]m)\b)"  # size 8 - 10 pairs
_WIDTH = r"(?:\s(?:[a-e]{1,3}|[24]e|[a-e]/[a-e]|[bd]\(m\)|m|medium|wide|narrow|regular))?"  # 8 B(M) US
_SYSTEM_FIRST = re.compile(  # UK 6-11 is a range, or none: never its first number
    rf"\b((?i:UK|EU|US)|FR|IT|JP|CN|AU)[\s:-]?(?i:size\s)?({_SHOE_NUMBER})(?:{_TO}({_SHOE_NUMBER})(?![0-9]){_COUNTED})?(?![-–][0-9])(?!\s[0-9]/[0-9])(?![\w.,]\w|\w|-pack|\s?[\"”]|-(?:inch|port|way|plug|pin))"
)
_SYSTEM_LAST = re.compile(
    rf"(?<![\w.,])(?<![0-9][-–])(?:({_SHOE_NUMBER})[-–])?({_SHOE_NUMBER}){_WIDTH}\s?(UK|EU|US|AU)\b", re.IGNORECASE
)
_LETTERS = r"XXS|XS|S|M|L|XL|XXL|XXXL|[2-6]XL"
_SYSTEM_LETTERS = re.compile(rf"\b(UK|EU|US)\s({_LETTERS})(?=\s?(?:[,()/]|$))", re.IGNORECASE)
_WORD = r"size|sz|misura|größe|grösse|gr\.|taille|pointure|talla|taglia|maat|tamanho|rozmiar|storlek|størrelse|размер"
_AGE_UNIT = r"\s?(?:y|yrs?|years?|mths?|mos?|months?|jahre|monate|ans|mois|años|meses)\b"
_NUMBER = r"[0-9]{1,3}(?:[.,]5|\s?½|\s1/2)?"
_NAMED = re.compile(
    rf"(?:\b(?:{_WORD})|尺码|尺寸)\s?[:=]?\s?({_LETTERS}|{_NUMBER})(?:{_TO}({_LETTERS}|{_NUMBER})(?![0-9]){_COUNTED}|(?<=[0-9])\s?/\s?([0-9]{{1,3}})(?!\w))?{_END}"
    rf"(?!\s?[x×]|[-–][0-9]|[.,][0-9]|(?:{_TO}[0-9]{{1,2}})?{_AGE_UNIT})",
    re.IGNORECASE,
)
_PART = re.compile(r"(?<![\w.,/-])(1/8|1/4|1/2|3/4|7/8|4/4)(?![\w/]|[.,-][0-9]|\s?(?:inch|in\b|\"|”|″|zoll))")
_INSTRUMENT = re.compile(
    r"\b(?:violins?|viola|cellos?|guitars?|double bass|geige|gitarre|violine|kontrabass|violons?|violoncelle|guitare|alto"
    r"|violín|violonchelo|guitarra|violino|violoncello|chitarra|viool|gitaar|skrzypce|gitara)\b|提琴|吉他"
)
_SECOND = re.compile(
    rf"\s?(?:[(,/]\s?)({_LETTERS}|[0-9]{{1,2}}(?:[.,]5)?)(?=\s?(?:[),(]|$))", re.IGNORECASE
)  # size 9 (l)
_CODED = re.compile(
    rf"(?<![a-z0-9_./-])(?<![0-9],)({_LETTERS}|[0-9]{{2,3}}(?:\.5)?)(?:码|サイズ|\sразмер\b|\sbeden\b)", re.IGNORECASE
)
_PAIRED = re.compile(r"(?<![\w/&'’.-])(XXS/XS|XS/S|S/M|M/L|L/XL|XL/XXL|XL/2XL)(?![\w/&'’-])")
_TYRE = re.compile(r"\b([1-3][0-9]{2}/[2-9][05])\s?Z?(R)\s?([12][0-9])C?\b", re.IGNORECASE)
_BARE_LETTERS = re.compile(
    r"(?<![\w'’.&-])(?<![0-9]\s)(?<!(?i:iphone)\s)(XS|xxs|XXS|(?i:[2-6]?XL|XXX?L))(?![\w'’&-])"  # no Pixel 3 XL, iPhone XS
    r"|(?<=,\s)(?<![SML],\s)([SMLsml])(?=\s{0,2}(?:[,()]|$))(?!,\s?[SML]\b)|(?<=\()([SMLsml])(?=\))"  # but S, M, L: any
)
_BARE_NUMBER = re.compile(  # black, 7.5; but no thousands: pack of 1,000
    r"(?<=[^0-9][,(])\s?([0-9]{1,2}(?:\.5)?|1[0-8][0-9])\s?\)?\s*$|(?<=[^0-9],\s)(1[0-8][0-9])(?=\))"
)
_CHILD = re.compile(r"(?<![\w.,])([0-9]{1,2}(?:\.5)?)\s(?=(?:toddler|little kid|big kid|infant)s?\b)", re.IGNORECASE)
_PAPER = re.compile(
    r"\b(letter|legal|tabloid)[\s-]size(?:d)?\b|\b(?:din[\s-]?)?(a[2-6]|b[45])(?=[\s-](?:size|paper|papier|sheets?|notebook|frame|journal|planner|poster|print|sketchbook|format|ruled|liniert|kariert|ligné|rayado|横线)|本|笔记本|纸)"
    r"|\b(?:din|size|format|papier|paper|notizbuch|carnet|cuaderno|notebook|posters?|plakat|affiche|cartel|frames?|bilderrahmen|cadre|cornice"
    r"|marco|journal|planner|agenda|sketchbook|refillable|prints?)[\s-](a[1-6]|b[45])\b"
)
_NOT_WHOLE = (  # a medium point, a large print: no size of the whole; medium grey: a shade
    r"(?![\s-]?(?:capacity|point|print|breed|dogs?|cats?|pets?|animals?|bugs?|spaces?|rooms?|business|parts?|scale|screen|duty"
    r"|format|group|appliances?|weight|wash|heather|roast|firm|firmness|support|intensity|heat|density|hold|coverage|strength|hole"
    r"|brown|grey|gray|blue|green|red|pink|beige|wood|oak|dark|tip|speed|tooth|and large|to large|stripes?|letter|number|display)\b)"
)
_WORDS = re.compile(
    rf"(?<![\w-])(extra[- ]small|x-?small|small|medium|extra[- ]large|x-?large|xx-large|xxlarge|large|one size|taille unique|einheitsgröße|talla única|均码)\b{_NOT_WHOLE}"
)
_SIZE_IS = re.compile(rf"\b(?:{_WORD})\s?[:=]?\s?$")
_ENDS_PART = re.compile(r"\s{0,2}(?:[,(]|$)")
_BED = "twin xl|twin extra[- ]long|twin|single|full|double|queen|california king|king"
_BEDS = re.compile(
    rf"(?<![\w-])({_BED})(?=[\s-]size\b|\s(?:bed|mattress|sheet|headboard|platform|duvet|comforter|quilt|coverlet|fitted|flat)\b)"
    rf"|(?<=[,/-]\s)({_BED})(?=\s{{0,2}}(?:[,/(]|-\s|$))|(?<=size\s)({_BED})(?=\s{{0,2}}(?:[,/(]|-\s|$))"
)
_BEDDING = re.compile(
    r"bed|mattress|sheet|duvet|quilt|comforter|headboard|futon|blanket|cover|pillow|throw|topper|pad|bunk|linen|platform|frame"
)
_BEDS_ABROAD = re.compile(
    r"\b(?:(?P<double>matrimonial[ei]|(?:cama|sábanas?|colcha|edredón) de matrimonio|cama doble|doppelbett|lit (?:double|deux places)"
    r"|tweepersoons\w*)|(?P<single>letto singolo|einzelbett|lit (?:simple|une place)|cama individual|eenpersoons\w*))\b"
)
_CHINESE_LETTERS = re.compile("(特大|加大|大|中|小)号")
_WORD_VALUES = {
    "extra small": "XS", "extra-small": "XS", "x-small": "XS", "xsmall": "XS", "small": "S", "medium": "M",
    "large": "L", "extra large": "XL", "extra-large": "XL", "x-large": "XL", "xlarge": "XL", "xx-large": "XXL",
    "xxlarge": "XXL", "one size": "one size", "taille unique": "one size", "einheitsgröße": "one size",
    "talla única": "one size", "均码": "one size", "特大": "XL", "加大": "XL", "大": "L", "中": "M", "小": "S", "twin extra-long": "twin xl", "twin extra long": "twin xl",
}  # fmt: skip

# Looking whether a word is there costs less than looking for a form. Other alphabets are searched for every form.
_LETTER_RUN = re.compile(r"[a-z]+(?:'[a-z]+)*")
_SYSTEM_WORDS = frozenset(("uk", "eu", "us", "fr", "it", "jp", "cn", "au"))
_NAMING_WORDS = frozenset(
    ("size", "sz", "misura", "gr", "taille", "pointure", "talla", "taglia", "maat", "tamanho", "rozmiar", "storlek")
)
_LETTER_WORDS = frozenset(("xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl"))
_CHILD_WORDS = frozenset(("toddler", "toddlers", "kid", "kids", "infant", "infants"))
_PAPER_WORDS = frozenset(("letter", "legal", "tabloid", "a", "b"))
_BED_WORDS = frozenset(("twin", "single", "full", "double", "queen", "king"))
_SIZE_WORDS = frozenset(("small", "medium", "large", "xsmall", "xlarge", "xxlarge", "one", "unique"))
_EVERY_WORD = _SYSTEM_WORDS | _NAMING_WORDS | _LETTER_WORDS | _CHILD_WORDS | _PAPER_WORDS | _BED_WORDS | _SIZE_WORDS


@dataclass(frozen=True, slots=True)
class Size:
    """A size at code points ``[start, end)``. ``score``: how sure the form alone makes it, 0-1."""

    value: str
    label: str
    score: float
    start: int
    end: int


def find_sizes(text: str, beside: str = "") -> list[Size]:
    """All sizes that ``text`` states, in order; where forms overlap the more explicit one counts. ``beside``: in lower
    case, what names the goods if the text does not: a description's title.
    """
    found: list[Size] = []
    taken = bytearray(len(text))
    for one in _candidates(text, beside):
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            found.append(one)
    return sorted(found, key=lambda size: size.start)


def lowered(text: str) -> str:
    """``text`` in lower case, character by character: positions stay. (Only the dotted capital I would become two.) Every
    sigma is the same one, wherever it stands.
    """
    return text.lower() if text.isascii() else text.replace("İ", "i").lower().replace("ς", "σ")


def _candidates(text: str, beside: str) -> Iterator[Size]:
    """By form, the most explicit first; forms only where there is a number, or a word that they need."""
    in_lower_case = lowered(text)
    words = frozenset(_LETTER_RUN.findall(in_lower_case)) if text.isascii() else _EVERY_WORD
    has_digits = _DIGIT.search(text) is not None
    if has_digits:
        yield from _dimensions(text)
    if not words.isdisjoint(_SYSTEM_WORDS):
        yield from _systems(text)
    if has_digits and "/" in text and _INSTRUMENT.search(in_lower_case):
        for match in _PART.finditer(text):
            yield Size(match[1], match[1], 0.9, *match.span())
    yield from _named(text, words)
    for worn in find_worn(text, in_lower_case, beside):
        yield Size(worn.value, worn.value, worn.score, worn.start, worn.end)
    if has_digits:
        yield from _measures(text)
        yield from _bare_numbers(text)
    if not words.isdisjoint(_PAPER_WORDS):
        yield from _paper(in_lower_case)
    yield from _words(in_lower_case, words)


def _dimensions(text: str) -> Iterator[Size]:
    for one in find_dimensions(text):
        label = " × ".join(one.numbers) + f" {one.unit}" * bool(one.unit)
        yield Size("x".join(one.numbers) + one.unit, label, 0.95 if one.unit else 0.75, one.start, one.end)


def _measures(text: str) -> Iterator[Size]:
    for one in find_measures(text):
        yield Size(one.numbers[0] + one.unit, f"{one.numbers[0]} {one.unit}", 0.85, one.start, one.end)


def _systems(text: str) -> Iterator[Size]:
    for match in _SYSTEM_FIRST.finditer(text):
        yield from _numbers_in_system(match[1], match[2], match[3], match)
    for match in _SYSTEM_LAST.finditer(text):
        is_range = match[1] is not None and not text[: match.start()].endswith("of ")  # pack of 2-10 UK
        yield from _numbers_in_system(
            match[3], match[1] if is_range else match[2], match[2] if is_range else None, match
        )
    for match in _SYSTEM_LETTERS.finditer(text):
        yield _in_system(match[1], match[2].upper(), match)


def _numbers_in_system(system: str, first: str, last: str | None, match: re.Match[str]) -> Iterator[Size]:
    said = _spanned(_shoe_number(first), _shoe_number(last) if last else None)
    if said is not None:
        yield _in_system(system, said, match)
    elif match.re is _SYSTEM_FIRST and match[0][: match.start(3) - match.start()].endswith(" "):
        value = f"{system.upper()} {_shoe_number(first)}"  # UK 8 - 2 pairs
        yield Size(value, value, 0.95, match.start(), match.end(2))


def _shoe_number(said: str) -> str:
    """Thirds as written on the shoe, ``42 2/3``; halves as decimals."""
    for written, third in (("⅓", "1/3"), ("⅔", "2/3")):
        said = said.replace(written, f" {third}")
    return " ".join(said.split()) if said.endswith("/3") else canonical_number(said)


def _spanned(first: str, last: str | None) -> str | None:
    """One number, or a range; None where the second is not above the first: that is something else."""
    if last is None:
        return first
    return f"{first}-{last}" if _height(first) < _height(last) else None


def _height(number: str) -> float:
    return float(number.partition(" ")[0]) + ("/" in number) / 2


def _in_system(system: str, said: str, match: re.Match[str]) -> Size:
    value = f"{system.upper()} {said}"
    return Size(value, value, 0.95, *match.span())


def _named(text: str, words: frozenset[str]) -> Iterator[Size]:
    for match in _NAMED.finditer(text) if not words.isdisjoint(_NAMING_WORDS) else ():
        yield from _named_range(match) if match[2] else _named_one(match, text)
    for match in _CODED.finditer(text) if not text.isascii() or "beden" in text else ():
        yield _plain(match, 0.95)
    for match in _PAIRED.finditer(text) if "/" in text else ():
        yield _plain(match, 0.8)
    for match in _TYRE.finditer(text) if "/" in text else ():
        value = f"{match[1]}R{match[3]}"
        yield Size(value, value, 0.95, *match.span())
    for match in _BARE_LETTERS.finditer(text) if not words.isdisjoint(_LETTER_WORDS) else ():
        yield _plain(match, 0.8)
    for match in _CHILD.finditer(text) if not words.isdisjoint(_CHILD_WORDS) else ():
        yield _plain(match, 0.9)


def _named_one(match: re.Match[str], text: str) -> Iterator[Size]:
    """Gr. 38, Gr. 38/40, Gr. 34/32, size 9 (l). What falls to a single digit is none: 4/4."""
    if match[3] and int(match[1].partition(",")[0].partition(".")[0]) < int(match[3]):
        said = f"{canonical_number(match[1])}-{match[3]}"
        yield Size(said, said, 0.95, *match.span())
    elif match[3] and len(match[3]) > 1:  # jeans: waist and leg
        said = f"{canonical_number(match[1])}x{match[3]}"
        yield Size(said, said, 0.95, *match.span())
    elif not match[3]:
        yield _plain(match, 0.95)
        second = _SECOND.match(text, match.end())
        if second is not None and second[1][-1].isalpha() != match[1][-1].isalpha():
            yield _plain(second, 0.9)


def _bare_numbers(text: str) -> Iterator[Size]:
    match = _BARE_NUMBER.search(text)
    if match is not None:
        yield _plain(match, 0.75)


def _named_range(match: re.Match[str]) -> Iterator[Size]:
    """Gr. 43-46, size S-L. A number and a letter, or what falls, is no range."""
    first, last = match[1].upper(), match[2].upper()
    if first[-1].isalpha() and last[-1].isalpha():
        said: str | None = f"{first}-{last}"
    elif first[-1].isalpha() or last[-1].isalpha():
        said = None
    else:
        said = _spanned(canonical_number(first), canonical_number(last))
    if said is not None:
        yield Size(said, said, 0.95, *match.span())
    elif match.string[match.start(2) - 1] == " ":
        yield Size(first, first, 0.95, match.start(), match.end(1))  # size 10 - 2 of them


def _plain(match: re.Match[str], score: float) -> Size:
    """A size without unit or system; the span is that of the match without what only shows where it ends."""
    group = match.lastindex or 1
    said = match[group]
    value = said.upper() if said[-1].isalpha() else canonical_number(said)
    start = match.start() if match.re in (_NAMED, _CODED) else match.start(group)
    return Size(value, value, score, start, match.end() if match.re is _CODED else match.end(group))


def _paper(text: str) -> Iterator[Size]:
    """Of lowered ``text``."""
    for match in _PAPER.finditer(text):
        group = match.lastindex or 1
        value = match[group] if group == 1 else match[group].upper()
        yield Size(value, value.capitalize(), 0.85, *match.span(group))


def _words(text: str, words: frozenset[str]) -> Iterator[Size]:
    """Of lowered ``text``."""
    for match in _BEDS.finditer(text) if not words.isdisjoint(_BED_WORDS) else ():
        group = match.lastindex or 1
        if match[group] == "full" and not (_BEDDING.search(text) or _INSTRUMENT.search(text)):
            continue  # a full size keyboard
        value = _WORD_VALUES.get(match[group], match[group])
        yield Size(value, value.capitalize(), 0.85, *match.span(group))
    for match in _BEDS_ABROAD.finditer(text):
        value = str(match.lastgroup)
        yield Size(value, value.capitalize(), 0.85, *match.span())
    for match in _CHINESE_LETTERS.finditer(text) if not text.isascii() else ():
        value = _WORD_VALUES[match[1]]
        yield Size(value, value, 0.8, *match.span())
    found = list(_WORDS.finditer(text)) if not words.isdisjoint(_SIZE_WORDS) else []
    for match in found:
        score = _word_score(text, match, is_alone=len(found) == 1)
        yield Size(_WORD_VALUES[match[1]], match[1].capitalize(), score, *match.span())


def _word_score(text: str, match: re.Match[str], *, is_alone: bool) -> float:
    """Size Medium states a size; so does Large after a comma where no other is named; a large vase may be any."""
    before = text[max(0, match.start() - 12) : match.start()]
    if _SIZE_IS.search(before):
        return 0.95
    return 0.8 if is_alone and before.endswith(", ") and _ENDS_PART.match(text, match.end()) else 0.65
