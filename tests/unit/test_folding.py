"""Text as words are looked for in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.wording.folding import fold, plain
from model.wording.units import lowered
from model.wording.words import WordFinder

TAXONOMY = load_taxonomy()
FINDER, EXTRACTOR = WordFinder(TAXONOMY), Extractor(TAXONOMY)
PIECES = st.sampled_from(
    [
        *(
            "rose",
            "gold",
            "gru\u0308ne",
            "gr&uuml;ne",
            "ＢＬＡＣＫ",
            "黑色",
            "ﾌﾞﾗｯｸ",
            "𝗯𝗹𝗮𝗰𝗸",
            "bl\xadack",
            "leather",
            "jacke",
            "🎁",
        ),
        *(
            " ",
            "  ",
            "\t",
            "\n",
            "\xa0",
            "\u3000",
            "&nbsp;",
            "&#32;",
            "-",
            "\u2011",
            "\u0301",
            "&amp;",
            "&",
            ";",
            "&red;",
        ),
    ]
)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("8&quot; x 10&quot;", '8" x 10"'),
        ("Gr&uuml;ne Gr&#246;&#xdf;e", "Grüne Größe"),
        ("Gru\u0308ne", "Grüne"),
        ("ΚΑΡΕΚΛΑ καρέκλας", "ΚΑΡΕΚΛΑ καρεκλασ"),
        ("чёрный \u0435\u0308", "черный е"),
        ("KIRMIZI kırmızı İ", "KIRMIZI kirmizi I"),
        ("الأريكة الكُرْسِيّ كـــرسي", "الاريكه الكرسي كرسي"),
        ("کتاب\u200cخانه", "كتاب خانه"),
        ("שָׁלוֹם", "שלום"),
        ("ﻛﺮﺳﻲ", "كرسي"),
        ("\u1100\u1161\u1100\u116e\u11ab \u11ab", "가군 \u11ab"),
        ("\u200fכסא\u200e \u202bעץ\u202c", "כסא עץ"),
        ("र्\u200dय", "र्य"),
        ("п\u02bcять", "п'ять"),
        ("rose \u00a0 gold", "rose gold"),
        ("one\r\n two", "one\ntwo"),
        ("ＢＬＡＣＫ　ＤＲＥＳＳ，５㎝", "BLACK DRESS,5cm"),
        ("non\u2011stick", "non-stick"),
        ("bl\u00adack", "black"),
        ("1½ m² ″ № ™", "1½ m² ″ № ™"),
        ("AT&T &nosuch; R&D;", "AT&T &nosuch; R&D;"),
    ],
)
def test_a_text_is_read_as_it_looks(text: str, folded: str) -> None:
    """Entities, joined accents, wide letters and white space are made plain; signs with a meaning of their own stay."""
    assert fold(text).text == folded
    assert fold(folded).text == folded


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=100))
def test_what_is_cut_from_the_text_as_given_folds_to_what_was_found(text: str) -> None:
    """Spans are places in the original, whatever folding did before them."""
    folded = fold(text)
    in_lower_case = lowered(folded.text)
    for one in FINDER.find(in_lower_case).stated:
        start, end = folded.span(one.start, one.end)
        assert lowered(fold(text[start:end]).text) == in_lower_case[one.start : one.end]


@pytest.mark.parametrize(
    ("title", "attribute", "value", "words"),
    [
        ("🎁 Gr&uuml;ne Jacke", "color", "green", "Gr&uuml;ne"),
        ("🎁 Gru\u0308ne Jacke", "color", "green", "Gru\u0308ne"),
        ("Watch, rose \u00a0gold", "color", "rose gold", "rose \u00a0gold"),
        ("Frame 8&quot; x 10&quot; oak", "size", "8x10in", "8&quot; x 10&quot;"),
        ("Cups,&nbsp;set&nbsp;of&nbsp;4", "pack_count", "4", "set&nbsp;of&nbsp;4"),
    ],
)
def test_evidence_points_into_the_text_as_given(title: str, attribute: str, value: str, words: str) -> None:
    """Words, sizes and counts alike."""
    (mention,) = (one for one in EXTRACTOR.extract(title, "", ()) if one.attribute == attribute)
    assert mention.value == value
    assert title[mention.span.start : mention.span.end] == words


WORDS = (
    "чёрный СТУЛ καναπές ΚΑΡΕΚΛΕΣ"
    " п\u02bcять ｓｏｆａ ﾗﾀﾝ ﬁlm ﻛﺮﺳﻲ lu\xadxus र्\u200dय लकड\u093cी लक\u095cी \u110b\u1174\u110c\u1161"
    " siyah KIRMIZI İĞNE الكُرْسِيّ أريكة کتاب\u200cخانه شָׁלוֹם ג׳ינס कुर्सी लकड़ी เก้าอี้ säng étagère men’s"
)


@given(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=4).map(" ".join))
def test_words_of_the_taxonomy_are_written_as_titles_are(phrase: str) -> None:
    """What one side leaves out the other does as well, or nothing would be found."""
    assert lowered(plain(phrase)) == lowered(fold(phrase).text).replace("’", "'")


def test_letters_that_are_many_make_no_text_longer_than_is_looked_at() -> None:
    """One may be 18: the event loop would wait for 360,000 letters where 20,000 are allowed."""
    folded = fold("ﷺ" * 3)
    assert len(folded.text) == 54
    assert folded.first(20).text == folded.text[:20]
    assert folded.first(20).span(18, 20) == (1, 2)
    assert folded.first(54) is folded
