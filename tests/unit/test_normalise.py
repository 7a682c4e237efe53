"""Text normalisation: what is equal in meaning becomes equal, what hides goes, what means something stays."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.normalise import MAX_TITLE_CHARS, normalise_title

INVISIBLE = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068"
    "\u2069\u206a\u206f\u00ad\u034f\u061c\u115f\u1160\u17b4\u180e\u3164\uffa0\ufeff\ufe0f\ufff9\U000e0001\U000e0041"
    "\U000e007f\U000e0100\x00\x07\x1b\x7f\x9f"
)
TRICKY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(INVISIBLE),
        st.sampled_from(" \t\n\u3000\u00a0\u2028"),
        st.sampled_from("\u0dd9\u0dca\u0dcf\u0d9a\u0e38\u094d\u0915\u0937\u093c\u0646\u0645\u0647\u06cc\u0301e"),
        st.sampled_from("👩👨❤♂🏽🏴ｶﾞＮ"),
        st.characters(categories=("Mn", "Mc", "Cf", "Cs")),
    ),
    max_size=40,
)


@settings(max_examples=500)
@given(TRICKY)
def test_idempotent(title: str) -> None:
    """A normalised title is its own normal form; otherwise a cached key would drift."""
    once = normalise_title(title)
    assert normalise_title(once) == once


@settings(max_examples=500)
@given(TRICKY)
def test_nothing_that_hides_or_reorders_comes_out(title: str) -> None:
    """No controls, bidi controls, surrogates, line breaks or doubled spaces; joiners only between other characters."""
    out = normalise_title(title)
    assert not {unicodedata.category(char) for char in out} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(out) & (set(INVISIBLE) - {"\u200c", "\u200d"})
    assert not {unicodedata.bidirectional(char) for char in out} & {
        *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    }
    assert out == out.strip() == " ".join(out.split())
    assert not out.startswith(("\u200c", "\u200d")) and not out.endswith(("\u200c", "\u200d"))
    out.encode("utf-8")


@settings(max_examples=200)
@given(TRICKY, st.integers(1, 12))
def test_capped_and_still_normal(title: str, max_chars: int) -> None:
    """The cap holds, and cutting leaves nothing that a second pass would change."""
    out = normalise_title(title, max_chars)
    assert len(out) <= max_chars
    assert normalise_title(out, max_chars) == out


@settings(max_examples=200)
@given(TRICKY)
def test_canonical_equivalents_share_a_form(title: str) -> None:
    """Composed and decomposed spellings of the same text give the same key."""
    clean = normalise_title(title)
    assert normalise_title(unicodedata.normalize("NFD", clean)) == clean


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("  Red\tleather\r\n sofa ", "Red leather sofa"),
        ("Cafe\u0301 chair", "Café chair"),
        ("N\u200bi\u200dk\u00ade \u2060A\ufeffi\u200cr", "Nike Air"),
        ("\u202eafos\u202c sofa", "afos sofa"),
        ("ＮＩＫＥ\u3000Ａｉｒ　９０", "NIKE Air 90"),
        ("ｶﾞﾗｽのコップ", "ガラスのコップ"),
        ("I \u2764\ufe0f shoes", "I \u2764 shoes"),
        ("bag\U000e0068\U000e0069 blue", "bag blue"),
        ("price\u00a0\u2007\u202f10", "price 10"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("\ud800lone", "lone"),
        ("\u3164\u115f\u200b\u200f", ""),
        ("", ""),
    ],
)
def test_written_differently_meant_the_same(written: str, meant: str) -> None:
    """Spacing, width, composition and invisible characters make no difference."""
    assert normalise_title(written) == meant


@pytest.mark.parametrize(
    "title",
    [
        "👩\u200d👩\u200d👧 family set",  # one glyph, three people
        "👩🏽\u200d🚀 suit",  # joined through a skin tone
        "🙂\u200d↔ sticker",
        "क्\u200dष",  # explicit half form
        "ක්\u200dර",  # Sinhala conjunct
        "می\u200cخواهم",  # Persian: a word boundary inside a word
        "½ inch m² №5 ™",
        "iPhone 15 Pro MAX",
        "שולחן עץ",
        "ไม้สัก 100%",
    ],
)
def test_what_means_something_stays(title: str) -> None:
    """Joiners that change what is read, compatibility characters, case and every script stay."""
    assert normalise_title(title) == unicodedata.normalize("NFC", title)


def test_case_and_fractions_are_not_folded() -> None:
    """Titles that a reader would tell apart keep different keys."""
    assert normalise_title("US polo") != normalise_title("us polo")
    assert normalise_title("2½ l") != normalise_title("21⁄2 l")


def test_joiners_that_do_nothing_go() -> None:
    """One joiner too many, or one at an edge, is a way to miss the cache."""
    assert normalise_title("👩\u200d\u200d\u200c👩") == "👩\u200d👩"
    assert normalise_title("\u200d👩\u200d") == "👩"
    assert normalise_title("abc\u200ddef") == "abcdef"


def test_default_cap_is_the_contracts() -> None:
    """Nothing longer than a title may be reaches the model, even when composition excludes made it longer."""
    assert len(normalise_title("\u0958" * MAX_TITLE_CHARS)) <= MAX_TITLE_CHARS


@pytest.mark.parametrize("unit", ["\u200d", "👩\u200d", "\u0dd9\u200d\u0dca\u200d", "e\u0301\u200b", "\u0300\u0327"])
def test_hostile_titles_are_not_slow(unit: str) -> None:
    """The longest title made of the worst units costs milliseconds, not seconds."""
    started = time.perf_counter()
    normalise_title((unit * MAX_TITLE_CHARS)[:MAX_TITLE_CHARS])
    assert time.perf_counter() - started < 0.2
