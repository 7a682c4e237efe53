"""Per key, results leave in the order of their records."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.partitions.ordering import KeyOrder, TurnLostError


@given(keys=st.lists(st.sampled_from("abc"), max_size=20), finishing=st.randoms(use_true_random=False))
def test_any_order_of_finishing_leaves_in_order_per_key(keys: list[str], finishing: object) -> None:
    """However the work finishes, each key's records leave oldest first, and nobody waits for another key."""

    async def scenario() -> None:
        order, left = KeyOrder(), []
        turns = [(key, number, order.enter(key)) for number, key in enumerate(keys)]
        finishing.shuffle(turns)  # type: ignore[attr-defined]

        async def leave(key: str, number: int, turn: object) -> None:
            await turn.wait()  # type: ignore[attr-defined]
            left.append((key, number))
            turn.leave()  # type: ignore[attr-defined]

        await asyncio.gather(*(leave(*turn) for turn in turns))
        for key in set(keys):
            assert [n for k, n in left if k == key] == sorted(n for k, n in left if k == key)
        assert len(order) == 0

    asyncio.run(scenario())


async def test_giving_up_takes_later_records_of_the_key_along() -> None:
    """Else the older record would be published after the newer one, by the partition's next owner."""
    order = KeyOrder()
    first, second, third, other = order.enter("a"), order.enter("a"), order.enter("a"), order.enter("b")
    first.give_up()
    with pytest.raises(TurnLostError):
        await second.wait()
    second.give_up()
    with pytest.raises(TurnLostError):
        await third.wait()
    await other.wait()
