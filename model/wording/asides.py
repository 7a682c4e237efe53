"""Sentences of a description that speak of something else than the thing for sale: who wears it in the picture, what is
not included, what else there is, how it is sent, whose home it comes from, what it was before it was painted.

Sellers put them under everything, and what they state is not stated of this. Pure; linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from model.wording.tokens import Stated

_SENTENCE = re.compile(
    r"[^.!?;\n。！？；]+(?:\.(?=\s?\d|\S)[^.!?;\n。！？；]*)*[.!?;\n。！？；]?"
)  # 1.80 m and Gr. 38 go on
_COMMA = re.compile(r",(?!\d)|，|、")
# Each Latin form begins at a word's start, said once for all: at other places nothing is tried.
_ONWARDS = re.compile(  # from the clause in which one of them stands to the end of its sentence
    # who wears it
    r"\b(?:(?:models?|modelo|modèle|mannequin|modella|modelka)\b.{0,30}"
    r"\b(?:wears?|wearing|is|lleva|mide|viste|porte|mesure|trägt|ist|indossa|misura|è)\b"
    # what else there is
    r"|(?:other|more) (?:items|listings|auctions|ads|colou?rs|sizes)\b|also (?:available|selling|have|sell)\b"
    r"|available in\b"
    r"|(?:my|our) (?:shop|store|wardrobe|closet)\b|feedback\b|mon dressing\b|mi armario\b|mio armadio\b"
    r"|auch (?:in|als|noch)\b"
    r"|(?:weitere|andere[nr]?) (?:anzeigen|artikel|farben|angebote|größen)\b|existe (?:aussi|également)\b"
    r"|également disponible|disponible (?:aussi|également|también|en (?:otros|varios))"
    r"|(?:mes|d'|les )?autres (?:annonces|articles|ventes|coloris|couleurs|tailles)\b"
    r"|también (?:disponible|tengo|vendo|en)\b|otr[oa]s (?:artículos|anuncios|productos|colores|tallas)\b"
    r"|disponibil[ei] anche\b|altr[ie] (?:annunci|articoli|inserzioni|colori|taglie)\b"
    # how it is sent
    r"|(?:postage|shipp(?:ed|ing)|parcel|courier|cardboard|packag(?:ed|ing)|posted|gift box)\b"
    r"|versand|verschick|verpack|paket\b|(?:envío|envio|embalaje|paquete postal)\b"
    r"|(?:colis|envoi|envoyé|expédi\w+|emballage|emballé|mondial relay)\b"
    r"|(?:spedizion[ei]|spedisco|imballaggio|imballo)\b"
    # whose home it comes from
    r"|(?:smoke|pet|smoker?)[- ]?free\b|non[- ]smok\w+|nichtraucher|rauchfrei|tierfrei|tierlos|haustier|non[- ]fumeur"
    r"|sans (?:animaux|tabac)\b|senza (?:fumo|animali)\b|no fumador|sin (?:humo|mascotas)\b|libre de humo\b"
    r"|comes from (?:a|an|the|our|my)\b|stammt aus\b)"
)
_NOT_PART = re.compile(  # the clause in which one of them stands
    r"\b(?:not (?:included|for sale|part of)\b|no (?:incluid[oa]s?|incluye)\b|gehör(?:t|en) nicht\b"
    r"|nicht (?:enthalten|dabei|inbegriffen|inklusive|im lieferumfang|im preis)\b"
    r"|non (?:inclus|incluse?s?|inclus[oai]|compris|comprises?|fournie?s?|compres[oaie])\b)"
)
_PAINTED = re.compile(
    r"\b(?:(?:re-?)?(?:painted|sprayed|dyed|covered)\b|(?:über|um)?(?:gestrichen|lackiert|gefärbt)|neu bezogen"
    r"|(?:re)?peinte?\b|teinte?\b|pintad[oa]\b|teñid[oa]\b|dipint[oa]\b|verniciat[oa]\b|tint[oa]\b)"
)
_ONCE = re.compile(r"\b(?:was|used to be|originally|war|waren|ursprünglich|était|étaient|era|eran|erano)\b")
_CHINESE = {
    _ONWARDS: re.compile("模特|另有|其他(?:颜色|商品|尺码)|快递|发货|包装|纸箱|无烟"),
    _NOT_PART: re.compile("不包含|不包括|不含"),
    _PAINTED: re.compile("刷成|漆成|染成|改成"),
    _ONCE: re.compile("原来是|原本|以前是"),
}
_NAMES = {
    "color": r"colou?rs?|farbe|couleur|coloris|color|colore|kleur|cor|颜色|色",
    "material": r"materials?|obermaterial|matériau|matière|materiale|materiaal|材质|材料|面料",
    "pattern": r"patterns?|muster|motif|estampado|fantasia|图案",
}
_NAME_BEFORE = 40  # code points that its name may stand before a value, with a word between
_WITH = re.compile(r"(?<!\w)(?:with|mit|avec|con|met|com)(?!\w)|\bw/|带|配")
_FAR = 60  # code points from one value to another that is still of a part


def is_of_part(first: Stated, one: Stated, text: str) -> bool:
    """``red with white dots``: does another value stand before it, and a word for ``with`` between them?"""
    if one.value == first.value or one.attribute not in _NAMES or one.start - first.end > _FAR:
        return False
    return _WITH.search(text, first.end, one.start) is not None


def is_named_for(attribute: str, text: str, start: int) -> bool:
    """Does the attribute's name and a colon stand before what begins at ``start``? ``text`` is in lower case."""
    form = rf"(?<!\w)(?:{_NAMES.get(attribute, re.escape(attribute.replace('_', ' ')))})\s?[:=：]\s?(?:[\w-]+\s)?$"
    return re.search(form, text[max(0, start - _NAME_BEFORE) : start]) is not None


def without_asides(text: str, in_lower_case: str) -> str:
    """``text`` with such sentences and clauses blank: what is left stands where it stood. ``in_lower_case`` is the
    text, position by position.
    """
    if not any(_stands(form, in_lower_case, 0, len(text)) for form in (_ONWARDS, _NOT_PART, _PAINTED)):
        return text  # as most are
    left = list(text)
    for start, end in _asides(in_lower_case):
        left[start:end] = " " * (end - start)
    return "".join(left)


def _asides(text: str) -> Iterator[tuple[int, int]]:
    for sentence in _SENTENCE.finditer(text):
        clauses = list(_clauses(text, *sentence.span()))
        is_painted = len(clauses) > 1 and _stands(_PAINTED, text, *sentence.span())
        for start, end in clauses:
            if _stands(_ONWARDS, text, start, end):
                yield start, sentence.end()
                break
            if _stands(_NOT_PART, text, start, end) or (is_painted and _stands(_ONCE, text, start, end)):
                yield start, end


def _stands(form: re.Pattern[str], text: str, start: int, end: int) -> bool:
    if form.search(text, start, end):
        return True
    return not text.isascii() and _CHINESE[form].search(text, start, end) is not None


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for comma in _COMMA.finditer(text, start, end):
        yield start, comma.end()
        start = comma.end()
    yield start, end
