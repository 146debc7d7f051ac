"""Which certificates a connection trusts, read once: to read the authorities takes 25 ms, each client of a server anew.

In: whether the environment may name others. Out: a context that any number of clients and threads share.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx

__all__ = ["tls_context"]


def tls_context(*, trust_env: bool) -> ssl.SSLContext:
    """The usual authorities; with `trust_env` those that SSL_CERT_FILE or SSL_CERT_DIR name, where they do."""
    named = ("SSL_CERT_FILE", "SSL_CERT_DIR") if trust_env else ()
    return _read(tuple(os.environ.get(name) for name in named))


@lru_cache(maxsize=4)
def _read(named: tuple[str | None, ...]) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=bool(named))
