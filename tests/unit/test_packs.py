"""How many pieces a listing sells."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.wording.packs import find_packs


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("socks, pack of 6", ["6"]),
        ("14ct white gold ring", []),
        ("9ct gold earrings", []),
        ("screws 200 ct", ["200"]),
        ("mi 11 pack 3", ["3"]),
        ("lote de 8 bodies", ["8"]),
        ("酸奶 6瓶装", ["6"]),
        ("calze 6 paia", ["6"]),
        ("tyre x 4", ["4"]),
        ("bmw x3", []),
        ("12-pack aa batteries", ["12"]),
        ("led bulbs (4 pack)", ["4"]),
        ("set of two cushion covers", ["2"]),
        ("socken 6er-pack", ["6"]),
        ("topfset 5-teilig", ["5"]),
        ("lot de 3 bougies", ["3"]),
        ("juego de 4 sillas", ["4"]),
        ("毛巾 3件装", ["3"]),
        ("纯棉四件套", ["4"]),
        ("餐椅 米色 4把", ["4"]),
        ("袜子 灰色 10双", ["10"]),
        ("work gloves, size 7, 12-pair", ["12"]),
        ("drumsticks, 4-pair pack", ["4"]),
        ("socken, 10 paar", ["10"]),
        ("chaussettes, 10 paires", ["10"]),
        ("bridas negras, 100 uds", ["100"]),
        ("9-pair shoe rack", []),
        ("三季睡袋", []),
        ("抱枕套 45x45cm", []),
        ("卫衣 2件", ["2"]),
        ("olive oil 6 x 500 ml", ["6"]),
        ("50 pieces, set of 2", ["50", "2"]),
        ("chair, 4 legs", []),
        ("backpack 20 l", []),
        ("pack of 0", []),
        ("tv 55 inch", []),
        ("set of 99999 things", []),
        ("pack of 1,000 staples", ["1000"]),
        ("knives, 1,000-count", ["1000"]),
        ("12,500 pieces", []),
        ("shoe rack for 12 pairs", []),
        ("schuhregal für 20 paar schuhe", []),
        ("pendant, 3/4 ct.tw", []),
        ("ring, 3.4ct", []),
        ("3 x 2 pack", ["6"]),
        ("seven pair pack socks", ["7"]),
        ("twin pack shampoo", ["2"]),
        ("dreierpack boxershorts", ["3"]),
        ("half dozen eggs", ["6"]),
        ("two dozen roses", ["24"]),
        ("4x dining chairs", ["4"]),
        ("10x magnifying mirror", []),
        ("5x schuko, 2m", []),
        ("coasters x6", ["6"]),
        ("bmw x6", []),
        ("screws m6 x 20", []),
        ("besteckset 24-tlg.", ["24"]),
        ("10 stk. schrauben", ["10"]),
        ("pack 6 calcetines", ["6"]),
        ("dining set 4 seater", []),
        ("lego set 75192 falcon", []),
        ("caja de 12 botellas", ["12"]),
        ("qty 5 notebooks", ["5"]),
        ("5双袜子", ["5"]),
        ("2双人床", []),
        ("手机 2支架", []),
        ("20 tea bags", ["20"]),
        ("koffer 4 rollen", []),
        ("merlot 75cl x 6 bottles", ["6"]),
        ("480g*2", ["2"]),
        ("shelf 80cm x 20", []),
        ("screen protector x3", ["3"]),
        ("poco x3", []),
        ("winterreifen 205/55 r16 x4", ["4"]),
        ("linen napkins set/8 sage", ["8"]),
        ("vitamin d3 365 tablets", ["365"]),
        ("tea 240 bags", ["240"]),
        ("bicchieri vetro 6 pz", ["6"]),
        ("opony zimowe 4 szt", ["4"]),
        ("4 stühle schwarz", ["4"]),
        ("dining table, 4 chairs", []),
        ("kit 3 camisetas", ["3"]),
        ("kit 4 wheel alignment", []),
        ("zestaw 6 szklanek", ["6"]),
        ("whiteboard markers 8 assorted", ["8"]),
        ("highlighters, 5 assorted colours", []),
        ("cooler for 12 cans", []),
        ("mixer grinder with 3 jars", []),
        ("cooler bag 12 cans", []),
    ],
)
def test_counts_are_found_by_their_form(text: str, values: list[str]) -> None:
    """And nothing else that is a number."""
    assert [pack.value for pack in find_packs(text)] == values


@given(st.text(max_size=200))
def test_any_text_has_counts_that_do_not_overlap(text: str) -> None:
    """Spans lie in the text, one after the other."""
    found = find_packs(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_the_span_of_a_count_before_a_volume_ends_with_its_sign() -> None:
    """Without the space after it."""
    assert [(pack.start, pack.end) for pack in find_packs("oil 6 x 500 ml")] == [(4, 7)]


@pytest.mark.parametrize("piece", ["12 pairs ", "for 6 pcs ", "1 x 1l ", "1,000", "lot 4 ", "half a ", "4双", "s x1 "])
def test_hostile_text_is_counted_soon(piece: str) -> None:
    """The longest text allowed, full of counts, is read in well under a second or two."""
    text = (piece * 20_000)[:20_000]
    began = time.process_time()
    find_packs(text)
    assert time.process_time() - began < 2


def test_a_title_states_pattern_and_count() -> None:
    """With the very words as their spans."""
    title = "Striped Cotton Towels, Pack of 4"
    mentions = Extractor(load_taxonomy()).extract(title, "", ())
    found = {one.attribute: title[one.span.start : one.span.end] for one in mentions}
    assert found["pattern"] == "Striped"
    assert found["pack_count"] == "Pack of 4"
