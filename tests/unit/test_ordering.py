"""Per key, results leave in the order of their records."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.partitions.ordering import KeyOrder, Turn, TurnLostError


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


@given(
    records=st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=12),
    choose=st.randoms(use_true_random=False),
)
def test_a_record_passed_over_lets_nobody_overtake(records: list[tuple[str, bool]], choose: random.Random) -> None:
    """Whenever it leaves, before or after later records of its key came: the others of its key still leave in order."""
    asyncio.run(_play(records, choose))


async def _play(records: list[tuple[str, bool]], choose: random.Random) -> None:
    """``records``: keys, and which are passed over, which happens in their order; work is done in any order."""
    order, coming = KeyOrder(), list(enumerate(records))
    working: list[tuple[int, Turn]] = []
    to_pass: list[tuple[int, Turn]] = []
    publishing: list[asyncio.Task[None]] = []
    left: list[int] = []

    async def publish(number: int, turn: Turn) -> None:
        await turn.wait()
        left.append(number)
        turn.leave()

    while coming or working or to_pass:
        step = choose.choice([one for one in (coming, working, to_pass) if one])
        if step is coming:
            number, (key, is_passed_over) = coming.pop(0)
            (to_pass if is_passed_over else working).append((number, order.enter(key)))
        elif step is working:
            done = working.pop(choose.randrange(len(working)))
            publishing.append(asyncio.create_task(publish(*done)))
        else:
            to_pass.pop(0)[1].leave()
        await asyncio.sleep(0)
    await asyncio.gather(*publishing)
    for key in "ab":
        expected = [n for n, (one, is_passed_over) in enumerate(records) if one == key and not is_passed_over]
        assert [n for n in left if records[n][0] == key] == expected
    assert len(order) == 0


async def test_what_follows_a_record_passed_over_is_lost_with_those_before_it() -> None:
    """Given up is the first of three; that the second was not meant changes nothing for the third."""
    order = KeyOrder()
    first, second, third = order.enter("a"), order.enter("a"), order.enter("a")
    second.leave()
    first.give_up()
    with pytest.raises(TurnLostError):
        await third.wait()


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
