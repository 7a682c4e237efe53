"""What is known of an image host: when it is failing, when it rests, and who may ask it when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.deadletter import Reason, Stage
from tests.virtual_time import LoopClock, in_virtual_time, passes
from worker.errors import RejectedError
from worker.fetching.hosts import Host, Hosts, Pacing, Slot
from worker.fetching.patience import Patience

NAME = "https://one.example"
RESET = RejectedError(Reason.CONNECT_FAILED, Stage.FETCH, "https://one.example: the connection failed")


class HandClock:
    """Moves when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return self.seconds


async def opened(hosts: Hosts, count: int) -> list[Slot]:
    """So many open requests to a host that has earned them."""
    slots = [hosts.slot(NAME) for _ in range(count)]
    slots[0].host.gate.limit = max(slots[0].host.gate.limit, count)
    for slot in slots:
        await slot.enter()
    return slots


async def fails(hosts: Hosts, count: int = 1) -> Host:
    """So many requests that fail, one after the other."""
    for _ in range(count):
        (slot,) = await opened(hosts, 1)
        hosts.failed(slot, RESET)
        slot.leave()
    return slot.host


@pytest.mark.parametrize("num_open", [1, 2, 16])
async def test_what_was_open_together_fails_once(num_open: int) -> None:
    """A load balancer that resets all connections of a busy host is one failure, and no reason to rest."""
    hosts = Hosts(HandClock(), max_per_host=16)
    slots = await opened(hosts, num_open)
    for slot in slots:
        hosts.failed(slot, RESET)
        slot.leave()
    host = slots[0].host
    assert (host.failures_in_a_row, host.gate.limit, hosts.rest_left(host)) == (1, 1, 0.0)
    await fails(hosts)
    assert host.failures_in_a_row == 2


async def test_what_was_open_then_says_nothing_of_a_host_that_has_answered_since() -> None:
    """One connection fails, another answers, a third of that time fails: the host is well."""
    hosts = Hosts(HandClock(), max_per_host=16)
    first, second, third = await opened(hosts, 3)
    hosts.failed(first, RESET)
    hosts.succeeded(second.host)
    hosts.failed(third, RESET)
    assert first.host.failures_in_a_row == 0


async def test_a_host_that_fails_on_rests_twice_as_long_each_time() -> None:
    """From the fifth failure in a row: 5 s, 10 s, up to a minute; an answer ends it."""
    clock = HandClock()
    hosts = Hosts(clock, max_per_host=16)
    host = await fails(hosts, 4)
    assert hosts.rest_left(host) == 0.0
    for rest in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0):
        await fails(hosts)
        assert hosts.rest_left(host) == rest
        clock.seconds += rest - 1.0
        assert hosts.rest_left(host) == pytest.approx(1.0)
        clock.seconds += 1.0
        assert hosts.rest_left(host) == 0.0
    await fails(hosts)
    hosts.succeeded(host)
    assert (hosts.rest_left(host), host.failures_in_a_row, host.gate.limit) == (0.0, 0, 2)


async def test_failing_counts_from_the_last_sign_of_life() -> None:
    """A request that hung counts from its start, but not from before another was answered, and until one is."""
    clock = HandClock()
    hosts = Hosts(clock, max_per_host=16)
    hung, answered = await opened(hosts, 2)
    clock.seconds += 3.0
    hosts.succeeded(answered.host)
    clock.seconds += 5.0
    assert answered.host.failing_seconds(clock.now()) == 0.0
    hosts.failed(hung, RESET)
    assert answered.host.failing_seconds(clock.now()) == 5.0
    clock.seconds += 2.0
    hosts.succeeded(answered.host)
    clock.seconds += 9.0
    assert answered.host.failing_seconds(clock.now()) == 7.0


