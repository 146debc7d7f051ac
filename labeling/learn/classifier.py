"""What a classifier is: inputs of N images in, scores (N, K) out; and the two parts that one is made of.

A fusion turns inputs into features (N, F), a head fits on them. Each kind of either is one file and one row of its
table (`fusions/fusions.py`, `heads/heads.py`). Invariant: a classifier is names and finite numbers, never code: what
`pack` gives, `unpack` turns into a classifier of equal scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from labeling.learn.calibration import Calibration
from labeling.vectors import Rows

__all__ = [
    "ABSENT_LOGIT",
    "Classifier",
    "Dims",
    "Fusion",
    "FusionKind",
    "Head",
    "HeadKind",
    "Inputs",
    "Log",
    "Packed",
    "Shapes",
    "Tensors",
]

ABSENT_LOGIT = -50.0
"""The score of a class without an example: a probability of practically zero, and finite."""
Dims = tuple[int, int, int]
"""The widths of image, text and prelabel."""
Tensors = Mapping[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]
"""What is saved, by name: a fusion and a head never use the same name."""
Log = Callable[[int, float], None]
"""Called with each step's number and loss."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The vectors and prelabels of N images: `image` (N, D), `text` (N, T), `prelabel` (N, K); NaN rows mean absent.

    T may be 0 where no image of the project has a text. Those of a whole pool are read when they are taken.
    Near-duplicates have the same number in `group` (N,); without it no two are.
    """

    image: Rows
    text: Rows
    prelabel: NDArray[np.float32]
    group: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: NDArray[np.int64] | list[int] | slice) -> Inputs:
        """The same for some of the images."""
        group = None if self.group is None else self.group[rows]
        return Inputs(self.image[rows], self.text[rows], self.prelabel[rows], group)


class Fusion(Protocol):
    """A fitted fusion: the constants that features are made with."""

    @property
    def kind(self) -> FusionKind: ...

    @property
    def dims(self) -> Dims: ...

    @property
    def width(self) -> int:
        """F, how many features an image has."""
        ...

    def features(self, inputs: Inputs) -> NDArray[np.float32]:
        """Features (N, F), finite whatever is absent; Invalid where the inputs are not as wide as when fitted."""
        ...

    def suited(
        self, features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64] | None
    ) -> Self:
        """The same fusion, suited to labelled images; their features (N, F) are made anew in place."""
        ...

    def pack(self) -> Tensors: ...


class FusionKind(Protocol):
    """One row of the table of fusions: a dataclass whose fields are its settings, saved with what it fits."""

    @property
    def name(self) -> str: ...

    def fit(self, reference: Inputs) -> Fusion:
        """Fitted on images without labels."""
        ...

    def shapes(self, dims: Dims) -> Shapes:
        """Name and shape of each tensor that a fusion for inputs of these widths packs."""
        ...

    def unpack(self, tensors: Tensors, dims: Dims) -> Fusion:
        """The fusion for inputs of these widths that was packed; the tensors are finite and of the right shapes."""
        ...


class Head(Protocol):
    """A fitted head; `kind` is the row of the table that reads it back, with the settings of the fit."""

    @property
    def kind(self) -> HeadKind: ...

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores (N, K) before temperature, finite; higher is more likely."""
        ...

    def pack(self) -> Tensors: ...


class HeadKind(Protocol):
    """One row of the table of heads: a dataclass whose fields are its settings, saved with what it fits.

    `temperature` is the one of its probabilities until a random sample gives a better one. `weighs` says whether a fit
    heeds what each example counts.
    """

    @property
    def name(self) -> str: ...

    @property
    def temperature(self) -> float: ...

    @property
    def weighs(self) -> bool: ...

    def fit(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        n_classes: int,
        rng: np.random.Generator,
        log: Log | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> Head:
        """Fitted on features (N, F) and labels (N,) of 0 to K - 1, of two classes at least.

        A class without an example may get any finite score: a classifier replaces it. `rng` is the only
        source of chance. `weights` (N,) are positive; an example of weight 1 counts as one, as all do without them.
        """
        ...

    def shapes(self, width: int, n_classes: int) -> Shapes:
        """Name and shape of each tensor that a head for F features and K classes packs."""
        ...

    def unpack(self, tensors: Tensors) -> Head:
        """The head that was packed; the tensors are finite and of the right shapes."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """A classifier as names and numbers. `present` (K,) says which classes had an example; `bias` is (K,) or empty."""

    fusion: FusionKind
    head: HeadKind
    dims: Dims
    present: tuple[bool, ...]
    temperature: float
    calibrated: bool
    tensors: Tensors
    bias: tuple[float, ...] = ()


class Classifier(Protocol):
    """A fitted classifier. Class and order come from its logits; `calibration.shown_probs` gives what is shown."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which classes had an example: (K,)."""
        ...

    @property
    def n_classes(self) -> int: ...

    @property
    def temperature(self) -> float: ...

    @property
    def calibrated(self) -> bool:
        """Whether the temperature was fitted on a random sample, of enough labels to say so."""
        ...

    @property
    def bias(self) -> tuple[float, ...]:
        """A bias a class for shown probabilities: (K,), or empty."""
        ...

    def logits(self, inputs: Inputs) -> NDArray[np.float64]:
        """Scores (N, K) before temperature, finite; higher is more likely."""
        ...

    def at_temperature(self, temperature: float) -> Self:
        """The same classifier, calibrated."""
        ...

    def calibrated_by(self, calibration: Calibration) -> Self:
        """The same classifier with this temperature and these biases."""
        ...

    def pack(self) -> Packed: ...

    @classmethod
    def unpack(cls, packed: Packed) -> Self:
        """The classifier that was packed, of equal scores."""
        ...
