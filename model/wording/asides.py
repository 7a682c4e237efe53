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
    r"|(?:our|my|unsere?|meine?|notre|mon|ma|nuestr[oa]|mi|mio|mia|nostr[oa]) (?:\w+ )?(?:cats?|dogs?|sons?|daughters?"
    r"|kids?|wife|husband|katze|hund|sohn|tochter|frau|mann|chat|chien|fils|fille|gat[oa]|perr[oa]|hij[oa]|cane|figli[oa])\b"
    r"|(?:normally|usually|sonst|normalerweise|d'habitude|normalmente|di solito) (?:take|wear|trage|prends|uso|porto)\b"
    r"|je fais du\b|(?:trägt|trage|hat) (?:sonst|normal|jetzt)\b"
    # what else there is
    r"|(?:other|more) (?:items|listings|auctions|ads|colou?rs|sizes)\b|also (?:available|selling|have|sell)\b"
    r"|available in\b"
    r"|(?:my|our) (?:shop|store|wardrobe|closet)\b|feedback\b|mon dressing\b|mi armario\b|mio armadio\b"
    r"|also see\b|see (?:my|our)\b|(?:auch|noch) (?:verkaufe|zu verkaufen)\b|je vends (?:aussi|également)\b"
    r"|(?:vendo|tengo) (?:anche|también)\b|también l[oa]s? (?:tengo|vendo)\b"
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
_REST = re.compile(  # what stands behind one of them, to the end of its sentence
    # how it is washed
    r"\b(?:(?:(?:machine|hand)[- ])?wash(?:ed)? (?:at|with|separately)\b|(?:do not|don't) (?:wash|bleach|iron)\b"
    r"|bei \d\d\s?(?:grad|°)|nicht (?:bleichen|bügeln|mit .{0,30} waschen)\b|(?:maschinen|hand)wäsche\b"
    r"|lav(?:er|age|ar|are) (?:(?:à|con|a|avec|in)\b|separa[dt]|séparé)|no (?:usar lejía|lavar|planchar)\b"
    # what it comes in, and what comes with it
    r"|(?:arrives?|comes?|supplied|delivered|presented) (?:with\b|(?:in|on)\b.{0,24}\b(?:box|bag|case|pouch|card)\b)"
    r"|complete with\b|gift[- ]?wrap|free gift\b|geliefert (?:im|in|mit)\b|livrée?s? (?:avec|dans|en)\b"
    r"|viene con\b|se entrega (?:con|en)\b|viene fornit|consegnat[oa] (?:con|in)\b)"
)
_BESIDE = re.compile(  # and to the end of its clause: what it goes with, and what it holds, by that thing's size
    r"\b(?:(?:goes|go|works?|looks?) (?:well |great |nice |lovely )?with\b|passt (?:gut |perfekt |super )?zu[mr]?\b"
    r"|(?:suitable|recommended|compatible) (?:(?:for|with)\b(?! (?:age|size|\d))|needles?\b)"
    r"|(?:for|fits?|holds?|für|passt|pour|para|per|convient)\b[^,.;]{0,24}\b(?:laptops?|notebooks?|tvs?|tablets?|pcs?"
    r"|ordinateurs?|fernseher|ordenador(?:es)?|portátil(?:es)?|televisor(?:es)?)\b)"
)
_NOT_PART = re.compile(  # the clause in which one of them stands
    r"\b(?:not (?:included|for sale|part of)\b|no (?:incluid[oa]s?|incluye)\b|gehör(?:t|en) nicht\b"
    r"|not (?:being sold|supplied|part)\b|(?:sold|available|listed) (?:separately|elsewhere)\b|optional\b|extra £"
    r"|(?:for|shown for) (?:styling|display|illustration|scale)\b"
    r"|(?:shown|pictured|in (?:the )?(?:photo|picture)) (?:is|are) not\b"
    r"|nicht (?:enthalten|dabei|inbegriffen|inklusive|im lieferumfang|im (?:preis|verkauf))\b"
    r"|(?:liegt|liegen) bei\b|(?:is|are) missing\b|(?:ist|sind) dabei\b|fehl(?:t|en)\b"
    r"|(?:schon|bereits) verkauft\b|(?:ist|sind|nur|als|dient) deko\b|separat erhältlich\b"
    r"|(?:vendue?s?|disponibles?) (?:à part|séparément)\b|(?:non|pas) (?:vendue?s?|à vendre)\b|offerte?s?\b"
    r"|no se venden?\b|(?:se venden?|vendid[oa]s?|van?) (?:aparte|por separado)\b|aparte\b|no (?:está|van?) inclu"
    r"|(?:de|als|en|in) (?:regalo|geschenk|cadeau|omaggio)\b"
    r"|vendut[oaie] (?:a parte|separatamente)\b|esclus[oaie]\b"
    r"|non (?:inclus|incluse?s?|inclus[oai]|compris|comprises?|fournie?s?|compres[oaie])\b)"
)
_PAINTED = re.compile(
    r"\b(?:(?:re-?)?(?:painted|sprayed|dyed|covered)\b|(?:über|um)?(?:gestrichen|lackiert|gefärbt)|neu bezogen"
    r"|(?:re)?peinte?\b|teinte?\b|pintad[oa]\b|teñid[oa]\b|dipint[oa]\b|verniciat[oa]\b|tint[oa]\b)"
)
_ONCE = re.compile(r"\b(?:was|used to be|originally|war|waren|ursprünglich|était|étaient|era|eran|erano)\b")
_CHINESE = {
    _ONWARDS: re.compile("模特|另有|还有|其他(?:颜色|商品|尺码)|快递|发货|包装|纸箱|鞋盒|无烟"),
    _REST: re.compile("请勿|不要与|附赠|赠送"),
    _BESIDE: re.compile("可放|可装"),
    _NOT_PART: re.compile("不包含|不包括|不含|赠品|道具|(?:为|仅)装饰|同洗"),
    _PAINTED: re.compile("刷成|漆成|染成|改成"),
    _ONCE: re.compile("原来是|原本|以前是"),
}
_NAMES = {
    "color": r"colou?rs?|farbe|couleur|coloris|color|colore|kleur|cor|färg|farve|farge|väri|kolor|barva|farba|szín"
    r"|culoare|renk|χρωμα|boja|цвет|колір|цвят|لون|اللون|رنگ|צבע|warna|màu(?: sắc)?|रंग|สี|색상|カラー|颜色|顏色|色",
    "material": r"materials?|obermaterial|matériau|matière|materiale|materiaal|materiaali|materiał|materiál|anyag"
    r"|malzeme|υλικο|materijal|материал|матеріал|خامه|الخامه|جنس|חומר|bahan|chất liệu|सामग्री|วัสดุ|소재|素材|材质|材質"
    r"|材料|面料",
    "pattern": r"patterns?|muster|motif|estampado|fantasia|图案",
}
_NAME_BEFORE = 40  # code points that its name may stand before a value, with a word between
_SENTENCE_END = re.compile(r"[.!?;\n。！？；](?!\d)")
_WITH = re.compile(
    r"(?<!\w)(?:with|mit|avec|con|met|com|med|cu|με|с|со|із|зі|със|dengan|với|مع|با|עם)(?!\w)|\bw/|带|帶|配"
)
_FAR = 60  # code points from one value to another that is still of a part


