"""Whose turn it is to start, and which partitions are paused."""

from __future__ import annotations

from worker.item import Headers, Origin, Record
from worker.offsets import CLEAN, PartitionLedger
from worker.partitions.backlogs import Backlogs
from worker.partitions.fair_queue import RUN
from worker.partitions.intake_policy import IntakePolicy
from worker.partitions.partition import Partition
from worker.partitions.quarantine import Quarantine


class World:
    """Backlogs of some partitions, and which of them the consumer was told to pause."""

    def __init__(self, num_partitions: int, policy: IntakePolicy) -> None:
        self.paused: set[int] = set()
        self.backlogs = Backlogs(policy, self._tell)
        self.partitions = [_partition(number) for number in range(num_partitions)]

    def send(self, number: int, count: int, num_bytes: int = 10, headers: Headers = ()) -> None:
        """Records come to one partition."""
        partition = self.partitions[number]
        for _ in range(count):
            offset = partition.ledger.next_offset
            partition.ledger.deliver(offset)
            origin = Origin("created", number, offset, None)
            record = Record(None, b"x" * num_bytes, headers, origin)
            self.backlogs.add(partition, record, origin, partition.order.enter(offset))
        self.backlogs.came([partition], self.partitions)

    def start(self, count: int) -> list[int]:
        """The partitions of the next records to start."""
        started = []
        for _ in range(count):
            partition = self.backlogs.next_ready()
            assert partition is not None
            self.backlogs.take(partition)
            started.append(partition.number)
        return started

    def _tell(self, partition: Partition, is_paused: bool) -> None:
        (self.paused.add if is_paused else self.paused.discard)(partition.number)


def _partition(number: int) -> Partition:
    partition = Partition(number, 1, PartitionLedger(0), Quarantine(CLEAN, 1, 0, 0))
    partition.marks_written = partition.marks_wanted
    return partition


def test_a_busy_partition_does_not_starve_the_others() -> None:
    """Partitions that have records take turns, a run of records each, however many each has."""
    world = World(4, IntakePolicy())
    world.send(0, 2 * RUN + 1)
    world.send(2, RUN + 2)
    world.send(3, 1)
    assert world.start(3 * RUN + 4) == [0] * RUN + [2] * RUN + [3] + [0] * RUN + [2, 2] + [0]
    assert world.backlogs.next_ready() is None


def test_records_of_a_partition_that_had_none_wait_for_no_runs_of_those_that_lag() -> None:
    """They start next, and the run that they broke into goes on."""
    world = World(4, IntakePolicy())
    for number in range(3):
        world.send(number, 3 * RUN)
    assert world.start(3 * RUN) == [0] * RUN + [1] * RUN + [2] * RUN
    assert world.start(2) == [0, 0]
    world.send(3, 2)
    assert world.start(5) == [3, 3, 0, 0, 0]


def test_a_run_that_is_just_over_costs_the_next_partition_nothing() -> None:
    """Wherever the run of one that lags stands, records that come to a partition that had none start next, all of a
    run's.
    """
    for place in range(RUN + 1):
        world = World(4, IntakePolicy())
        for number in range(3):
            world.send(number, 3 * RUN)
        world.start(3 * RUN + place)
        world.send(3, RUN)
        assert world.start(RUN + 1)[:-1] == [3] * RUN


def test_a_record_now_and_then_waits_for_no_runs_of_those_that_lag() -> None:
    """Not the first alone: as many of one partition as a run has go first in one round of the others."""
    world = World(8, IntakePolicy())
    for number in range(7):
        world.send(number, 100 * RUN)
    world.start(14 * RUN)
    for _ in range(30 * RUN):
        world.send(7, 1)
        started = world.start(8)
        assert started.index(7) == 0
        assert started.count(7) == 1


def test_where_none_lags_records_wait_for_their_turn_in_runs() -> None:
    """As many come as start, a few for each partition in a round: a dozen of them touches few partitions."""
    world = World(32, IntakePolicy())
    for number in range(32):
        world.send(number, 8)
    touched = []
    for place in range(400):
        started = world.start(12)
        touched.append(len(set(started)))
        for number in range(12):
            world.send((12 * place + number) % 32, 1)
    assert sum(touched[100:]) / len(touched[100:]) < 4


def test_partitions_that_a_record_comes_to_all_the_time_starve_nobody() -> None:
    """As many records come as start, and each is the first of its partition: those that lag get their share."""
    world = World(3, IntakePolicy())
    world.send(0, 30 * RUN)
    started = []
    for number in range(30 * RUN):
        world.send(1 + number % 2, 1)
        started += world.start(1)
    assert all(started.count(partition) >= 9 * RUN for partition in range(3))


def test_a_partition_that_may_not_start_keeps_its_turn_for_later() -> None:
    """Until its mark is committed the others go on; then it starts too."""
    world = World(2, IntakePolicy())
    world.partitions[0].marks_wanted += 1
    world.send(0, 1)
    world.send(1, 2)
    assert world.start(2) == [1, 1]
    assert world.backlogs.next_ready() is None
    world.partitions[0].marks_written += 1
    assert world.start(1) == [0]


def test_a_full_partition_rests_until_half_of_it_has_started() -> None:
    """It alone is paused, and resumed with hysteresis."""
    world = World(2, IntakePolicy(max_backlog_records=10))
    world.send(0, 10)
    world.send(1, 1)
    assert world.paused == {0}
    world.start(4)
    assert world.paused == {0}
    world.start(1)
    assert world.paused == set()


def test_heavy_records_hold_all_back_until_half_of_them_is_gone() -> None:
    """Bytes are counted over all partitions, and when they go all may go on, whoever held them."""
    world = World(3, IntakePolicy(max_backlog_records=100, max_backlog_bytes=1000))
    world.send(1, 1, num_bytes=10)
    world.send(0, 10, num_bytes=100)
    assert world.paused == {0, 1}
    world.start(4)
    assert world.paused == {0, 1}
    world.start(3)
    assert world.paused == set()


def test_what_many_bytes_below_the_limit_belong_to_holds_no_other_back() -> None:
    """A full partition that has started all its records goes on, though another's still weigh more than half."""
    world = World(2, IntakePolicy(max_backlog_records=10, max_backlog_bytes=1000))
    world.send(0, 10, num_bytes=1)
    world.send(1, 30, num_bytes=30)  # the consumer brings what it has read by then, be it more than the limit
    assert world.paused == {0, 1}
    world.start(20)
    assert world.paused == {1}
    world.start(20)
    assert world.paused == set()


def test_headers_weigh_too() -> None:
    """Records of hardly any value but with large headers cost as much memory as those headers."""
    world = World(2, IntakePolicy(max_backlog_records=100, max_backlog_bytes=1000))
    world.send(0, 9, num_bytes=10, headers=(("n" * 50, b"v" * 50), ("empty", None)))
    assert world.paused == {0}
    world.start(9)
    assert world.paused == set()


def test_what_goes_away_holds_nobody_back() -> None:
    """A revoked partition's records count no longer, and it gets no turn."""
    world = World(2, IntakePolicy(max_backlog_records=100, max_backlog_bytes=1000))
    world.send(1, 1, num_bytes=10)
    world.send(0, 10, num_bytes=100)
    world.start(2)  # the other partition has nothing left that could resume it by starting
    assert world.paused == {0, 1}
    world.backlogs.forget(world.partitions[0])
    world.backlogs.resume()
    assert world.paused == {0}  # nobody tells the consumer of a partition that is gone
    assert world.backlogs.next_ready() is None
