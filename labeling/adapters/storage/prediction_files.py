"""A version's probabilities over a whole project as one array file, named by its content.

In: image ids (N,) and probabilities (N, K). Out: the file's path, rows and checksum; reading it, or mapping it, checks
the checksum.
Probabilities are stored in 16 bits: three digits, which is finer than their error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from labeling.adapters.storage.atomic_files import write_whole
from labeling.adapters.storage.mapped_tensors import map_tensors
from labeling.errors import BadArtifact, NotFound

__all__ = [
    "Predictions",
    "Written",
    "keep_only",
    "map_predictions",
    "read_predictions",
    "write_predictions",
    "write_only",
]


@dataclass(frozen=True, slots=True)
class Written:
    """Where the file lies (relative to the folder given), how many images it covers, and its sha256."""

    path: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Predictions:
    """Row i of `probs` (N, K) is of `image_ids[i]`; ids ascend."""

    image_ids: NDArray[np.int64]
    probs: NDArray[np.floating]


def write_predictions(home: Path, folder: str, image_ids: NDArray[np.int64], probs: NDArray[np.floating]) -> Written:
    """Write `home/folder/<start of its sha256>.safetensors`, whole or not at all."""
    data = save({"image_ids": image_ids.astype(np.int64), "probs": probs.astype(np.float16)})
    digest = hashlib.sha256(data).hexdigest()
    path = f"{folder}/{digest[:16]}.safetensors"
    write_whole(home / path, data)
    return Written(path, len(image_ids), digest)


def write_only(home: Path, path: str, sha256: str, image_ids: NDArray[np.int64]) -> Written:
    """Write what a file says of these images alone, in the same folder. Errors as `read_predictions`."""
    found = read_predictions(home, path, sha256)
    kept = np.isin(found.image_ids, image_ids)
    return write_predictions(home, path.rpartition("/")[0], found.image_ids[kept], found.probs[kept])


def read_predictions(home: Path, path: str, sha256: str) -> Predictions:
    """Read a file that `write_predictions` made.

    Raises
    ------
    NotFound
        When the file is not there.
    BadArtifact
        When it is not the file that was written. Both heal by predicting again.
    """
    try:
        data = (home / path).read_bytes()
    except FileNotFoundError as error:
        raise _gone(path) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _damaged(path)
    arrays = load(data)
    return Predictions(arrays["image_ids"], arrays["probs"].astype(np.float32))


def map_predictions(home: Path, path: str, sha256: str) -> Predictions:
    """The same, mapped: what is not taken stays on disk, and `probs` are float16. Errors as `read_predictions`.

    The checksum is taken in pieces, once for the file as it stands: a page need not read all of it again.
    """
    try:
        found = (home / path).stat()
        if _digest(home / path, found.st_mtime_ns, found.st_size) != sha256:
            raise _damaged(path)
        return Predictions(*map_tensors(home / path, "image_ids", "probs"))
    except FileNotFoundError as error:
        raise _gone(path) from error


@lru_cache(maxsize=64)
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _gone(path: str) -> NotFound:
    return NotFound(f"The predictions {path} are gone; they are made again by the next `promote` job.")


def _damaged(path: str) -> BadArtifact:
    return BadArtifact(f"The predictions {path} are damaged; they are made again by the next `promote` job.")


def keep_only(home: Path, path: str) -> None:
    """Remove everything else from the file's folder: older predictions, and halves that a killed process left."""
    for other in (home / path).parent.iterdir():
        if other != home / path:
            other.unlink(missing_ok=True)
