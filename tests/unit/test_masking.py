"""Words that tell the answer are hidden, and stay hidden."""

from __future__ import annotations

from model.taxonomy import load_taxonomy
from model.training.masking import Mask, masked_words, telling_words

FROZEN = frozenset({"black", "white", "navy", "walnut", "espresso", "brushed", "charcoal", "multicolor"})
NUM_WORDS = 345  # of the first list


def test_the_committed_list_never_shrinks() -> None:
    """Figures of later checkpoints hide at least what the first one hid."""
    words = masked_words()
    assert len(words) == len(set(words)) >= NUM_WORDS
    assert set(words) >= FROZEN


def test_words_of_raw_colors_and_synonyms_go() -> None:
    """Colours, materials, in any case and language of the taxonomy; what merely holds such a word stays."""
    hidden = Mask(load_taxonomy()).hide("Navy Blue Leather Sofa, Samtgrün, blackout curtain, 红色").casefold()
    assert "sofa" in hidden
    assert "blackout" in hidden
    for word in ("navy", "blue", "leather"):
        assert word not in hidden


def test_a_word_tells_from_three_listings_on() -> None:
    """Two listings may share a fancy name by chance."""
    assert telling_words(["Dusty Rose", "dusty teal", "Dusty", "Rose"]) == {"dusty"}
