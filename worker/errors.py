"""The worker's error tree.

    HangtagError
    ├── RetryableError   can heal by itself: try again, within the stage's deadline
    ├── RejectedError    this record or picture can never work: dead letter
    └── FatalError       the process cannot go on: stop, say why, exit 1
        └── UsageError   what was asked for cannot be meant, and never will be: exit 2

Library errors are mapped once, at the edge where they appear, with ``raise ... from``.
Messages name the value, the limit and the remedy.
"""

from __future__ import annotations

import structlog

from schemas.deadletter import Reason, Stage

log = structlog.get_logger(__name__)


class HangtagError(Exception):
    """Root of everything hangtag raises on purpose."""


class RetryableError(HangtagError):
    """Something outside failed in a way that can heal: a timeout, a 503, a broker that is away."""


class FatalError(HangtagError):
    """The process cannot go on. The message is for the operator: what happened and what to do."""


class UsageError(FatalError):
    """An option that says nothing that can be done, whatever the broker holds. A Job that ends with its exit code is
    not started again.
    """


class RejectedError(HangtagError):
    """A record or a picture that can never be processed.

    ``reason`` is from the contract's closed list, ``stage`` says where it was found and ``detail``
    names the value and the limit in words an operator can act on. No titles, URL queries or secrets.

    Hosts, codecs and libraries put their own words into it, a header that is no UTF-8 even half a character, which no
    event could be written with. Such are spelt out here, so that whatever takes the detail from here can write it.
    """

    def __init__(self, reason: Reason, stage: Stage, detail: str) -> None:
        detail = detail.encode(errors="backslashreplace").decode()
        super().__init__(f"{reason.value} at {stage.value}: {detail}")
        self.reason = reason
        self.stage = stage
        self.detail = detail


def rejection_of(failure: Exception, reason: Reason, stage: Stage) -> RejectedError:
    """What a failure means for the one record or picture that was worked on.

    Rejections are what they say. Whatever nobody foresaw is one too, for ``reason``, and is logged: a stranger's record
    must not end the process, and with it the work on every other. Raises the failure itself where it is no
    record's: FatalError, MemoryError.
    """
    if isinstance(failure, RejectedError):
        return failure
    if isinstance(failure, FatalError | MemoryError):
        raise failure
    log.error("record.unforeseen", stage=stage.value, exc_info=failure)
    return RejectedError(reason, stage, f"{type(failure).__name__}, which nobody foresaw; the worker's log says where")
