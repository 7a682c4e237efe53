"""``python -m tests.reliability.url_attacks FOLDER short|full``: runs inside a small world, prints what it found.

Every fetch goes the way of the worker: `Fetcher`, its guard, the system's resolver, real sockets.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.reliability import certificates, url_chains, url_good, url_rebinding
from tests.reliability.dns_script import Reply, ScriptedDns
from tests.reliability.small_world import DNS_ADDRESS
from tests.reliability.url_spellings import NAMELESS, NAMES, forbidden, sinks
from tests.reliability.world_hosts import PICTURE, WorldHosts, answer, can_be_dialled, picture
from worker.errors import RejectedError
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Budget
from worker.metrics import Metrics

_POLICY = FetchPolicy(timeout_seconds=20, give_up_seconds=0)  # a busy machine is not what this is about
_PATIENT = FetchPolicy(timeout_seconds=20, give_up_seconds=60, first_wait_seconds=30)  # waits 15 s: past the cache
_AT_ONCE = 24
_CACHE_SECONDS = 10.5  # what worker.fetching.dial keeps a name for, and a little

Found = dict[str, Any]


class Attack:
    """One small world with its hosts and names, and what each kind of attack achieved there."""

    def __init__(self, hosts: WorldHosts, dns: ScriptedDns) -> None:
        self._hosts = hosts
        self._dns = dns

    async def reach_sinks(self) -> Found:
        """Without any guard: which sinks are seen to be dialled, and which addresses no kernel dials."""
        asked = [(address, 80) for address in sinks()] + [("127.0.0.1", 22), ("10.0.0.1", 6379), ("::1", 8080)]
        dialled = [place for place in asked if can_be_dialled(*place)]
        seen = await self._sunk()
        meant = {_as_dialled(address): address for address, _ in dialled}
        unseen = [f"{address}:{port}" for address, port in dialled if f"{_as_dialled(address)}:{port}" not in seen]
        undialled = sorted({address for address, port in asked if (address, port) not in dialled})
        return {"count": len(dialled), "addresses": len(meant), "unseen": unseen, "undialled": undialled}

    async def without_guard(self) -> Found:
        """The same spellings through plain aiohttp and urllib; and a proxy from the environment."""
        reached = {}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
            reached["aiohttp"] = await self._count_reached(lambda url: _plain_get(session, url))
        reached["urllib"] = await self._count_reached(lambda url: asyncio.to_thread(_plain_urlopen, url))
        async with aiohttp.ClientSession(trust_env=True) as session:
            await _plain_get(session, "http://shop.example/a.jpg")
        reached["proxy"] = int("10.66.66.66:3128" in await self._sunk())
        return reached

    async def spellings(self) -> Found:
        """Every forbidden URL, asked for at first hand."""
        expected = {**dict.fromkeys(forbidden(), "url_refused"), **dict.fromkeys(NAMELESS, "dns_failed")}
        async with _fetching(_POLICY) as fetch:
            return await self._judged(expected, await _all(expected, fetch))

    async def chains(self) -> Found:
        """Redirects that lead inside."""
        chains = url_chains.chains()
        by_host = {urlsplit(chain.start).netloc: chain for chain in chains}
        self._hosts.respond = lambda scheme, host, target: url_chains.respond(by_host, scheme, host, target)
        expected = {chain.start: chain.reason for chain in chains}
        async with _fetching(_POLICY) as fetch:
            return await self._judged(expected, await _all(expected, fetch))

    async def rebinding(self) -> Found:
        """Names whose answers change; each fetch with a fresh cache, so that each look-up is a new one."""
        self._hosts.respond = picture
        expected, ended = {}, {}
        for sequence in url_rebinding.sequences():
            for number in range(len(sequence.replies)):
                async with _fetching(_POLICY) as fetch:
                    step = f"{sequence.name}#{number}"
                    expected[step] = sequence.outcome(number)
                    ended[step] = await fetch(f"http://{sequence.name}/a.jpg")
        found = await self._judged(expected, ended)
        lookups = [self._dns.num_lookups(sequence.name) for sequence in url_rebinding.sequences()]
        return {**found, "sequences": len(lookups), "lookups": sum(lookups)}

    async def aging(self) -> Found:
        """One fetcher with its own cache of names, waited out between the fetches; no connection is kept alive."""
        self._hosts.respond = lambda *_: answer(200, PICTURE, {"Connection": "close"})
        expected, ended = {}, {}
        sequences = url_rebinding.aging()
        async with _fetching(_POLICY) as fetch:
            for number in range(len(sequences[0].replies)):
                urls = {sequence.name: f"http://{sequence.name}/a{number}.jpg" for sequence in sequences}
                found = await _all(urls.values(), fetch)
                ended.update(found)
                expected.update({urls[one.name]: one.outcome(self._dns.num_lookups(one.name) - 1) for one in sequences})
                await asyncio.sleep(_CACHE_SECONDS)
        lookups = [self._dns.num_lookups(sequence.name) for sequence in sequences]
        return {**await self._judged(expected, ended), "sequences": len(sequences), "lookups": sum(lookups)}

    async def dying(self) -> Found:
        """The first address hangs up; the name leads inside when the fetcher comes back."""
        sequences = url_rebinding.dying()
        expected = {f"http://{sequence.name}/a.jpg": "url_refused" for sequence in sequences}
        async with _fetching(_PATIENT) as fetch:
            found = await self._judged(expected, await _all(expected, fetch, at_once=len(expected)))
        lookups = [self._dns.num_lookups(sequence.name) for sequence in sequences]
        return {**found, "sequences": len(sequences), "lookups": sum(lookups)}

    async def good(self) -> Found:
        """URLs that must be fetched."""
        places = url_good.locations()
        self._hosts.respond = lambda scheme, _, target: _good_answer(places.get((scheme, target)))
        expected = dict.fromkeys(url_good.good_urls(), "fetched")
        before = sum(self._hosts.served.values())
        async with _fetching(_POLICY) as fetch:
            found = await self._judged(expected, await _all(expected, fetch))
        return {**found, "connections": sum(self._hosts.served.values()) - before}

    async def _count_reached(self, get: Callable[[str], Awaitable[None]]) -> int:
        num_reached = 0
        for url in forbidden():
            before = sum(self._hosts.sunk.values())
            await get(url)
            num_reached += sum(self._hosts.sunk.values()) > before
        await self._sunk()
        return num_reached

    async def _judged(self, expected: dict[str, str], ended: dict[str, str]) -> Found:
        wrong = [f"{key!a}: {ended[key]}, not {expected[key]}" for key in expected if ended[key] != expected[key]]
        return {"count": len(expected), "wrong": wrong, "sunk": await self._sunk()}

    async def _sunk(self) -> list[str]:
        """Where anybody connected to since the last time."""
        await self._hosts.settle()
        found = sorted(f"{address}:{port}" for address, port in self._hosts.sunk)
        self._hosts.sunk.clear()
        return found


class _fetching:  # noqa: N801  # a context manager, read as a verb
    """A fetcher of its own; what it gives says how a URL's fetch ended."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._fetcher = Fetcher(policy, Metrics())

    async def __aenter__(self) -> Callable[[str], Awaitable[str]]:
        await self._fetcher.start()
        return self._outcome

    async def __aexit__(self, *_: object) -> None:
        await self._fetcher.close()

    async def _outcome(self, url: str) -> str:
        lease = Budget(64 << 20).lease()
        try:
            image = await self._fetcher.fetch(url, lease)
        except RejectedError as error:
            return error.reason.value
        except Exception as error:  # noqa: BLE001, RUF100  # anything else is a fault, and is reported as one
            return f"{type(error).__name__}: {error}"
        return "fetched" if image.body == PICTURE else "another body"


