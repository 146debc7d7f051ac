"""Where each vector of one folder of shards lies: keys in, rows out, and views of the rows.

The folder is the truth and is listed at each `refresh`; only shards that are new are read. Invariant: a key has at most
one row, and `token` changes whenever a key that had a row has none any more.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeling.adapters.storage.vector_shards import ENDING, KEY, Keys, Shard, VectorRows, open_shard
from labeling.errors import BadArtifact

__all__ = ["ShardIndex"]

_log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
MOST_UNSORTED = 10_000
"""So many keys, or an eighth of those that are sorted, are found by a dictionary before all are sorted again."""


class ShardIndex:
    """The shards of one folder as they were when it was last refreshed. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.shards: dict[str, Shard] = {}
        self._broken: dict[str, int] = {}
        """Files that are not whole, and when they were written."""
        self.token = b""
        self._forget()

    def refresh(self) -> None:
        """Take in what was added to the folder and let go of what was removed from it."""
        while True:
            names = self._listed()
            self._broken = {name: at for name, at in self._broken.items() if names.get(name) == at}
            if self.shards.keys() | self._broken.keys() == names.keys():
                return
            gone = self.shards.keys() - names.keys()
            known = self.keys() if gone else np.empty(0, KEY)
            if gone:
                self.shards = {name: shard for name, shard in self.shards.items() if name not in gone}
                self._forget()
                self._add(list(self.shards.values()))
            new = {name: at for name, at in names.items() if name not in self.shards and name not in self._broken}
            whole = self._open(new)
            if not self.token or (self.locate(known) < 0).any():
                self.token = uuid.uuid4().bytes
            if whole:
                return

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has; 0 where there is none."""
        return next((shard.vectors.shape[1] for shard in self.shards.values()), 0)

    def locate(self, keys: Keys) -> Rows:
        """The row of each key, -1 for one that has none."""
        at = np.minimum(np.searchsorted(self._sorted, keys), max(len(self._sorted) - 1, 0))
        rows: Rows = np.full(len(keys), -1, np.int64)
        if len(self._sorted):
            rows = np.where(self._sorted[at] == keys, self._row_of[at], -1)
        for place in np.flatnonzero(rows < 0) if self._recent else ():
            rows[place] = self._recent.get(keys[place], -1)
        return rows

    def keys(self) -> Keys:
        """All keys, once each."""
        return np.concatenate([self._sorted, np.array(list(self._recent), KEY)])

    def view(self, rows: Rows) -> VectorRows:
        """The vectors of these rows; it stays good whatever becomes of the folder."""
        return VectorRows([shard.vectors for shard in self.shards.values()], rows)

    def remove_broken(self) -> None:
        """Remove the files that are not whole, so that they are copied or written anew."""
        for name in self._broken:
            (self._folder / name).unlink(missing_ok=True)

    def _open(self, names: dict[str, int]) -> bool:
        """Add these shards; False if one of them was gone when it was to be read."""
        opened: dict[str, Shard] = {}
        for name in names:
            try:
                opened[name] = open_shard(self._folder / name)
            except BadArtifact as error:
                _log.warning("damaged vectors are computed again: %s", error)
                self._broken[name] = names[name]
            except FileNotFoundError:  # merged into another one just now
                break
        self.shards |= opened
        self._add(list(opened.values()))
        return names.keys() <= opened.keys() | self._broken.keys()

    def _listed(self) -> dict[str, int]:
        """The shards and when they were written, in that order: as their images were embedded."""
        try:
            with os.scandir(self._folder) as entries:
                found = [entry for entry in entries if entry.name.endswith(ENDING)]
        except FileNotFoundError:
            return {}
        return {entry.name: _written_at(entry) for entry in sorted(found, key=_written_at)}

    def _forget(self) -> None:
        self._sorted, self._row_of = np.empty(0, KEY), np.empty(0, np.int64)
        self._recent: dict[bytes, int] = {}
        self._length = 0

    def _add(self, shards: Sequence[Shard]) -> None:
        keys = np.concatenate([np.empty(0, KEY), *(shard.keys for shard in shards)])
        if len(self._recent) + len(keys) > max(MOST_UNSORTED, len(self._sorted) // 8):
            self._sort(keys)
        else:
            new = np.flatnonzero(self.locate(keys) < 0)
            for key, row in zip(keys[new].tolist(), (self._length + new).tolist(), strict=True):
                self._recent.setdefault(key, row)
        self._length += len(keys)

    def _sort(self, added: Keys) -> None:
        recent = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        keys = np.concatenate([self.keys(), added])
        rows = np.concatenate([self._row_of, recent, np.arange(self._length, self._length + len(added))])
        self._sorted, first = np.unique(keys, return_index=True)
        self._row_of, self._recent = rows[first], {}


def _written_at(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:  # merged into another one just now; it is missed when it is opened
        return 0
