"""Currencies as shops write them: signs and codes before or after the number, and what an ambiguous sign may mean."""

from __future__ import annotations

import re

CODES = frozenset(
    [
        "AED",
        "ARS",
        "AUD",
        "BGN",
        "BHD",
        "BRL",
        "CAD",
        "CHF",
        "CLP",
        "CNY",
        "COP",
        "CZK",
        "DKK",
        "EGP",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "ISK",
        "JPY",
        "KES",
        "KRW",
        "KWD",
        "MAD",
        "MXN",
        "MYR",
        "NGN",
        "NOK",
        "NZD",
        "OMR",
        "PEN",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SEK",
        "SGD",
        "THB",
        "TND",
        "TRY",
        "TWD",
        "UAH",
        "USD",
        "UYU",
        "VND",
        "ZAR",
    ]
)

# Sign -> currencies it may stand for, likeliest first.
SIGNS = {
    "US$": ("USD",), "A$": ("AUD",), "AU$": ("AUD",), "C$": ("CAD",), "CA$": ("CAD",), "HK$": ("HKD",), "NZ$": ("NZD",),
    "S$": ("SGD",), "NT$": ("TWD",), "R$": ("BRL",), "MX$": ("MXN",), "$": ("USD", "CAD", "AUD", "MXN", "SGD", "HKD", "NZD"),
    "€": ("EUR",), "£": ("GBP",), "¥": ("CNY", "JPY"), "￥": ("CNY", "JPY"), "₹": ("INR",), "Rs.": ("INR", "PKR"),
    "Rs": ("INR", "PKR"), "₩": ("KRW",), "₽": ("RUB",), "₺": ("TRY",), "₴": ("UAH",), "₫": ("VND",), "₪": ("ILS",),
    "฿": ("THB",), "₱": ("PHP",), "₦": ("NGN",), "zł": ("PLN",), "Kč": ("CZK",), "Ft": ("HUF",), "lei": ("RON",),
    "kr": ("SEK", "NOK", "DKK", "ISK"), "Fr.": ("CHF",), "元": ("CNY",), "円": ("JPY",), "원": ("KRW",), "RM": ("MYR",), "Rp": ("IDR",),
    "Rp.": ("IDR",), "TL": ("TRY",), "đ": ("VND",), "руб": ("RUB",), "грн": ("UAH",), "บาท": ("THB",),
}  # fmt: skip

_BY_LANGUAGE = {
    "en-us": "USD", "en-gb": "GBP", "en-ca": "CAD", "fr-ca": "CAD", "en-au": "AUD", "en-nz": "NZD", "en-sg": "SGD",
    "es-mx": "MXN", "zh-hk": "HKD", "zh-tw": "TWD", "zh": "CNY", "ja": "JPY", "sv": "SEK", "nb": "NOK", "no": "NOK",
    "da": "DKK", "is": "ISK", "en-in": "INR", "hi": "INR", "ur": "PKR", "de": "EUR", "fr": "EUR", "it": "EUR", "es": "EUR",
    "nl": "EUR", "de-ch": "CHF", "fr-ch": "CHF", "pl": "PLN", "pt-br": "BRL", "ko": "KRW",
    "fi": "EUR", "el": "EUR", "sk": "EUR", "hr": "EUR", "bg": "EUR", "cs": "CZK", "hu": "HUF", "ro": "RON", "tr": "TRY",
    "ru": "RUB", "uk": "UAH", "he": "ILS", "th": "THB", "vi": "VND", "id": "IDR", "ms": "MYR",
}  # fmt: skip

_SURE = sorted((sign for sign, names in SIGNS.items() if len(names) == 1 and not sign.isalpha()), key=len, reverse=True)
_NAMED = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(sorted(CODES))})(?![A-Za-z])|{'|'.join(map(re.escape, _SURE))}")
_KANA, _HAN = re.compile("[\u3040-\u30ff]"), re.compile("[\u3400-\u9fff]")

WITHOUT_CENTS = frozenset({"JPY", "KRW", "VND", "CLP", "IDR", "ISK"})
THREE_DECIMALS = frozenset({"KWD", "BHD", "OMR", "TND"})


def currency_of(language: str | None) -> str | None:
    """The currency that a BCP 47 language suggests, if it suggests one."""
    if not language:
        return None
    tag = language.lower()
    return _BY_LANGUAGE.get(tag) or _BY_LANGUAGE.get(tag.split("-")[0])


def currency_in_title(title: str) -> str | None:
    """The one currency that a title names outright, or else that of the country whose script it is written in."""
    named = set(_NAMED.findall(title))
    if len(named) == 1:
        return candidates(named.pop())[0]
    if named:
        return None
    return "JPY" if _KANA.search(title) else "CNY" if _HAN.search(title) else None


def candidates(sign: str) -> tuple[str, ...]:
    """Currencies that a sign or code may stand for, likeliest first; empty for neither."""
    if sign.upper() in CODES:
        return (sign.upper(),)
    return SIGNS.get(sign, ())