def is_of_part(first: Stated, one: Stated, text: str, *, by_sentence: bool) -> bool:
    """``red with white dots``: does another value stand before it, and a word for ``with`` between them? By
    sentence: or a sentence's end, as a description says first what the thing is, then what its cable is.
    """
    if one.value == first.value or one.attribute not in _NAMES:
        return False
    if by_sentence and _SENTENCE_END.search(text, first.end, one.start):
        return True
    return one.start - first.end <= _FAR and _WITH.search(text, first.end, one.start) is not None


def is_named_for(attribute: str, text: str, start: int) -> bool:
    """Does the attribute's name and a colon stand before what begins at ``start``? ``text`` is in lower case."""
    form = rf"(?<!\w)(?:{_NAMES.get(attribute, re.escape(attribute.replace('_', ' ')))})\s?[:=：]\s?(?:[\w-]+\s)?$"
    return re.search(form, text[max(0, start - _NAME_BEFORE) : start]) is not None


def without_asides(text: str, in_lower_case: str) -> str:
    """``text`` with such sentences and clauses blank: what is left stands where it stood. ``in_lower_case`` is the
    text, position by position.
    """
    if not any(_found(form, in_lower_case, 0, len(text)) for form in (_ONWARDS, _NOT_PART, _REST, _BESIDE, _PAINTED)):
        return text  # as most are
    left = list(text)
    for start, end in _asides(in_lower_case):
        left[start:end] = " " * (end - start)
    return "".join(left)


def _asides(text: str) -> Iterator[tuple[int, int]]:
    for sentence in _SENTENCE.finditer(text):
        clauses = list(_clauses(text, *sentence.span()))
        is_painted = len(clauses) > 1 and _found(_PAINTED, text, *sentence.span()) is not None
        for start, end in clauses:
            if _found(_ONWARDS, text, start, end):
                yield start, sentence.end()
                break
            if _found(_NOT_PART, text, start, end) or (is_painted and _found(_ONCE, text, start, end)):
                yield start, end
            elif rest := _found(_REST, text, start, end):
                yield rest.start(), sentence.end()
                break
            elif beside := _found(_BESIDE, text, start, end):
                yield beside.start(), end


def _found(form: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
    found = form.search(text, start, end)
    if found is not None or text.isascii():
        return found
    return _CHINESE[form].search(text, start, end)


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for comma in _COMMA.finditer(text, start, end):
        yield start, comma.end()
        start = comma.end()
    yield start, end
