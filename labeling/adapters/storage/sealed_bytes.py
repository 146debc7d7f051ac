"""Bytes with their own checksum behind them, so that what reads them knows whether they are still what was written.

In: bytes, whole or in pieces. Out: the same with a mark and a sha256 behind the last of them, and the bytes back. A
picture stays one for other programs: they ignore what comes after its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

__all__ = ["sealed", "unsealed"]

MARK = b"hardcase"
LENGTH = len(MARK) + sha256().digest_size


def sealed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, then the seal.

    >>> unsealed(b"".join(sealed([b"a", b"b"])))
    b'ab'
    """
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    yield MARK + digest.digest()


def unsealed(content: bytes) -> bytes | None:
    """The bytes without their seal; None where it is missing or is that of other bytes."""
    data, seal = content[:-LENGTH], content[-LENGTH:]
    return data if seal == MARK + sha256(data).digest() else None
