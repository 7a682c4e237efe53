"""A second look at lines that state prices: what stands raised, and what a line runs through.

Only such lines are looked at again; all others cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from model.reading import raised
from model.reading.ink import HEIGHT
from model.reading.recognise import ReadLine
from model.reading.signs import SIGNS, lone_sign
from model.reading.strikes import Strike, find_strike, without
from model.types import Pixels
from model.wording.price_forms import RAISED, find_forms, find_loose

LOOK_VERSION = "3"
_SURE_CENTS = 0.9  # score of raised cents read alone
_CENTS = re.compile(r"\d{2}")
_UNMEASURED = 0.85  # of the score, where raised cents cannot be ruled out
_AMOUNT = re.compile(r"\d[\d.,'’]*[.,]\d{2}(?!\d)")
_TWO_DIGITS = re.compile(r"\d{2}[\d,'’]*[.,]\d{2}")
_LACKING = re.compile(
    rf"(?P<junk>[^\W\d_]|[(<{{*])?(?P<amount>\d{{1,3}}(?:[.,'’]\d{{3}})+|\d{{1,6}})(?:[.,]\d{{2}}|[{RAISED}]{{2}})?"
    r"(?=\s*$|\s?[-–—/])"
)
_ROOM, _HALF = 0.65, 0.25  # heights from a crop's edge to its first digit's middle: more than a digit needs; its half
_LEAST_SIGN = 0.1  # score of a sign read alone: texture may look like one, but hardly
_RIM = 0.1  # of a crop's height
_LEAST_ALONE = 0.8  # score of a number without a sign that may have raised cents: texture is read as numbers too
_STRAY = 3  # characters
_DOUBTED, _FEWEST_DIGITS = 0.95, 3  # a line read no better than this may be a price with a line through it
_MAX_SPANS = 3  # of one line: a line of many prices is a table
_WORSE, _SURER = 0.08, 0.02  # score that a reading without the line may lose; or must win to change a sign

Read = Callable[[Sequence[Pixels]], list[ReadLine]]
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A line after the second look; ``struck``: code points with a line through them."""

    text: str
    score: float
    struck: Spans = ()


def look_again(crops: Sequence[Pixels], lines: Sequence[ReadLine], read: Read) -> list[SeenLine]:
    """One result per line, in order.

    ``read`` is asked for the crops out of which a line was taken, and then for what stands before amounts that have no
    sign, but raised cents or a line through them; for none, not at all.
    """
    strikes = [_strikes(crop, line) for crop, line in zip(crops, lines, strict=True)]
    struck = [index for index, found in enumerate(strikes) if found]
    cleaned = [_cleaned(crops[index], strikes[index]) for index in struck]
    seen, used = list(lines), list(crops)
    for index, crop, line in zip(struck, cleaned, read(cleaned) if cleaned else [], strict=True):
        if _is_better(line, lines[index]):
            seen[index], used[index] = line, crop
    raised_lines = _with_cents(used, seen, read)
    looked = [
        _seen(crop, raised_lines.get(index, line), found, is_raised=index in raised_lines)
        for index, (crop, line, found) in enumerate(zip(used, seen, strikes, strict=True))
    ]
    return _with_signs(looked, used, seen, read)


def _with_cents(crops: Sequence[Pixels], lines: Sequence[ReadLine], read: Read) -> dict[int, ReadLine]:
    """Lines whose amount has two raised digits behind it, which are read alone: in the line one is easily lost."""
    hung = {}
    for index, (crop, line) in enumerate(zip(crops, lines, strict=True)):
        amounts = raised.candidates(line.text)
        if len(amounts) == 1 and _is_priced(line.text, amounts[0]) and not _may_be_texture(line):
            found = raised.cents_crop(crop, line.text, line.places, amounts[0])
            if found is not None:
                hung[index] = found
    read_alone = read([found.pixels for found in hung.values()]) if hung else []
    return {
        index: _raised(lines[index], found, said.text)
        for (index, found), said in zip(hung.items(), read_alone, strict=True)
        if said.score >= _SURE_CENTS and _CENTS.fullmatch(said.text)
    }


def _raised(line: ReadLine, found: raised.Hung, cents: str) -> ReadLine:
    """The line with ``cents`` raised in place of what was read there."""
    text = line.text[: found.start] + cents.translate(raised.TO_RAISED) + line.text[found.end :]
    places = (*line.places[: found.start], *found.places, *line.places[found.end :])
    return replace(line, text=text, places=places)


