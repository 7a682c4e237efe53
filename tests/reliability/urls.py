"""Forbidden URLs in every spelling, redirects and names that lead inside: none is dialled; good URLs arrive."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.reliability import certificates, url_chains, url_good
from tests.reliability.small_world import PUBLIC, NoNamespaceError, enter_in_thread
from tests.reliability.suite import Row, Trial

TITLE = "URLs: spellings, redirects, rebinding"
_WORLD = "A network of our own (namespaces), with sinks at every address"


async def run(trial: Trial) -> list[Row]:
    """See the module. The short form leaves out what waits for the cache of names to run out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [*url_good.tls_names(), *(chain.start.split("/")[2] for chain in url_chains.chains())]
        form = "full" if trial.is_full else "short"
        try:
            certificates.make(folder, names, PUBLIC)
            found = await enter_in_thread(
                ["tests.reliability.url_attacks", str(folder), form], folder, timeout_seconds=900
            )
        except (NoNamespaceError, FileNotFoundError) as error:
            return [Row(_WORLD, "yes", f"cannot be had here: {error}", False if trial.is_full else None)]
    for step, told in found.items():
        for line in (*told.get("wrong", ()), *told.get("sunk", ())):
            trial.say(f"  {step}: {line}")
    return [*_controls(found), *_attacks(found), _good(found["good"])]


def _controls(found: dict[str, Any]) -> list[Row]:
    reach, plain = found["reach_sinks"], found["without_guard"]
    undialled = f"; the kernel itself refuses {len(reach['undialled'])}: {', '.join(reach['undialled'])}"
    count = found["spellings"]["count"]
    return [
        Row(
            "Control: sinks that see a connection made without guard",
            "all",
            f"{reach['count'] - len(reach['unseen'])} of {reach['count']}{undialled}",
            not reach["unseen"],
        ),
        Row(
            "Control: spellings that reach a sink through plain aiohttp, and through urllib",
            ">= 100 each",
            f"{plain['aiohttp']} and {plain['urllib']} of {count}",
            min(plain["aiohttp"], plain["urllib"]) >= 100,
        ),
        Row(
            "Control: a client that honours the environment's proxy dials the one planted there",
            "yes",
            "yes" if plain["proxy"] else "no",
            bool(plain["proxy"]),
        ),
    ]


def _attacks(found: dict[str, Any]) -> list[Row]:
    spellings, chains, rebinding = found["spellings"], found["chains"], found["rebinding"]
    rows = [
        _attack("Spellings of forbidden targets", ">= 300", spellings["count"], 300, spellings),
        _attack("Redirect chains that lead inside, downgrade or never end", ">= 50", chains["count"], 50, chains),
        _attack(
            f"Rebinding sequences, real UDP DNS through the system's resolver ({rebinding['lookups']} look-ups)",
            ">= 50", rebinding["sequences"], 50, rebinding,
        ),
    ]  # fmt: skip
    for step, what, lookups in (("aging", "our cache of names runs out", 4), ("dying", "the host dies, at a retry", 2)):
        if told := found.get(step):
            words = f"Rebinding after {what}, one fetcher ({told['lookups']} look-ups)"
            # Without a new look-up there was no attack: the count of them is part of the bar.
            count = told["sequences"] if told["lookups"] >= lookups * told["sequences"] else 0
            rows.append(_attack(words, ">= 12", count, 12, told))
    return rows


def _attack(what: str, bar: str, count: int, least: int, told: dict[str, Any]) -> Row:
    wrong = (
        f"{len(told['wrong'])} of {told['count']} fetches ended for another reason"
        if told["wrong"]
        else "each reason right"
    )
    return Row(
        what,
        f"{bar}; 0 connections at sinks; the contract's reason",
        f"{count}; {len(told['sunk'])} connections; {wrong}",
        count >= least and not told["sunk"] and not told["wrong"],
    )


def _good(told: dict[str, Any]) -> Row:
    return Row(
        "Good URLs refused or not brought home, from public addresses over HTTP and HTTPS",
        "0 of >= 200",
        f"{len(told['wrong'])} of {told['count']} ({told['connections']} connections; {len(told['sunk'])} at sinks)",
        not told["wrong"] and not told["sunk"] and told["count"] >= 200,
    )
