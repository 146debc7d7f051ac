"""Bytes with their own checksum behind them, so that what reads them knows whether they are still what was written.

In: bytes, whole or in pieces. Out: the same with a mark and a sha256 behind the last of them, and the bytes back. A
picture stays one for other programs: they ignore what comes after its end. A folder that other programs read as it is
has the hashes of its files in one more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

__all__ = ["folder_is_whole", "seal_folder", "sealed", "unsealed"]

MARK = b"hardcase"
LENGTH = len(MARK) + sha256().digest_size
SUMS = "sha256.json"


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


def seal_folder(folder: Path) -> None:
    """Write down the hashes of the files that are in the folder now."""
    sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    (folder / SUMS).write_text(json.dumps(sums))


def folder_is_whole(folder: Path) -> bool:
    """Whether the files are those that were sealed; what is there besides does not matter."""
    try:
        sums = json.loads((folder / SUMS).read_bytes())
        return bool(sums) and all(
            sha256((folder / name).read_bytes()).hexdigest() == found for name, found in sums.items()
        )
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return False
