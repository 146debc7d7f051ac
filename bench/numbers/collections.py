"""The image sets of the replays, each with a classifier that was fitted once: what it says, and what people say.

In: the sets of `bench.label_data`, with good vectors and with weak ones, and a share of wrong answers. Out: for every
image that the classifier has not learnt from its probabilities and the answer that people would give. The figures of a
classifier hold it against people's answers, so these are the truth of a replay; what people err is not in it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bench import label_data

__all__ = ["CELLS", "Cell", "Collection", "collection", "image_set", "use", "wrong_answers"]

WRONG = (0.0, 0.05, 0.1, 0.2)
LEARNT_FROM = 150
_FOLDER: list[Path] = []


@dataclass(frozen=True, slots=True)
class Cell:
    """A set, its vectors as `bench.label_data` weakens them, and the share of answers that are wrong."""

    name: str
    vectors: str
    wrong: float

    def __str__(self) -> str:
        return f"{self.name}, {self.vectors} vectors, {self.wrong:.0%} wrong answers"


def _cells() -> Iterator[Cell]:
    for name in label_data.SETS:
        yield from (Cell(name, "good", wrong) for wrong in WRONG)
        yield from (Cell(name, "few dimensions", wrong) for wrong in (0.0, 0.2))


CELLS: Sequence[Cell] = tuple(_cells())


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """N images that the classifier has not learnt from: `probs` (N, K) and people's `answers` (N,)."""

    probs: NDArray[np.float64]
    answers: NDArray[np.int64]

    @property
    def said(self) -> NDArray[np.int64]:
        return np.asarray(self.probs.argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.said == self.answers)

    @property
    def sure(self) -> NDArray[np.float64]:
        return np.asarray(self.probs.max(axis=1), np.float64)


def use(folder: Path) -> None:
    """Read the vectors of the sets from here; those that are not there are made and kept."""
    _FOLDER[:] = [folder]


def image_set(name: str, vectors: str) -> label_data.ImageSet:
    """The set; made at the first call, which takes a minute for the stamps."""
    if not _FOLDER:
        _FOLDER.append(Path(tempfile.mkdtemp(prefix="numbers")))
    if not (_FOLDER[0] / f"{name}.npz").exists():
        label_data.prepare([name], _FOLDER[0])
    return label_data.load(_FOLDER[0], name, vectors)


def wrong_answers(
    truth: NDArray[np.integer], share: float, classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """What somebody says who errs in this share, each wrong class being as likely."""
    slips = rng.random(len(truth)) < share
    return np.where(slips, (truth + rng.integers(1, classes, len(truth))) % classes, truth).astype(np.int64)


@lru_cache(maxsize=64)
def collection(cell: Cell, learnt_from: int = LEARNT_FROM, c: float = 10.0) -> Collection:
    """What a logistic regression on so many answers says of all other images."""
    rng, images = np.random.default_rng(1), image_set(cell.name, cell.vectors)
    answers = wrong_answers(images.truth, cell.wrong, images.n_classes, rng)
    order = rng.permutation(len(answers))
    known, rest = order[:learnt_from], order[learnt_from:]
    model = LogisticRegression(C=c, max_iter=2_000).fit(images.vectors[known], answers[known])
    probs = np.zeros((len(rest), images.n_classes))
    probs[:, model.classes_] = model.predict_proba(images.vectors[rest])
    return Collection(probs, answers[rest])