def _with_signs(
    looked: Sequence[SeenLine], crops: Sequence[Pixels], lines: Sequence[ReadLine], read: Read
) -> list[SeenLine]:
    """Amounts without a sign get theirs: what was too small to be read with the line is read alone."""
    found = list(looked)
    cut: dict[int, Pixels] = {}
    for index, (crop, before, line) in enumerate(zip(crops, lines, looked, strict=True)):
        part = _cut(crop, before, line)
        if part is not None:
            cut[index] = part
    for index, said in zip(cut, read(list(cut.values())) if cut else [], strict=True):
        line, sign = looked[index], lone_sign(said.text, said.score)
        if _is_false_digit(line):
            if said.text.strip() and not _digits(said.text):
                bare = _moved(line, line.text[1:], -1)
                found[index] = bare if sign is None else _signed(bare, sign, said.score)
        elif sign is not None and said.score >= _LEAST_SIGN:
            found[index] = _signed(line, sign, said.score)
    open_ones = [index for index in cut if found[index] is looked[index] and _is_false_digit(looked[index])]
    for index, said in zip(
        open_ones, read([_tight(crops[index]) for index in open_ones]) if open_ones else [], strict=True
    ):
        found[index] = _with_first(looked[index], said)
    return found


def _tight(crop: Pixels) -> Pixels:
    """The crop without its rim: larger letters are read, and the line through them lies lower in it."""
    rim = round(_RIM * crop.shape[0])
    return crop[rim : crop.shape[0] - rim]


def _with_first(line: SeenLine, said: ReadLine) -> SeenLine:
    """The line with the sign that another reading has in place of its first character, if all else is the same."""
    rest = line.text[1:]
    if said.text[:1] not in SIGNS or not rest or said.text[1:].strip() != rest.strip():
        return line
    return _signed(_moved(line, rest, -1), said.text[0], said.score)


def _cut(crop: Pixels, before: ReadLine, line: SeenLine) -> Pixels | None:
    """The part of ``crop`` that has to be read alone, if there is one. ``before``: as first read from that crop."""
    if _is_false_digit(line):
        end = round((before.places[0] + before.places[1]) / 2 * crop.shape[1])
        return crop[:, :end] if end > crop.shape[0] // 4 else None
    if line.text != before.text and raised.is_alone(line.text):
        return raised.sign_crop(crop, before.text, before.places)
    return _before_amount(crop, before, line)


def _before_amount(crop: Pixels, before: ReadLine, line: SeenLine) -> Pixels | None:
    """What stands before an amount without a sign: the place of a letter that was read there, or room for one."""
    match = _LACKING.match(line.text)
    if match is None:
        return None
    start = match.start("amount")
    if any(form.currencies and form.start <= start < form.end for form in find_forms(line.text)):
        return None
    middle = before.places[start] * crop.shape[1]
    if match["junk"]:
        end = (before.places[start - 1] * crop.shape[1] + middle) / 2
    elif middle >= _ROOM * crop.shape[0]:
        second = before.places[start + 1] if match["amount"][1:2].isdigit() else 1.0
        end = middle - min(_HALF * crop.shape[0], (second * crop.shape[1] - middle) / 2)
    else:
        return None
    return crop[:, : round(end)] if round(end) > crop.shape[0] // 4 else None


def _is_false_digit(line: SeenLine) -> bool:
    """May the first digit be a sign with a line through it? ``₹86.95`` crossed out is read as ``786.95``."""
    forms = find_forms(line.text)
    first = [form for form in (*forms, *find_loose(line.text, forms)) if form.start == 0 and not form.currencies]
    is_old = any(start == 0 for start, _ in line.struck) or len(forms) > len(first)
    return bool(first) and is_old and _TWO_DIGITS.match(line.text) is not None


def _signed(line: SeenLine, sign: str, score: float) -> SeenLine:
    bare = stripped(line)
    if not bare.text[0].isdigit():  # the sign was read as a letter
        bare = _moved(bare, bare.text[1:], -1)
    signed = _moved(bare, sign + bare.text, 1)
    return replace(signed, score=(line.score * len(bare.text) + score) / len(signed.text))


def _moved(line: SeenLine, text: str, by: int) -> SeenLine:
    """The line with another ``text``, whose characters stand ``by`` places on; the first, under a line, stays so."""
    moved = ((start and max(0, start + by), end + by) for start, end in line.struck)
    return SeenLine(text, line.score, tuple(span for span in moved if span[0] < span[1]))