@given(steps=st.lists(st.tuples(st.sampled_from(("open", "fail", "answer", "pass")), st.integers(0, 9)), max_size=60))
def test_failing_time_only_grows_and_never_faster_than_time(steps: Sequence[tuple[str, int]]) -> None:
    """Whatever a host does; it stands still while the host is well, and no failure in a row is of an older request."""

    async def play() -> None:
        clock = HandClock()
        hosts, still_open = Hosts(clock, max_per_host=16), []
        host = hosts.slot(NAME).host
        failed, began = 0.0, clock.now()
        for step, number in steps:
            if step == "open":
                still_open += await opened(hosts, 1) if hosts.slot(NAME).is_free else []
            elif step == "pass":
                clock.seconds += number
            elif still_open:
                slot = still_open.pop(number % len(still_open))
                hosts.failed(slot, RESET) if step == "fail" else hosts.succeeded(host)
                slot.leave()
            after = host.failing_seconds(clock.now())
            assert failed <= after <= clock.now() - began
            assert step != "pass" or after - failed == (number if host.failures_in_a_row else 0)
            failed = after

    asyncio.run(play())


def test_who_goes_away_takes_no_moment_with_it() -> None:
    """Of those that wait for a host's rate nine of ten give up at once: the others come as if those had never been."""

    async def play() -> list[float]:
        loop, entered = asyncio.get_running_loop(), []
        hosts = Hosts(LoopClock(), max_per_host=1000, pacing=Pacing(10.0, asyncio.sleep))
        hosts.slot(NAME).host.gate.limit = 1000

        async def ask() -> None:
            async with hosts.slot(NAME):
                entered.append(loop.time())

        tasks = [asyncio.create_task(ask()) for _ in range(1000)]
        await passes(1.05)
        for number, task in enumerate(tasks):
            if number % 10:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return entered

    entered = in_virtual_time(play())
    assert 100 <= len(entered) <= 120
    assert entered[-1] - entered[0] < 11.5
    assert max(after - before for before, after in pairwise(entered)) < 0.11


def test_patience_counts_only_failing_time_in_a_queue() -> None:
    """A turn at a host that is well is waited for over hours; from its first failure on, so many seconds."""

    async def play() -> float:
        loop, clock = asyncio.get_running_loop(), LoopClock()
        hosts = Hosts(clock, max_per_host=1)
        (held,) = await opened(hosts, 1)
        patience, began = Patience(clock, 20.0), loop.time()
        waiting = asyncio.create_task(patience.wait_for(hosts.slot(NAME)))
        await passes(7200.0)
        hosts.succeeded(held.host)
        await passes(8.0)
        hosts.failed(held, RESET)
        with pytest.raises(TimeoutError):
            await waiting
        held.leave()
        return loop.time() - began

    seconds = in_virtual_time(play())
    assert 7200 + 20 <= seconds <= 7200 + 20 + 8


def test_patience_is_given_back_what_did_not_count() -> None:
    """After a turn it has spent the seconds for which the host was failing, whenever in the wait that was."""

    async def play() -> tuple[float, int]:
        clock = LoopClock()
        hosts = Hosts(clock, max_per_host=1)
        (held,) = await opened(hosts, 1)
        patience, slot = Patience(clock, 20.0), hosts.slot(NAME)
        waiting = asyncio.create_task(patience.wait_for(slot))
        await passes(100.0)
        hosts.succeeded(held.host)
        await passes(4.0)
        hosts.failed(held, RESET)
        await passes(3.0)
        hosts.succeeded(held.host)
        await passes(50.0)
        held.leave()
        await waiting
        return patience.spent, slot.host.num_users

    spent, num_users = in_virtual_time(play())
    assert spent == pytest.approx(7.0)
    assert num_users == 1


async def test_names_that_nobody_has_heard_of_leave_half_of_the_connections_alone() -> None:
    """One domain can have any number of names, each a host of its own: all of them together hang, the known goes on."""
    hosts = Hosts(HandClock(), max_per_host=16, max_connections=8)
    known = hosts.slot(NAME)
    await known.enter()
    hosts.succeeded(known.host)
    known.leave()
    strangers = [asyncio.create_task(hosts.slot(f"https://{number}.dripping.example").enter()) for number in range(20)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert sum(one.done() for one in strangers) == 4
    async with hosts.slot(NAME), hosts.slot(NAME), hosts.slot(NAME):
        assert hosts.slot(NAME).host.num_users == 3
    for one in strangers:
        one.cancel()
    await asyncio.wait(strangers)
