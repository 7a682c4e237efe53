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
# From the clause in which one of them stands to the end of its sentence.
_ONWARDS = re.compile(
    # who wears it
    r"\b(?:models?|modelo|modèle|mannequin|modella|model(?:ka|o)?)\b.{0,30}\b(?:wears?|wearing|is|lleva|mide|viste|porte|mesure|trägt"
    r"|ist|indossa|misura|è)\b|模特"
    # what else there is
    r"|\b(?:other|more) (?:items|listings|auctions|ads|colou?rs|sizes)\b|\balso (?:available|selling|have|sell)\b"
    r"|\bavailable in\b"
    r"|\b(?:my|our) (?:shop|store|wardrobe|closet)\b|\bfeedback\b|\bmon dressing\b|\bmi armario\b|\bmio armadio\b"
    r"|\bauch in\b|\bauch (?:als|noch)\b|\b(?:weitere|andere[nr]?) (?:anzeigen|artikel|farben|angebote|größen)\b"
    r"|\bexiste (?:aussi|également)\b|\bégalement disponible"
    r"|\bdisponible (?:aussi|également|también|en (?:otros|varios))"
    r"|\b(?:mes|d'|les )?autres (?:annonces|articles|ventes|coloris|couleurs|tailles)\b"
    r"|\btambién (?:disponible|tengo|vendo|en)\b|\botr[oa]s (?:artículos|anuncios|productos|colores|tallas)\b"
    r"|\bdisponibil[ei] anche\b|\baltr[ie] (?:annunci|articoli|inserzioni|colori|taglie)\b|另有|其他(?:颜色|商品|尺码)"
    # how it is sent
    r"|\b(?:postage|shipp(?:ed|ing)|parcel|courier|cardboard|packag(?:ed|ing)|posted|gift box)\b"
    r"|\bversand|\bverschick|\bverpack|\bpaket\b|\b(?:envío|envio|embalaje|paquete postal)\b"
    r"|\b(?:colis|envoi|envoyé|expédi\w+|emballage|emballé|mondial relay)\b"
    r"|\b(?:spedizion[ei]|spedisco|imballaggio|imballo)\b|快递|发货|包装|纸箱"
    # whose home it comes from
    r"|\b(?:smoke|pet|smoker?)[- ]?free\b|\bnon[- ]smok\w+|\bnichtraucher|\brauchfrei|\btierfrei|\btierlos|\bhaustier"
    r"|\bnon[- ]fumeur|\bsans (?:animaux|tabac)\b|\bsenza (?:fumo|animali)\b|\bno fumador|\bsin (?:humo|mascotas)\b"
    r"|\blibre de humo\b"
    r"|\bcomes from (?:a|an|the|our|my)\b|\bstammt aus\b|无烟"
)
_NOT_PART = re.compile(  # the clause in which one of them stands
    r"\bnot (?:included|for sale|part of)\b|\bno (?:incluid[oa]s?|incluye)\b|不包含|不包括|不含"
    r"|\bnicht (?:enthalten|dabei|inbegriffen|inklusive|im lieferumfang|im preis)\b|\bgehör(?:t|en) nicht\b"
    r"|\bnon (?:inclus|incluse?s?|inclus[oai]|compris|comprises?|fournie?s?|compres[oaie])\b"
)
_PAINTED = re.compile(
    r"\b(?:re-?)?(?:painted|sprayed|dyed|covered)\b|gestrichen|lackiert|gefärbt|neu bezogen|\b(?:re)?peinte?\b"
    r"|\bteinte?\b|\bpintad[oa]\b|\bteñid[oa]\b|\bdipint[oa]\b|\bverniciat[oa]\b|\btint[oa]\b|刷成|漆成|染成|改成"
)
_ONCE = re.compile(
    r"\b(?:was|used to be|originally|war|waren|ursprünglich|était|étaient|era|eran|erano)\b|原来是|原本|以前是"
)
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


def without_asides(text: str) -> str:
    """``text``, in lower case, with such sentences and clauses blank: what is left stands where it stood."""
    left = list(text)
    for start, end in _asides(text):
        left[start:end] = " " * (end - start)
    return "".join(left)


def _asides(text: str) -> Iterator[tuple[int, int]]:
    for sentence in _SENTENCE.finditer(text):
        clauses = list(_clauses(text, *sentence.span()))
        is_painted = _PAINTED.search(text, *sentence.span()) is not None and len(clauses) > 1
        for start, end in clauses:
            if _ONWARDS.search(text, start, end):
                yield start, sentence.end()
                break
            if _NOT_PART.search(text, start, end) or (is_painted and _ONCE.search(text, start, end)):
                yield start, end


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for comma in _COMMA.finditer(text, start, end):
        yield start, comma.end()
        start = comma.end()
    yield start, end
