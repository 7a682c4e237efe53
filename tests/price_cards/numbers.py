"""Numbers that are no prices, as they stand on goods and in sellers' pictures."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.price_cards.wording import Wording, plain

_MONTHS = ("Jan", "Feb", "March", "April", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec")


def _size(choose: random.Random) -> str:
    number = choose.randint(28, 56)
    wide, high, deep = (choose.randint(5, 220) for _ in range(3))
    return choose.choice(
        (
            f"Size {number}", f"EU {number}", f"US {choose.randint(4, 13)}.5", f"{wide} x {high} cm",
            f"{wide}x{high}x{deep} mm", f"W{number} L32", "S / M / L / XL", f"S {number}", f"Gr. {number}/{number + 2}",
            f"{wide / 10:.1f} cm", f"{wide / 100:.2f} m", f'{choose.randint(20, 75)}" TV', f"{wide / 10:.1f}\"",
            f"{number},5", f"Ø {wide / 10:.1f} cm".replace(".", ","), f"XS-{choose.choice(('L', 'XL', '3XL'))}",
        )
    )  # fmt: skip


def _date(choose: random.Random) -> str:
    day, month, year = choose.randint(1, 28), choose.randint(1, 12), choose.randint(2021, 2027)
    return choose.choice(
        (
            f"{day:02}.{month:02}.{year}", f"{day:02}/{month:02}/{year % 100}", f"{year}-{month:02}-{day:02}",
            f"{_MONTHS[month - 1]} {day}, {year}", f"{day}. {month}. {year}", f"{day:02}.{month:02}.{year % 100:02}",
            f"{day} {_MONTHS[month - 1]} {year}", f"{month:02}/{year}", f"EXP {month:02}.{year}", f"{day:02}.{month:02}.",
        )
    )  # fmt: skip


def _time(choose: random.Random) -> str:
    hour, minute = choose.randint(7, 21), choose.choice((0, 15, 30, 45))
    return choose.choice(
        (f"{hour}:{minute:02}", f"{hour}.{minute:02} Uhr", f"{hour}h{minute:02}", f"Mo-Fr {hour}.00-20.00 Uhr")
    )


def _phone(choose: random.Random) -> str:
    a, b, c = choose.randint(200, 989), choose.randint(100, 999), choose.randint(1000, 9999)
    return choose.choice(
        (
            f"+49 {a} {b}{c}", f"({a}) {b}-{c}", f"0{a} {b} {c % 100:02}", f"{a}-{b}-{c}", f"Tel. 0{a}/{b}{c}",
            f"+1 {a} {b} {c}", f"+33 1 {b % 100:02} {c // 100:02} {c % 100:02} {a % 100:02}", f"400-{b}-{c}",
            f"{a}.{b}.{c}", f"+86 1{a % 100:02} {c} {c}",
        )
    )  # fmt: skip


def _model(choose: random.Random) -> str:
    number = choose.randint(100, 99_999)
    return choose.choice(
        (
            f"SM-G{number % 1000}B", f"No. {number}", f"Art. {number}-{number % 90}", f"V{number % 9}.{number % 30}",
            f"Model {number}", f"RTX {number % 90}70", f"iPhone {number % 16}", f"WH-{number % 10_000}XM4", f"#{number}",
            f"Ref: {number}.{number % 1000:03}", f"USB {number % 4}.{number % 3}", f"Serie {number % 300}",
            f"SKU {number} {number % 77}", f"4 0{number % 10_000:05} {number:06}",
        )
    )  # fmt: skip


def _share(choose: random.Random) -> str:
    number = choose.randint(5, 90)
    return choose.choice(
        (
            f"-{number}%", f"{number}% OFF", "100% Cotton", f"{number}.5 %", f"{number},9 % vol", f"Save {number}%",
            f"{number}% Baumwolle", f"bis zu {number} %", f"{number}% Polyester {100 - number}% Wool", "99.99% pure",
        )
    )  # fmt: skip


def _quantity(choose: random.Random) -> str:
    number = choose.randint(2, 950)
    return choose.choice(
        (
            f"{number} g", f"{number / 100:.2f} l", f"{number / 100:.2f} kg".replace(".", ","), f"{number % 24 + 2} pcs",
            f"{number % 9 + 2} x {number} ml", f"Pack of {number % 12 + 2}", f"{number % 7}.{number % 9}V {number * 10}mAh",
            f"{number} kcal / 100 g", f"{number * 3} W", f"{number % 5}.{number % 10}/5", f"{number} reviews", "1920x1080",
            f"{number / 10:.1f} oz", f"{number}000 lm", f"{number % 60 + 3} months warranty", f"{number % 48 + 6} Stück",
            f"{number / 100:.2f} mm", f"x{number}", f"{number % 30} + 1", f"{number * 7:,} sold", "Est. 1987", "since 1998",
        )
    )  # fmt: skip


KINDS: tuple[Callable[[random.Random], str], ...] = (_size, _date, _time, _phone, _model, _share, _quantity)


def number_line(choose: random.Random) -> str:
    """A line with a number that is no price."""
    return choose.choice(KINDS)(choose)


def no_price(choose: random.Random) -> Wording:
    """A card with one to three such lines."""
    rows = tuple((plain(number_line(choose), choose.uniform(0.6, 1.0)),) for _ in range(choose.randint(1, 3)))
    return Wording("no price", rows)
