"""Fitting and using a classifier: inputs and labels in; a `Classifier` or probabilities (N, K) out.

The same inputs, labels, kinds and `rng` give the same weights, to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labeling.errors import BadArtifact, Invalid, NothingToLearnFrom
from labeling.learn.calibration import Calibration
from labeling.learn.classifier import (
    ABSENT_LOGIT,
    Classifier,
    Fusion,
    FusionKind,
    Head,
    HeadKind,
    Inputs,
    Log,
    Packed,
    Shapes,
    Tensors,
)
from labeling.learn.fusions.concatenation import Concatenation
from labeling.learn.heads.logistic import Logistic
from labeling.learn.label_weights import label_weights
from labeling.slices import slices
from labeling.vectors import softmax

__all__ = ["FusedClassifier", "fit_classifier", "predict_logits", "predict_probs"]

CHUNK = 8_192


@dataclass(frozen=True, slots=True)
class FusedClassifier:
    """A head fitted on the features of a fusion, with everything that its probabilities depend on.

    `present` (K,) says which classes had an example; `weights` (N,) what each example counted, which is not saved.
    """

    fusion: Fusion
    head: Head
    present: NDArray[np.bool_]
    temperature: float
    calibrated: bool = False
    bias: tuple[float, ...] = ()
    weights: NDArray[np.float64] | None = None

    @property
    def n_classes(self) -> int:
        return len(self.present)

    def logits(self, inputs: Inputs) -> NDArray[np.float64]:
        """Scores (N, K) before temperature; higher is more likely."""
        return np.where(self.present, self.head.logits(self.fusion.features(inputs)), ABSENT_LOGIT)

    def at_temperature(self, temperature: float) -> FusedClassifier:
        """The same classifier, calibrated."""
        return replace(self, temperature=temperature, calibrated=True)

    def calibrated_by(self, calibration: Calibration) -> FusedClassifier:
        """The same classifier with this temperature and these biases; calibrated from 40 labels on."""
        return replace(self, temperature=calibration.temperature, bias=calibration.bias, calibrated=calibration.shown)

    def pack(self) -> Packed:
        """Kinds with their settings, and the numbers of both parts."""
        present = tuple(bool(one) for one in self.present)
        tensors = {**self.fusion.pack(), **self.head.pack()}
        parts = (self.fusion.kind, self.head.kind, self.fusion.dims)
        return Packed(*parts, present, self.temperature, self.calibrated, tensors, self.bias)

    @classmethod
    def unpack(cls, packed: Packed) -> FusedClassifier:
        """Each part takes the tensors that it names; BadArtifact where one is missing, left over or misshapen."""
        of_fusion = _of_shapes(packed.tensors, packed.fusion.shapes(packed.dims))
        fusion = packed.fusion.unpack(of_fusion, packed.dims)
        of_head = _of_shapes(packed.tensors, packed.head.shapes(fusion.width, len(packed.present)))
        left_over = packed.tensors.keys() - of_fusion.keys() - of_head.keys()
        if left_over:
            raise BadArtifact(f"The weights hold {', '.join(sorted(left_over))}, which the card does not ask for.")
        present = np.array(packed.present, bool)
        return cls(fusion, packed.head.unpack(of_head), present, packed.temperature, packed.calibrated, packed.bias)


def fit_classifier(
    inputs: Inputs,
    labels: NDArray[np.int64],
    n_classes: int,
    head: HeadKind | None = None,
    *,
    fusion: FusionKind | None = None,
    reference: Inputs | None = None,
    log: Log | None = None,
    rng: np.random.Generator | None = None,
) -> FusedClassifier:
    """Fit a head on the fused features of labelled images.

    Parameters
    ----------
    inputs : Inputs
        The N labelled images. An image whose vector is not finite must be left out before.
    labels : (N,) int
        Position of each label in the label set, 0 to `n_classes` - 1.
    head, fusion : HeadKind and FusionKind, optional
        Rows of the tables, perhaps with other settings; `logistic` and `concatenation` if not given.
    reference : Inputs, optional
        Unlabelled images that the scaling constants come from; the labelled ones if not given.
    log : callable, optional
        Called with each step's number and loss.
    rng : numpy.random.Generator, optional
        The head's only source of chance.

    Returns
    -------
    FusedClassifier
        Not yet calibrated. A class without an example gets a probability of practically zero. Where the head weighs, a
        label counts less the more the others speak against it (`label_weights`).

    Raises
    ------
    NothingToLearnFrom
        When the labels are of fewer than two classes.
    Invalid
        When an image vector is not finite, or a plug-in's head returned something else than finite weights.
    """
    labels = np.asarray(labels, np.int64)
    present = len(np.unique(labels))
    if present < 2:
        raise NothingToLearnFrom(
            f"There are labels of {present} classes; a classifier needs at least two. Label some more images."
        )
    if not np.isfinite(inputs.image).all():
        raise Invalid("Some labelled images have an embedding that is not finite; leave them out of the fit.")
    head = head or Logistic()
    fused = (fusion or Concatenation()).fit(reference or inputs)
    features = np.empty((len(inputs), fused.width), np.float32)
    for rows in slices(len(inputs), CHUNK):
        features[rows] = fused.features(inputs.take(rows))
    fused = fused.suited(features, labels, inputs.group)
    weights = label_weights(features, labels, inputs.group) if head.weighs else None
    held = [features]
    del inputs, reference, features  # hundreds of megabytes in a large project: the head may let go of its features
    fitted = head.fit(held.pop(), labels, n_classes, rng or np.random.default_rng(0), log, weights)
    has_examples = np.bincount(labels, minlength=n_classes) > 0
    return FusedClassifier(fused, fitted, has_examples, head.temperature, weights=weights)


def predict_logits(classifier: Classifier, inputs: Inputs) -> NDArray[np.float64]:
    """Scores (N, K) before temperature; higher is more likely. Features are made of some thousand images at a time."""
    logits = np.empty((len(inputs), classifier.n_classes))
    for rows in slices(len(inputs), CHUNK):
        logits[rows] = classifier.logits(inputs.take(rows))
    return logits


def predict_probs(classifier: Classifier, inputs: Inputs) -> NDArray[np.float64]:
    """Probabilities (N, K) at the classifier's temperature, without its biases; rows sum to 1."""
    return softmax(predict_logits(classifier, inputs) / classifier.temperature)


def _of_shapes(tensors: Tensors, shapes: Shapes) -> Tensors:
    """The tensors of these names, if they have these shapes."""
    found = {name: tensors[name].shape for name in shapes if name in tensors}
    if found != shapes:
        raise BadArtifact(f"The weights have shapes {found}; the card asks for {dict(shapes)}.")
    return {name: tensors[name] for name in shapes}
