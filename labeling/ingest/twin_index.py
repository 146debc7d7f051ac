"""An index of fingerprints: which known images may be twins of a new one, at a cost that does not follow their number.

In: fingerprints in the order of their arrival. Out: pairs of rows to compare. The bits of each view are cut into bands;
images that agree in all bits of a band are compared. Known rows lie in a few sorted runs, each about twice the
next one, which are merged as they grow; the newest, under a few hundred, are compared one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.ingest.fingerprints import BITS, VIEWS, Fingerprints, distances
from labeling.ingest.twins import TwinRule, is_twin

__all__ = ["TwinIndex", "Twins"]

BAND = 22
BANDS = BITS // BAND
ONE_BY_ONE = 256
MOST_A_BAND = 64
"""Of more images that agree in a band only the first are compared: where all are alike, a search stays cheap."""
_ORDER = np.random.default_rng(0).permutation(BITS)[: BANDS * BAND]  # which bits a band holds; neighbours go together
_WEIGHTS = (1 << np.arange(BAND, dtype=np.uint32)).astype(np.uint32)

_TURNED = np.uint32(1 << 31)
"""Marks the keys of a known image's turned views: they are searched by the new image as it is."""

Rows = NDArray[np.int64]
Keys = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Twins:
    """P pairs of twins: row of the new images, row of the known ones, and the bits in which they differ."""

    new: Rows
    known: Rows
    bits: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Run:
    """The keys of some known images, sorted, and the rows that have them."""

    keys: Keys
    rows: NDArray[np.int32]
    size: int


class TwinIndex:
    """Known images, added to in batches; row i is the i-th image that was added.

    Examples
    --------
    >>> from PIL import Image
    >>> from labeling.ingest.fingerprints import fingerprint
    >>> from labeling.ingest.twins import fixed_rule
    >>> index, one = TwinIndex(), Fingerprints.read([fingerprint(Image.linear_gradient("L"))])
    >>> index.add(one)
    >>> index.twins(one, fixed_rule(8)).known.tolist()
    [0]
    """

    def __init__(self) -> None:
        self._known = Fingerprints.read([])
        self._length = 0
        self._runs: list[_Run] = []
        self._sorted = 0

    def __len__(self) -> int:
        return self._length

    def add(self, images: Fingerprints) -> None:
        """Append these; what is known already may be added again, and is then found twice."""
        self._hold(images)
        if self._length - self._sorted < ONE_BY_ONE:
            return
        run = _run_of(self._known[self._sorted : self._length], self._sorted)
        self._sorted = self._length
        while self._runs and self._runs[-1].size < 2 * run.size:
            run = _merged(self._runs.pop(), run)
        self._runs.append(run)

    def twins(self, images: Fingerprints, rule: TwinRule) -> Twins:
        """The known twins of these images; new images are not compared with each other."""
        new, known = self._candidates(images)
        apart = distances(images, self._known, new, known)
        twin = is_twin(apart, rule)
        return Twins(new[twin], known[twin], apart.bits[twin])

    def _candidates(self, images: Fingerprints) -> tuple[Rows, Rows]:
        present = np.flatnonzero(images.present)
        newest = np.arange(self._sorted, self._length)
        new, known = [np.repeat(present, len(newest))], [np.tile(newest, len(present))]
        if self._runs and len(present):
            plain, turned = _keys(images[present])
            asked = np.concatenate([plain, turned, plain | _TURNED], axis=1)  # (n, 6 * BANDS)
            order = np.argsort(asked, axis=None)  # neighbours in a run are searched one after the other
            keys, owners = asked.ravel()[order], present[order // asked.shape[1]]
            for run in self._runs:
                places, rows = _search(run, keys)
                new.append(owners[places])
                known.append(rows)
        pairs = np.unique(np.concatenate(new) * max(self._length, 1) + np.concatenate(known))
        return np.divmod(pairs, max(self._length, 1))

    def _hold(self, images: Fingerprints) -> None:
        """Room is doubled when it is used up, so that adding costs the same however many there are."""
        end = self._length + len(images)
        if end > len(self._known):
            writable = Fingerprints.read([b""] * max(end, 2 * self._length)).copy()
            _copy(self._known[: self._length], writable, 0)
            self._known = writable
        _copy(images, self._known, self._length)
        self._length = end


def _copy(source: Fingerprints, target: Fingerprints, at: int) -> None:
    rows = slice(at, at + len(source))
    target.signs[rows], target.strong[rows] = source.signs, source.strong
    target.colours[rows], target.present[rows] = source.colours, source.present


def _keys(images: Fingerprints) -> tuple[Keys, Keys]:
    """The keys of the images themselves (n, BANDS), and of their turned views (n, 4 * BANDS); each names its band."""
    raw = np.ascontiguousarray(images.signs).view(np.uint8).reshape(len(images), len(VIEWS), BITS // 8)
    bits = np.unpackbits(raw, axis=2)[..., _ORDER].reshape(len(images), len(VIEWS), BANDS, BAND)
    bands = np.arange(BANDS, dtype=np.uint32) << np.uint32(BAND)
    keys: Keys = (bits @ _WEIGHTS).astype(np.uint32) | bands  # (n, 5, BANDS)
    return keys[:, 0], keys[:, 1:].reshape(len(images), (len(VIEWS) - 1) * BANDS)


def _run_of(images: Fingerprints, first: int) -> _Run:
    present = np.flatnonzero(images.present)
    plain, turned = _keys(images[present])
    keys = np.concatenate([plain, turned | _TURNED], axis=1)  # (n, 5 * BANDS)
    keys, rows = keys.ravel(), np.repeat((present + first).astype(np.int32), keys.shape[1])
    order = np.argsort(keys, kind="stable")
    return _Run(keys[order], rows[order], len(images))


def _merged(older: _Run, newer: _Run) -> _Run:
    keys, rows = np.concatenate([older.keys, newer.keys]), np.concatenate([older.rows, newer.rows])
    order = np.argsort(keys, kind="stable")  # two sorted runs are merged in one pass
    return _Run(keys[order], rows[order], older.size + newer.size)


def _search(run: _Run, keys: Keys) -> tuple[Rows, Rows]:
    """Which of the keys were found (their places), and the rows that have them."""
    first = np.searchsorted(run.keys, keys, "left")
    count = np.minimum(np.searchsorted(run.keys, keys, "right") - first, MOST_A_BAND)
    places = np.repeat(np.arange(len(keys)), count)
    within = np.arange(len(places)) - np.repeat(np.cumsum(count) - count, count)
    return places, run.rows[first[places] + within]