def _strikes(crop: Pixels, line: ReadLine) -> list[Strike]:
    """The lines through the prices of ``line``, each once."""
    if not line.text or max(crop.shape[:2]) < HEIGHT // 4:
        return []
    forms = find_forms(line.text)
    if forms:
        forms += find_loose(line.text, forms)  # an old price often loses its sign to the line through it
    spans = [(form.start, form.end) for form in forms]
    amount = _AMOUNT.search(line.text)
    if not spans and amount and len(line.text) - len(amount[0]) <= _STRAY:  # a struck sign may be read as anything
        spans = [amount.span()]
    elif not spans and line.score < _DOUBTED and len(_digits(line.text)) >= _FEWEST_DIGITS:
        spans = [(0, len(line.text))]
    half = HEIGHT / 8 / max(1.0, crop.shape[1] * HEIGHT / crop.shape[0])  # half a narrow character, of the width
    found = (
        find_strike(crop, line.places[start] - half, line.places[end - 1] + half) for start, end in spans[:_MAX_SPANS]
    )
    return [strike for strike in found if strike is not None]


def _cleaned(crop: Pixels, strikes: Sequence[Strike]) -> Pixels:
    for strike in strikes:
        crop = without(crop, strike)
    return crop


def _is_better(cleaned: ReadLine, line: ReadLine) -> bool:
    """A price read without the line goes before one read with it, unless it is read much worse."""
    has_form = bool(find_forms(cleaned.text))
    if has_form != bool(find_forms(line.text)):
        return has_form and (cleaned.score >= line.score or _signs(cleaned.text) > 0)
    if _signs(cleaned.text) < _signs(line.text):
        return False
    if _digits(cleaned.text) != _digits(line.text):
        is_whole = len(_digits(cleaned.text)) >= len(_digits(line.text))
        return is_whole and cleaned.least >= line.least and _open(cleaned.text) <= _open(line.text)
    if _currencies(cleaned.text) != _currencies(line.text):
        return cleaned.score >= line.score + _SURER
    return cleaned.score >= line.score - _WORSE


def _currencies(text: str) -> list[tuple[str, ...]]:
    return [form.currencies for form in find_forms(text)]


def _open(text: str) -> int:
    """Digits without a bar. Where a line's place was a digit's own bar, taking it out makes a 0 of an 8, a 1 of a 4."""
    return text.count("0") + text.count("1")


def _signs(text: str) -> int:
    """How many prices have their sign."""
    return sum(bool(form.currencies) for form in find_forms(text))


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _seen(crop: Pixels, line: ReadLine, strikes: Sequence[Strike], *, is_raised: bool) -> SeenLine:
    text, score = line.text, line.score
    for amount in reversed(raised.candidates(text)):
        if not _is_priced(text, amount) or _may_be_texture(line):
            continue
        found = "raised" if is_raised else raised.judge(crop, line.text, line.places, amount)
        is_unknown = found == "unknown" and not raised.is_alone(text)
        if found == "raised" or (is_unknown and raised.is_grouped(text, amount)):
            text = raised.written(text, amount)
        if is_unknown:
            score *= _UNMEASURED
    if (zeros := raised.with_zeros(text)) != text:
        text, score = zeros, score * _UNMEASURED
    return SeenLine(text, score, _spans(text, line, strikes, crop))


def _may_be_texture(line: ReadLine) -> bool:
    """A number without a sign, and not read surely."""
    return raised.is_alone(line.text) and line.score < _LEAST_ALONE


def _is_priced(text: str, amount: tuple[int, int, int]) -> bool:
    """Would it be a price if its last two digits were cents?"""
    start, cents, _ = amount
    forms = find_forms(raised.written(raised.plain(text), amount))
    return any(form.start <= start and cents < form.end for form in forms)


def _spans(text: str, line: ReadLine, strikes: Sequence[Strike], crop: Pixels) -> Spans:
    """Code points under each strike. Raising cents takes characters away at most behind them."""
    width = crop.shape[1] * HEIGHT / crop.shape[0]
    spans = []
    for strike in strikes:
        under = [index for index, place in enumerate(line.places) if strike.left <= place * width <= strike.right]
        if under:
            spans.append((under[0], min(len(text), under[-1] + 1)))
    return tuple(span for span in spans if span[0] < span[1])


def stripped(line: SeenLine) -> SeenLine:
    """The line with surrounding blanks taken off, spans moved with it."""
    text = line.text.strip()
    shift = len(line.text) - len(line.text.lstrip())
    moved = ((max(0, start - shift), min(len(text), end - shift)) for start, end in line.struck)
    return replace(line, text=text, struck=tuple(span for span in moved if span[0] < span[1]))
