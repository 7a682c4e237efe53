"""Titles of like length go together: a batch is as wide as its longest, and what stands beside shorter ones is filling.

On real titles one batch of sixteen is two fifths filling. More batches fill less, and each costs a call of its own; the
best cut is found exactly, for there are few places to cut.
"""

from __future__ import annotations

from collections.abc import Sequence

CALL_TOKENS = 14  # what a call costs on a CPU, in tokens: measured on MiniLM, OpenVINO


def groups_of(lengths: Sequence[int], max_titles: int, call_tokens: int = CALL_TOKENS) -> list[slice]:
    """Cuts of titles with these ``lengths`` in tokens, shortest first, so that tokens and calls together cost least.

    No group holds more than ``max_titles``.
    """
    least = [0.0]  # the cost of the first n titles
    begins = [0]  # where the last group of the first n titles begins
    for end in range(1, len(lengths) + 1):
        width = lengths[end - 1]
        costs = {
            begin: least[begin] + (end - begin) * width + call_tokens for begin in range(max(0, end - max_titles), end)
        }
        best = min(costs, key=costs.__getitem__)
        least.append(costs[best])
        begins.append(best)
    found, end = [], len(lengths)
    while end:
        found.append(slice(begins[end], end))
        end = begins[end]
    return found[::-1]
