"""What the database says of a project's ready images, as one mapped array beside the vectors.

In: rows of SQL, each read once. Out: a structured array in the order of image ids. Ready images never go, and change
only by moving to another group, so the file is appended to; it is derived, and deletable at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from db.repositories.images import groups
from db.repositories.queries.pool import PoolRow, count_ready, read_pool, state_of_pool
from db.session import reading
from labeling.adapters.storage.mapped_rows import MappedRows
from labeling.ingest.hashing import text_key
from labeling.project import Project
from service.work.wiring import Parts

__all__ = ["Columns", "hex_keys", "read_columns", "state_of"]

Columns = NDArray[np.void]
"""Fields: `image`, `group`, `content`, `text` (keys of vectors, 32 bytes; zeros: no text), `probs` (K,)."""

ROWS_A_BLOCK = 5_000


def state_of(parts: Parts, project: Project, revision: str) -> str:
    """What the columns of this engine revision would be made of now; equal texts mean equal columns."""
    with reading(parts.database) as session:
        return f"{project.config_version}-{state_of_pool(session, project.id, revision)}"


def read_columns(parts: Parts, project: Project, revision: str, state: str, n_classes: int) -> Columns:
    """The columns with K = `n_classes`, brought up to `state` by reading the rows that are new."""
    file = _file(parts, project, revision, n_classes)
    if file.made_of(state):
        return file.read()

    def added(there: Columns) -> tuple[bool, Iterable[Columns]]:
        last = int(there["image"][-1]) if len(there) else 0
        with reading(parts.database) as session:
            ready = count_ready(session, project.id, revision)
            new = list(_blocks(read_pool(session, project.id, revision, last), n_classes))
            stays = _stand_as(there, groups.moved(session, project.id))
            if stays and len(there) + sum(map(len, new)) == ready:
                return True, new
            return False, list(_blocks(read_pool(session, project.id, revision), n_classes))

    return file.update(state, added)


def hex_keys(keys: NDArray[np.void]) -> list[str]:
    """(N,) keys of 32 bytes as N texts of 64 hexadecimal digits."""
    digits = keys.tobytes().hex()
    return [digits[start : start + 64] for start in range(0, len(digits), 64)]


def _stand_as(there: Columns, moved: dict[int, int]) -> bool:
    """Whether the images that were ever moved stand in these groups."""
    images = np.array(sorted(moved), np.int64)
    if not len(there) or not len(images):
        return True
    rows = np.minimum(np.searchsorted(there["image"], images), len(there) - 1)
    held = there["image"][rows] == images
    return bool((there["group"][rows[held]] == [moved[image] for image in images[held].tolist()]).all())


def _file(parts: Parts, project: Project, revision: str, n_classes: int) -> MappedRows:
    name = sha256(revision.encode()).hexdigest()[:16]
    return MappedRows(parts.settings.home / "pool" / str(project.id) / f"{name}.rows", _dtype(n_classes))


def _dtype(n_classes: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("image", "<i8"),
            ("group", "<i8"),
            ("content", "V32"),
            ("text", "V32"),
            ("probs", "<f4", (n_classes,)),
        ]
    )


def _blocks(rows: Iterator[PoolRow], n_classes: int) -> Iterator[Columns]:
    while some := tuple(islice(rows, ROWS_A_BLOCK)):
        yield _block(some, n_classes)


def _block(rows: tuple[PoolRow, ...], n_classes: int) -> Columns:
    block = np.zeros(len(rows), _dtype(n_classes))
    block["image"] = [row.image_id for row in rows]
    block["group"] = [row.group_id for row in rows]
    block["content"] = _keys([row.content_hash for row in rows])
    block["text"] = _keys([text_key(row.text) if row.text else "0" * 64 for row in rows])
    absent = [np.nan] * n_classes
    block["probs"] = [row.probs if len(row.probs) == n_classes else absent for row in rows]
    return block


def _keys(texts: list[str]) -> NDArray[np.void]:
    return np.frombuffer(bytes.fromhex("".join(texts)), "V32")