async def _all(urls: Iterable[str], fetch: Callable[[str], Awaitable[str]], at_once: int = _AT_ONCE) -> dict[str, str]:
    gate = asyncio.Semaphore(at_once)

    async def one(url: str) -> tuple[str, str]:
        async with gate:
            return url, await fetch(url)

    return dict(await asyncio.gather(*map(one, urls)))


async def _plain_get(session: aiohttp.ClientSession, url: str) -> None:
    with suppress(aiohttp.ClientError, OSError, ValueError, AssertionError, TypeError):
        async with session.get(url) as response:
            await response.read()


def _plain_urlopen(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(Exception), opener.open(url, timeout=1) as response:
        response.read()


def _good_answer(location: str | None) -> bytes:
    return picture("", "", "") if location is None else answer(302, b"moved", {"Location": location})


def _as_dialled(address: str) -> str:
    """The kernel takes the unspecified addresses for the loopback, and mapped ones for IPv4."""
    plain = ipaddress.ip_address(address)
    if isinstance(plain, ipaddress.IPv6Address):
        plain = plain.ipv4_mapped or plain
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(plain), str(plain))


def _script(name: str, number: int) -> Reply | None:
    """All names of the small world."""
    for sequence in _SEQUENCES.get(name, ()):
        return sequence.reply(number)
    if name.startswith("chain") and name.endswith(".example"):
        return Reply((url_rebinding.GOOD4, url_rebinding.GOOD6))
    if name in NAMES:
        return Reply((NAMES[name],))
    return url_good.lookups().get(name)


_SEQUENCES = {
    sequence.name: (sequence,)
    for sequence in (*url_rebinding.sequences(), *url_rebinding.aging(), *url_rebinding.dying())
}


async def main(folder: Path, *, is_full: bool) -> Found:
    """Everything, one after the other."""
    async with (
        WorldHosts(certificates.server_context(folder)) as hosts,
        ScriptedDns(_script, DNS_ADDRESS) as dns,
    ):
        attack = Attack(hosts, dns)
        steps: list[Callable[[], Awaitable[Found]]] = [
            attack.reach_sinks, attack.without_guard, attack.spellings, attack.chains, attack.rebinding, attack.good,
        ]  # fmt: skip
        steps += [attack.aging, attack.dying] if is_full else []
        return {step.__name__: await step() for step in steps}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), is_full=sys.argv[2] == "full"))))  # noqa: T201  # its answer
