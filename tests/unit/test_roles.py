"""What lines of text in a picture are."""

from __future__ import annotations

from model.reading.roles import assign_roles
from model.types import TextLine


def line(text: str, top: float, height: float) -> TextLine:
    """A level line of this height at this place."""
    return TextLine(text, 1.0, ((0.1, top), (0.9, top), (0.9, top + height), (0.1, top + height)))


def test_card_is_understood() -> None:
    """Brand above, large title, description below, size and price by their form."""
    lines = [
        line("ACME", 0.02, 0.04),
        line("Wireless Speaker", 0.1, 0.12),
        line("blue, with a suction cup", 0.3, 0.05),
        line("Size M", 0.5, 0.05),
        line("$24.99", 0.7, 0.15),
    ]
    assert [one.role for one in assign_roles(lines)] == ["brand", "title", "description", "size", "price"]


def test_chinese_title_counts_as_words() -> None:
    """A title without spaces is a title."""
    found = assign_roles([line("绿色行李箱", 0.1, 0.1), line("¥459", 0.5, 0.1)])
    assert [one.role for one in found] == ["title", "price"]


def test_order_and_texts_stay() -> None:
    """Roles change nothing else."""
    lines = [line("one two", 0.1, 0.1), line("%%", 0.2, 0.1)]
    assert [one.text for one in assign_roles(lines)] == ["one two", "%%"]
    assert assign_roles([]) == ()
