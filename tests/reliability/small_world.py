"""A network of our own, in which every address of the world is this machine: any dial to anywhere is seen.

Inside a network namespace all of IPv4 and IPv6 is routed to the loopback device, so listeners on the wildcard address
get whatever anybody connects to, public, private or metadata. A mount namespace gives it a resolv.conf of its own, so
that the system's own resolver asks our DNS server.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

DNS_ADDRESS = "127.0.0.53"
OWN_ADDRESSES = ("198.41.0.4", "2001:503:ba3e::2:30")  # so that the resolver sees both families at work
PUBLIC = ("93.184.216.34", "93.184.216.35", "23.20.0.1", "2606:2800:220:1::34", "2600:1f18::80")
DEAD = ("8.8.4.4", "2001:4860:4860::8844")  # public, and hangs up at once
_HOSTS = "127.0.0.1 localhost localhost.localdomain\n::1 localhost ip6-localhost ip6-loopback\n10.1.1.1 inside\n"
_COMMANDS = (
    "ip link set lo up",
    *(f"ip address add {address}/{128 if ':' in address else 32} dev lo" for address in OWN_ADDRESSES),
    "ip -6 address add fe80::1/64 dev lo",
    "ip route add local 0.0.0.0/0 dev lo",
    "ip -6 route add local ::/0 dev lo",
)


class NoNamespaceError(Exception):
    """This machine does not let us have namespaces; says why."""


def enter(arguments: list[str], folder: Path, *, timeout_seconds: float) -> dict[str, Any]:
    """Run ``python -m MODULE ARGUMENT ...`` in a new small world; the JSON object that it prints.

    ``folder`` keeps the files that the world needs, among them the certificate of its hosts' authority, ``ca.pem``.
    Raises NoNamespaceError, and RuntimeError when the program fails.
    """
    _check()
    (folder / "resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\noptions timeout:5 attempts:3\n")
    (folder / "hosts").write_text(_HOSTS)
    script = " && ".join(
        (
            *(command for command in _COMMANDS),
            f"mount --bind '{folder}/resolv.conf' /etc/resolv.conf",
            f"mount --bind '{folder}/hosts' /etc/hosts",
            'exec "$@"',
        )
    )
    # A proxy in the environment is a trap: whoever honours it dials a sink.
    traps = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://10.66.66.66:3128")
    done = subprocess.run(
        [*_unshare(), "sh", "-c", script, "sh", sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE, timeout=timeout_seconds, check=False,
        env={**os.environ, **traps, "SSL_CERT_FILE": str(folder / "ca.pem")},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the attack ended with exit code {done.returncode}; what it said stands above")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def enter_in_thread(arguments: list[str], folder: Path, *, timeout_seconds: float) -> dict[str, Any]:
    """`enter`, without holding up the event loop."""
    return await asyncio.to_thread(enter, arguments, folder, timeout_seconds=timeout_seconds)


def _check() -> None:
    for program in ("unshare", "ip", "mount", "openssl"):
        if shutil.which(program) is None:
            raise NoNamespaceError(f"the command {program!r} is not here (util-linux, iproute2, openssl)")
    tried = subprocess.run([*_unshare(), "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise NoNamespaceError(tried.stderr.strip() or "unshare failed")


def _unshare() -> list[str]:
    own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", "--net", "--mount", *own_user]
