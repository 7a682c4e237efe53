"""What was read on cards against what stands on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from model.types import Price
from model.wording.currencies import SIGNS
from model.wording.prices import PriceHints
from tests.price_cards.wording import Truth, Wording

_LANGUAGES = {"USD": "en-US", "CAD": "en-CA", "AUD": "en-AU", "CNY": "zh-CN", "JPY": "ja", "EUR": "de"}


@dataclass(frozen=True, slots=True)
class Hint:
    """What the listing says beside the picture: nothing, its language, or its feed's currency."""

    currency: str | None = None
    by_language: bool = False

    def as_hints(self) -> PriceHints:
        """As the pipeline would give it."""
        if self.currency is None:
            return PriceHints("", None, None)
        if self.by_language:
            return PriceHints("", _LANGUAGES[self.currency], None)
        return PriceHints("", None, self.currency)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One card's result. ``exact``, ``roles``: by truth, amount with currency, and kind with struck-out as well.

    ``extra``: prices that the card does not state.
    """

    notation: str
    exact: tuple[bool, ...]
    understood: tuple[bool, ...]
    struck: tuple[bool, ...]  # of the truths that are struck out: found so
    extra: int
    sure: int  # prices above 0.9
    sure_wrong: int  # of them, those that no truth states
    hundredfold: int  # of them, those off by a factor of 100
    scores: tuple[tuple[float, bool], ...]  # of each price found, and whether it is right


def hint_for(number: int, wording: Wording) -> Hint:
    """A third of the cards each: none, the language, the feed's currency."""
    choose = random.Random(f"hint/{number}")
    sign = next((truth.sign for truth in wording.truths), "")
    possible = {"$": ("USD", "CAD", "AUD"), "¥": ("CNY", "JPY"), "￥": ("CNY", "JPY")}.get(sign, ("EUR",))
    return choose.choice((Hint(), Hint(choose.choice(possible), True), Hint(choose.choice(possible))))


def judge(wording: Wording, hint: Hint, prices: Sequence[Price]) -> Outcome:
    """Each truth takes the first price that is equal to it."""
    waiting = list(prices)
    taken: list[Price | None] = []
    for truth in wording.truths:
        mine = next((one for one in waiting if _equals(one, truth, hint)), None)
        if mine is not None:
            waiting.remove(mine)
        taken.append(mine)
    amounts = [Decimal(truth.amount) for truth in wording.truths]
    sure = [one for one in prices if one.score > 0.9]
    wrong = [one for one in sure if one in waiting]
    pairs = list(zip(wording.truths, taken, strict=True))
    return Outcome(
        wording.notation,
        tuple(one is not None for one in taken),
        tuple(one is not None and _understood(one, truth) for truth, one in pairs),
        tuple(one is not None and one.struck_out for truth, one in pairs if truth.is_struck),
        len(waiting),
        len(sure),
        len(wrong),
        sum(_is_hundredfold(Decimal(one.amount), amounts) for one in wrong),
        tuple((one.score, one not in waiting) for one in prices),
    )


def expected_currency(truth: Truth, hint: Hint) -> str | None:
    """What is stated, or what the listing says of it."""
    if truth.currency is not None or hint.currency is None:
        return truth.currency
    possible = SIGNS.get(truth.sign, ())
    return hint.currency if not truth.sign or hint.currency in possible else None


def _equals(price: Price, truth: Truth, hint: Hint) -> bool:
    is_stated = truth.currency is not None
    return (
        Decimal(price.amount) == Decimal(truth.amount)
        and price.currency == expected_currency(truth, hint)
        and (is_stated or price.currency_inferred == (price.currency is not None))
    )


def _understood(price: Price, truth: Truth) -> bool:
    return (price.kind, price.per, price.struck_out) == (truth.kind, truth.per, truth.is_struck)


def _is_hundredfold(amount: Decimal, amounts: Sequence[Decimal]) -> bool:
    return any(amount in (one * 100, one / 100) for one in amounts)
