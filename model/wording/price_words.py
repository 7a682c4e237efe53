"""Words beside an amount of money that is no price of the goods: a saving, a condition, what delivery costs.

In English, German, French, Spanish, and the most used ones of Chinese and Japanese. Words count right beside the amount
only: ``Sparpreis 20 €`` is a price, ``Sie sparen 20 €`` is none. All patterns are bounded: linear in a line's length.
"""

from __future__ import annotations

import re

NOT_IN_WORD = r"(?<![^\W\d_])"  # what follows begins a word, or stands behind a number
_ENDS = r"(?![^\W\d_])"
_SAVING = (
    r"rabatt|preisvorteil|preisnachlass|nachlass|ersparnis|discount|cash\s?back|remise|réduction|reduction|rabais|économie"
    r"|descuento|ahorro"
)
_UP_TO = r"(?:up\s?to|bis\s?(?:zu)?|jusqu['’]?\s?à|hasta|extra|an|a|of|von|de|another|weitere|[:=!-])"
_SAVED_BEFORE = re.compile(
    rf"{NOT_IN_WORD}(?:{_SAVING}|(?:you\s?)?save|savings?|spare|sparen(?:\s?sie)?|(?:du\s?)?sparst|gespart|[ée]conomisez|ahorr[ae]s?)"
    rf"(?:\s?{_UP_TO}){{0,2}}\s?$"
    r"|(?:立?省|节省|立减|直降|满?减|返现?|抵扣?|优惠券)\s?[:：]?\s?$",
    re.IGNORECASE,
)
_SAVED_AFTER = re.compile(
    rf"\s?(?:off(?![^\W\d_]|-|\s?white)|(?:de\s?|d['’]\s?)?(?:{_SAVING}|gespart|sparen|günstiger|billiger|coupon|saved){_ENDS})"
    r"|\s?(?:优惠券|代金券|红包|减免|引き?|割引)",
    re.IGNORECASE,
)
_ALREADY_OFF = re.compile(
    rf"{NOT_IN_WORD}(?:with|after|incl\w{{0,6}}\.?|inkl\w{{0,6}}\.?|mit|nach|avec|après|con|tras)\s(?:\w{{1,12}}\s){{0,2}}"
    rf"(?:{_SAVING})(?:\s?[:=])?\s?$",
    re.IGNORECASE,
)
_MINUS = re.compile(r"\s*[-–−]$")

_FROM = r"(?:from|over|above|of|ab|über|von|dès|à\s?partir\s?(?:de|d['’])|a\s?partir\s?de|desde|on)"
_THRESHOLD = re.compile(
    rf"{NOT_IN_WORD}(?:over|above|under|below|more\s?than|less\s?than|up\s?to|über|unter|bis\s?zu|plus\s?de|moins\s?de"
    r"|jusqu['’]?\s?à|más\s?de|menos\s?de|superior(?:es)?\s?a|supérieure?s?\s?à|spend|(?:einkaufs|bestell|waren)?wert(?:\s?von)?"
    r"|worth|mindestens)\s?[:-]?\s?$"
    r"|(?:shipping|delivery|orders)(?:over|above|from)\s?$"  # blanks are easily lost in reading
    r"|满\s?$",
    re.IGNORECASE,
)
_OTHER_WORDS = r"(?:\s[^\W\d_]{1,14}){0,2}"
_ORDERS = re.compile(  # "Order from $9.99" and "Compra desde 9 €" say a price; "orders from" and "compras desde" do not
    rf"(?:(?:orders|purchases|shipping|delivery|postage|bestellung(?:en)?|bestellwert|einkauf|einkaufswert|versand|lieferung"
    rf"|versand(?:kosten)?frei|frei\s?haus|livraison|commandes|achats|envíos?|envio|pedidos|compras){_OTHER_WORDS}\s{_FROM}"
    rf"|(?:order|purchase|commande|achat|pedido|compra)\s(?:over|above|of|de))\s?(?:a\s)?$"
    r"|(?:min(?:imum|\.)?\s?(?:order|purchase|spend)|mindestbestellwert|mindesteinkauf\w{0,5}|compra\s?mínima|pedido\s?mínimo)\s?:?\s?$",
    re.IGNORECASE,
)
_FROM_HERE = re.compile(
    rf"{NOT_IN_WORD}(?:over|above|ab|über|dès|à\s?partir\s?(?:de|d['’])|a\s?partir\s?de|desde)\s?$", re.IGNORECASE
)
_DELIVERED_AFTER = re.compile(
    r"[\s,:–-]{0,3}(?:free|gratis|kostenlos|kostenfrei|versandkosten?frei|portofrei|versand|lieferung|frei\s?haus|livraison|envío"
    r"|envio|shipping|delivery)",
    re.IGNORECASE,
)
_MORE_AFTER = re.compile(
    r"\s?(?:or\smore|or\sover|and\sover|d['’]\s?achats?|de\scompras?|einkaufswert|bestellwert|(?:minimum|min\.?)\s(?:order|spend|purchase))"
    rf"{_ENDS}|\s?(?:以上|起送)",
    re.IGNORECASE,
)
_COST = (
    r"(?:delivery|shipping|postage|p\s?&\s?p|handling|deposit|versand(?:kosten)?|lieferung|porto|pfand|kaution|frais\s?de\s?(?:port|livraison)"
    r"|livraison|consigne|gastos\s?de\s?envío|envío|envio|fianza)"
)
_COST_BEFORE = re.compile(
    rf"(?:^|[+(,;|/]|{NOT_IN_WORD}(?:plus|zzgl|excl)\.?)\s?{_COST}(?:\s?(?:costs?|fees?|only|nur|ab|from|[:=])){{0,2}}\s?$"
    r"|(?:运费|邮费|押金|送料)\s?[:：]?\s?$",
    re.IGNORECASE,
)
_PLUS = re.compile(rf"(?:\+|{NOT_IN_WORD}(?:plus|zzgl\.?))\s?$", re.IGNORECASE)
_COST_AFTER = re.compile(rf"\s?(?:de\s|d['’])?{_COST}{_ENDS}", re.IGNORECASE)


def is_no_price(before: str, after: str, *, is_first: bool) -> bool:
    """Do the words say that an amount is no price of the goods?

    ``before``, ``after``: what stands beside it in its line, up to the next amounts; ``is_first``: of its line.
    """
    return _is_saving(before, after, is_first=is_first) or _is_condition(before, after) or _is_cost(before, after)


def begins_saving(between: str) -> bool:
    """Do the words between two amounts say that the second is a saving? Then they say nothing of the first."""
    return bool(_SAVED_BEFORE.search(between))


def _is_saving(before: str, after: str, *, is_first: bool) -> bool:
    if _SAVED_AFTER.match(after):
        return True
    if is_first and _MINUS.fullmatch(before):
        return True
    return bool(_SAVED_BEFORE.search(before)) and not _ALREADY_OFF.search(before)


def _is_condition(before: str, after: str) -> bool:
    if _THRESHOLD.search(before) or _ORDERS.search(before) or _MORE_AFTER.match(after):
        return True
    return bool(_FROM_HERE.search(before)) and bool(_DELIVERED_AFTER.match(after))


def _is_cost(before: str, after: str) -> bool:
    if _COST_BEFORE.search(before):
        return True
    return bool(_PLUS.search(before)) and bool(_COST_AFTER.match(after))
