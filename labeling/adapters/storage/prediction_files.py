"""A version's probabilities over a whole project as one array file, named by its content.

In: image ids (N,) and probabilities (N, K). Out: the file's path, rows and checksum; reading checks the checksum.
Probabilities are stored in 16 bits: three digits, which is finer than their error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from labeling.adapters.storage.atomic_files import write_whole
from labeling.errors import BadArtifact, NotFound

__all__ = ["Predictions", "Written", "keep_only", "read_predictions", "write_predictions"]


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
    probs: NDArray[np.float32]


def write_predictions(home: Path, folder: str, image_ids: NDArray[np.int64], probs: NDArray[np.floating]) -> Written:
    """Write `home/folder/<start of its sha256>.safetensors`, whole or not at all."""
    data = save({"image_ids": image_ids.astype(np.int64), "probs": probs.astype(np.float16)})
    digest = hashlib.sha256(data).hexdigest()
    path = f"{folder}/{digest[:16]}.safetensors"
    write_whole(home / path, data)
    return Written(path, len(image_ids), digest)


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
        raise NotFound(f"The predictions {path} are gone; they are made again by the next `promote` job.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadArtifact(f"The predictions {path} are damaged; they are made again by the next `promote` job.")
    arrays = load(data)
    return Predictions(arrays["image_ids"], arrays["probs"].astype(np.float32))


def keep_only(home: Path, path: str) -> None:
    """Remove everything else from the file's folder: older predictions, and halves that a killed process left."""
    for other in (home / path).parent.iterdir():
        if other != home / path:
            other.unlink(missing_ok=True)
