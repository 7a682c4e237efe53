"""What a price is per: a unit of goods, a span of time, or one instalment of several. Words behind or before it.

The unit is given as written, in lower case without blanks (``100g``, ``kg``, ``斤``); spans of time and instalments
have one name each, whatever the language: ``month``, ``instalment``.
"""

from __future__ import annotations

import re

from model.wording.price_words import NOT_IN_WORD

_MEASURE = (
    r"1?00\s?g|1?00\s?ml|kg|g|lb|oz|l|ml|m²|m2|m|stk|st|pc|piece|each|unit|kilo|lit(?:er|re|ro)|stück|pièce|unité|unidad|ud"
    r"|个|件|公斤|千克|斤|克|升|米|瓶|只|包|盒|条|双|套|支|袋|箱"
)
_PER = re.compile(
    r"\s*/\s*$"
    rf"|\s*(?:/|per\b|pro\b|je\b|par\b|por\b|al\b|el\b|le\b|la\b|l['’]|每)\s*(?P<per>{_MEASURE}|[1I|](?=\s*$))(?![A-Za-z\d])",
    re.IGNORECASE,
)
# "1 kg = 4,98 €", "je 100 g 1,99 €": only amounts that prices are compared by. "500 g 2,49 €" is what a pack holds, and
# "L = 25 €" a size.
_MASS = r"1?00\s?g|1?00\s?ml|kg|kilo|lb"
_COUNTED = r"l|lit(?:er|re|ro)|m²|m2|m|stück|stk|st|pièce|unité|unidad|ud"
_BEFORE = re.compile(
    rf"{NOT_IN_WORD}(?:1\s?(?P<one>{_COUNTED}|kg|kilo|lb)|(?<!\d)(?P<mass>{_MASS}))\.?\s?[=≙]\s?$"
    rf"|{NOT_IN_WORD}(?:(?:je|pro|per|le|la|el)\s|l['’])\s?(?:1\s)?(?P<each>{_MASS}|{_COUNTED})\.?\s?[:=]?\s?$",
    re.IGNORECASE,
)
_SPANS = {
    "month": r"months?|mo|mth|monate?|mois|mes|mês|个?月",
    "week": r"weeks?|wk|woche|semaine|semana|周",
    "year": r"years?|yr|jahr|an|año|ano|年",
    "day": r"days?|tag|jour|día|dia|天",
    "night": r"nights?|nacht|nuit|noche|晚",
}
_SPAN = re.compile(
    r"\s?(?:(?:/|per\s|pro\s|im\s|par\s|al\s|por\s|a\s|每)\s?"
    rf"(?:{'|'.join(f'(?P<{name}>{words})' for name, words in _SPANS.items())})"
    r"|(?P<monthly>monthly|pcm|mtl\.?|monatlich))"
    r"(?![^\W_])",
    re.IGNORECASE,
)
_SHARE_BEFORE = re.compile(
    r"(?<![\d.,])\d{1,2}\s?x\s?(?:de|von|of)\s?$"
    r"|(?<![\d.,])\d{1,2}\s?(?:(?:interest-free|easy|monthly|equal|monatliche)\s)?"
    r"(?:payments?|instal+ments?|monatsraten|raten|mensualités|cuotas|mensualidades|parcelas|期)\s?(?:of|zu|à|a|von|de|×|x)?\s?$",
    re.IGNORECASE,
)
_SHARE_AFTER = re.compile(
    r"\s?(?:sem\s?juros|sin\s?inter[eé]s(?:es)?|sans\s?frais|x\s?\d{1,2}\s?(?:cuotas|raten|mois|months|meses))(?![^\W_])",
    re.IGNORECASE,
)
_TIMES = re.compile(r"(?<![\d.,])\d{1,2}\s?[x×]\s?$", re.IGNORECASE)


def per_after(text: str, end: int) -> tuple[str | None, int]:
    """The unit after a price that ends at ``end``, and where the unit ends.

    A lone ``1`` there is a misread ``l``, and nothing a lost one.
    """
    if (span := _SPAN.match(text, end)) is not None:
        return ("month" if span["monthly"] else str(span.lastgroup)), span.end()
    if (match := _PER.match(text, end)) is not None:
        unit = (match["per"] or "l").lower().replace(" ", "")
        return ("l" if unit in ("1", "i", "|") else unit), match.end()
    return None, end


def per_before(text: str, first: int, start: int, end: int) -> str | None:
    """The same where it stands between ``first`` and a price's ``start``: ``1 kg = 4,98 €``, ``10x de R$ 24,99``."""
    before = text[first:start]
    if (match := _BEFORE.search(before)) is not None:
        return (match["one"] or match["mass"] or match["each"]).lower().replace(" ", "")
    if _SHARE_BEFORE.search(before) or (_TIMES.search(before) and _SHARE_AFTER.match(text, end)):
        return "instalment"
    return None
