"""Tensors of a safetensors file, memory-mapped: rows are read from the file when they are taken.

In: a path and the names of tensors. Out: read-only arrays. A file that is not whole is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeling.errors import BadArtifact

__all__ = ["map_tensors"]

LARGEST_HEADER_BYTES = 4_096
DTYPES = {"U8": "u1", "F16": "<f2", "I64": "<i8"}


def map_tensors(path: Path, *names: str) -> list[NDArray[Any]]:
    """Map these tensors of a file; BadArtifact where they are not whole, FileNotFoundError where there is no file."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, LARGEST_HEADER_BYTES)))
        return [_mapped(path, header[name], 8 + length) for name in names]
    except (ValueError, KeyError, TypeError) as error:
        raise BadArtifact(f"{path} is not a whole file of {' and '.join(names)}.") from error


def _mapped(path: Path, tensor: dict[str, Any], offset: int) -> NDArray[Any]:
    dtype, shape = np.dtype(DTYPES[tensor["dtype"]]), tuple(tensor["shape"])
    start, end = tensor["data_offsets"]
    size = int(np.prod(shape))
    if end - start != size * dtype.itemsize or path.stat().st_size < offset + end:
        raise ValueError("the file is cut short")
    if not size:
        return np.empty(shape, dtype)
    return np.asarray(np.memmap(path, dtype, "r", offset + start, shape))
