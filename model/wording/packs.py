"""How many pieces a listing sells, where words say so: ``pack of 6``, ``6-pack``, ``set of 4``, ``6er Pack``.

One alone is not a pack: ``pack of 1`` states the value 1, a title without such words states nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MAX_COUNT = 10_000
_CHINESE = {"两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "十": 10}
_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
    "dozen": 12, "half": 0.5, "half a": 0.5, "twin": 2, "double": 2, "triple": 3, "doppel": 2, "zweier": 2, "dreier": 3,
    "vierer": 4, "fünfer": 5, "sechser": 6, "zehner": 10,
}  # fmt: skip
_SPOKEN = "two|three|four|five|six|seven|eight|nine|ten|twelve"
_PIECES = (
    "packs?|pk|er[- ]?pack|er[- ]?set|teilig|tlg|count|ct|pcs?|pieces?|items|stück|stk|pièces|piezas|pezzi|pz"
    "|peças|pçs|stuks|sztuk|szt|unidades|uds"
)
_PAIRS = r"pairs?|paar|paires|pares|paia"  # but a shoe rack for nine pairs is one
_CARAT = r"(?!\.?\s?t\.?w|\s(?:diamond|moissanite|round|princess|oval))"
_JEWEL = re.compile(
    r"\b(?:gold|silver|platinum|ring|rings|necklace|chain|pendant|earrings?|bracelet|bangle|diamonds?|carat|stud|studs)\b"
)
_MEASURE_WORDS = "件套|[件个只片支包条块双根盒瓶袋粒罐卷张]装|[件个只片支条双根把块张瓶袋粒盒卷]"
_OPENS = r"(?<!\d[.,/-])(?<![./])\b"  # the 500 of 1,500, the 4 of 3/4 ct and the 12 of 10-12 are no counts
_DIGITS = r"\d{1,2}[.,]\d{3}(?!\d)|\d{1,5}(?![.,]\d)"
_NUMBER = rf"(?P<count>{_DIGITS}|{_SPOKEN}|dozen)"
_BOXES = r"(?:multi)?pack|set|box|case|bundle|lote?|paquete|juego|confezione|conjunto|caja|boîte|carton|karton|kiste"
_NO_GOODS = (  # set 4 seater, pack 3 months; 5x Schuko are sockets of one thing
    r"(?!inch|zoll|met[er]|lit[er]|month|monat|year|jahr|watt|volt|day|tage?\b|ans\b|años|mal\b|person|colou?r|farb|for\b|für\b"
    r"|seat|sitz|plaza|place|tier|drawer|port\b|ports\b|usb|hdmi|schuko|steckdose|socket|outlet|player|spieler|joueur|jugador|auction|led\b)"
)
_HOLDS = (  # what goods are sold in, and what is swallowed one by one
    r"bottles|cans|tins|jars|sachets|bags|capsules|tablets|flaschen|dosen|gläser|beutel|kapseln|tabletten|bouteilles|tablettes"
    r"|gélules|comprimés|botellas|latas|bolsitas|cápsulas|pastillas|bottiglie|lattine|bustine|compresse|flessen|blikken|garrafas"
    r"|butelek|saszetek"
)
_NO_PART = "".join(rf"(?<!{word}\s)" for word in ("with", "and", "plus", "includes", "mit", "avec", "con", "met"))
_MANY = (  # things of which several are one lot, where a number before them begins the title
    r"chairs|stools|glasses|mugs|cups|plates|bowls|cushions|pillows|towels|napkins|spoons|forks|knives|candles|tyres|tires"
    r"|fat quarters|books"
    r"|stühle|hocker|gläser|tassen|teller|schüsseln|kissen|handtücher|kerzen|reifen|bücher"
    r"|chaises|tabourets|verres|tasses|assiettes|bols|coussins|serviettes|bougies|pneus|livres"
    r"|sillas|copas|vasos|tazas|platos|cuencos|cojines|toallas|velas|neumáticos|libros"
    r"|sedie|sgabelli|bicchieri|tazze|piatti|ciotole|cuscini|asciugamani|candele|gomme|cerchi|libri"
    r"|stoelen|glazen|kopjes|borden|kussens|handdoeken|krzesła|krzeseł|szklanek|talerzy|cadeiras|copos|pratos"
)
_SETS = r"pack|set|(?:job\s?)?lote?|bundle|coffret|zestaw|komplet|conjunto|confezione"
_X_MODELS = (  # poco x3
    "fuji", "fujifilm", "galaxy", "gen", "honor", "lumix", "magic", "mavic", "mazda", "mini", "model", "moto", "nokia",
    "optimus", "poco", "realme", "redmi", "series", "swift", "tesla", "vivo", "volvo", "xbox", "xiaomi", "zoom",
)  # fmt: skip
_NO_MODEL = "".join(rf"(?<!\b{name}\s)" for name in _X_MODELS)
_ROLLS = r"tea\s?bags|teebeutel|rollen(?=\s(?:[a-zäöüß]{0,12}papier|klebe|tape))|rolls(?!-)|rouleaux|rollos"
# A form, how surely it counts, and of what some must be in the text: looking for a word costs less than for a form.
_FORMS = (
    (
        r"(?<![\w.,/-])(?P<count>\d{1,2})\s?[x×]\s?(?P<each>\d{1,3})[- ]?(?:er[- ]?)?pack\b",
        1.0,
        ("pack",),
    ),  # 3 x 2 pack
    (rf"\b(?P<count>{_SPOKEN})[- ]pair[- ]pack\b", 1.0, ("pair",)),
    (rf"{_OPENS}(?P<stored>(?P<count>\d{{1,5}})\s?-?\s?(?:{_PAIRS}))\b(?!\s(?:shoe|of legs))", 1.0, ("pa",)),
    (
        rf"\b(?:{_BOXES})\s+(?:of|à|de|da|di|van|mit|von)\s+{_NUMBER}\b(?![.,]\d|\s?(?:cm|mm|ml|g|kg|oz|inch)\b)",
        1.0,
        (" of ", " à ", " de ", " da ", " di ", " van ", " mit ", " von "),
    ),
    (rf"{_OPENS}(?P<count>{_DIGITS}|{_SPOKEN})\s?-?\s?(?:{_PIECES})\b{_CARAT}(?!\s\d{{1,2}}\s{{0,3}}$)", 1.0, ()),
    (
        r"\b(?:pack|paquete|lote)\s(?:x\s)?(?P<count>\d{1,2}|100)(?=\s{0,3}$)",
        0.85,
        ("pack", "paquete", "lote"),
    ),  # mi 11 pack 3
    (r"(?<=[^\W\d_]{3}\s)x\s(?P<count>\d{1,2})(?=\s{0,3}(?:[,(]|$))", 0.85, ("x ",)),  # tyre x 4
    (r"\b(?P<count>twin|double|triple)[- ]?pack\b", 1.0, ("pack",)),
    (
        r"\b(?P<count>doppel|zweier|dreier|vierer|fünfer|sechser|zehner)[- ]?(?:pack|packung|set)\b",
        1.0,
        ("er", "doppel"),
    ),
    (rf"\b(?:(?P<count>half a|half|\d{{1,2}}|{_SPOKEN})\s)?(?P<each>dozen|dutzend)\b", 0.9, ("dozen", "dutzend")),
    (
        r"\b(?:qty|quantity|quantité|cantidad|menge|vpe)\s?[.:]?\s?(?P<count>\d{1,4})\b(?![.,]\d)",
        0.9,
        ("q", "cantidad", "menge", "vpe"),
    ),
    (
        rf"\b(?:{_SETS})\s(?P<count>\d{{1,2}}|100)(?=\s{_NO_GOODS}[^\W\d_]{{3}}|\sx\s[^\W\d_])",
        0.85,
        ("pack", "set", "lot", "bundle", "coffret", "zestaw", "komplet", "conjunto", "confezione"),
    ),
    (rf"\bkit\s(?P<count>\d{{1,2}})(?=\s{_NO_GOODS}[^\W\d_]{{3,}}[sei]\b)", 0.85, ("kit",)),
    (r"\bset\s?/\s?(?P<count>\d{1,2})\b(?![.,/]\d)", 0.9, ("set",)),
    (rf"{_OPENS}{_NO_PART}(?P<stored>(?P<count>\d{{1,4}})\s(?:{_HOLDS}))\b", 0.85, ()),
    (
        rf"^\s{{0,3}}(?P<stored>(?P<count>\d{{1,2}}|{_SPOKEN})\s{_NO_GOODS}(?:[^\W\d_]{{4,12}}\s)?(?:{_MANY}))\b",
        0.85,
        (),
    ),
    (
        rf"{_OPENS}(?P<count>\d{{1,3}})\s(?:assort|sortiert|surtid)[a-z]{{0,3}}\b(?!\scolou?r)",
        0.8,
        ("assort", "sortiert", "surtid"),
    ),
    (  # 75cl x 6 bottles, 480g*2; sides are lengths, so that a length before the sign says nothing
        r"(?<=\d)\s?(?:ml|cl|l|g|kg|oz|lb)\s?[x×*]\s?(?P<count>\d{1,3})(?![\w.,]|\s?[x×*])(?!\s(?:ml|cl|l|g|kg|cm|mm)\b)",
        0.9,
        ("x", "×", "*"),
    ),
    (r"(?<=\sr1\d\s)x\s?(?P<count>[24])\b", 0.9, ("x",)),  # tyres
    (r"\bx\s?(?P<count>\d{1,3})(?=\s(?:sets?|packs?|pairs?|pcs|pieces|bottles|tins|cans|boxes|rolls)\b)", 0.9, ("x",)),
    (rf"(?<=[^\W\d_]{{4}}\s){_NO_MODEL}x(?P<count>[2-9]|1[0-9]|20)(?=\s{{0,3}}(?:[,(]|$))", 0.85, ("x",)),
    (rf"{_OPENS}(?P<stored>(?P<count>\d{{1,3}})\s(?:{_ROLLS}))\b", 0.85, ("tea", "tee", "rol", "roul")),
    (rf"(?P<count>(?<![\d.x])\d{{1,5}}|[{''.join(_CHINESE)}])\s?(?:{_MEASURE_WORDS})(?=\W|$)", 0.9, ()),
    (r"(?P<count>(?<![\d.x])\d{1,4})(?:双(?![人层面头肩色模核卡耳])|支(?![架持撑付]))", 0.85, ("双", "支")),
    (r"(?<!\d[.,])\b(?P<count>\d{1,3})\s?[x×](?=\s?\d+(?:[.,]\d+)?\s?(?:ml|l|g|kg|oz|cl)\b)", 0.9, ("x", "×")),
    (
        rf"^\s{{0,3}}(?P<times>(?P<count>\d{{1,3}})\s?[x×])(?=\s{_NO_GOODS}[^\W\d_]{{2}})",
        0.85,
        ("x", "×"),
    ),  # 4x dining chairs
    (  # coasters x6, batteries aa x 4
        r"(?:(?<=[a-z]s\s)|(?<=\saa\s)|(?<=\saaa\s))(?<!series\s)x\s?(?P<count>\d{1,3})(?=\s{0,3}(?:[,(]|$))",
        0.85,
        ("x",),
    ),
)
_HINT = re.compile(
    rf"\d|[{''.join(_CHINESE)}]|{'|'.join(_WORDS)}|dutzend"
)  # most texts without a count are told at once
_PATTERNS = tuple((re.compile(form), score, needed) for form, score, needed in _FORMS)
_HELD = re.compile(
    r"(?<![^\W\d_])(?:for|für|pour|para|per|voor|holds?|fits?|stores?|up to|bis zu|jusqu'à)\s(?:up to\s)?$"
)
_HOLDER = re.compile(
    r"rack|holder|cooler|cool\s?box|fridge|carrier|organi[sz]er|storage|shelf|cabinet|dispenser|regal|schrank|halter|spender|ständer|étagère|meuble|zapatero"
)
_ENLARGES = re.compile(
    r"zoom|magnif|mirror|spiegel|lens|lupe|optical|digital|binoc|speed|faster|vergr|loupe|miroir|espejo"
)
_LOOK_BACK = 16


@dataclass(frozen=True, slots=True)
class Pack:
    """A count as a plain decimal, where it stands, how surely it is one."""

    value: str
    start: int
    end: int
    score: float


def find_packs(text: str) -> list[Pack]:
    """All counts that ``text`` (lower case) states, in order; of forms that overlap the first counts."""
    found: list[Pack] = []
    taken = bytearray(len(text))
    for one in _matches(text) if _HINT.search(text) else ():
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            found.append(one)
    return sorted(found, key=lambda pack: pack.start)


def _matches(text: str) -> Iterator[Pack]:
    for pattern, score, needed in _PATTERNS:
        found = list(pattern.finditer(text)) if not needed or any(word in text for word in needed) else []
        if not found or _is_capacity(pattern, text):
            continue
        for match in found:
            count = _count(match)
            if 1 <= count <= _MAX_COUNT and not _is_held(match, text):
                yield Pack(f"{count:g}", match.start(), match.end(), score)


def _count(match: re.Match[str]) -> float:
    """Of 3 x 2 and of two dozen the product."""
    parts = match.groupdict()
    return _number(parts["count"] or "1") * (_number(parts["each"]) if parts.get("each") else 1)


def _number(said: str) -> float:
    if said == "dutzend":
        return 12
    known = _WORDS.get(said) or _CHINESE.get(said)
    return known if known is not None else int(said.replace(".", "").replace(",", ""))


def _is_capacity(pattern: re.Pattern[str], text: str) -> bool:
    """Is what this form counts how many something holds, or how often it enlarges?"""
    if "stored" in pattern.groupindex:
        return _HOLDER.search(text) is not None
    return "times" in pattern.groupindex and _ENLARGES.search(text) is not None


def _is_held(match: re.Match[str], text: str) -> bool:
    """Is it what something is for, or a weight in carats?"""
    if match[0].endswith("ct") and _JEWEL.search(text):
        return True  # 14ct gold
    return match[0][0].isdigit() and bool(_HELD.search(text[max(0, match.start() - _LOOK_BACK) : match.start()]))
