"""An authority of our own and a certificate for made-up hosts, from the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterable
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make(folder: Path, names: Iterable[str], addresses: Iterable[str]) -> None:
    """Write ``ca.pem``, and ``host.pem`` and ``host.key`` that are good for ``names`` and ``addresses``."""
    subjects = [*(f"DNS:{name}" for name in names), *(f"IP:{address}" for address in addresses)]
    (folder / "host.ext").write_text(
        f"subjectAltName={','.join(subjects)}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
        "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n"
    )
    _openssl(
        folder, "req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=made-up CA",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    _openssl(folder, "req", *_KEY, "-keyout", "host.key", "-out", "host.csr", "-subj", "/CN=made-up host")
    _openssl(
        folder, "x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "host.ext", "-out", "host.pem",
    )  # fmt: skip


def server_context(folder: Path) -> ssl.SSLContext:
    """What a host needs to speak TLS with the certificate that `make` wrote."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "host.pem", folder / "host.key")
    return context


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")
