"""The comparison: the same training on as many labels, drawn at random instead of chosen.

In: the images as arrays, the simulated annotators' answers, and the images that a verdict rests on. Out: the mean
accuracy over the seeds, with its interval. The labels come from the same simulated annotators, errors included, and
are judged by the same labels of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from labeling.errors import NothingToLearnFrom
from labeling.learn.classifier import Inputs
from labeling.learn.training import fit_classifier, predict_logits

SEEDS = (1, 2, 3, 4, 5)
DRAWS = 20
"""For what stands as the truth: few labels give an accuracy that differs by six points from draw to draw."""


@dataclass(frozen=True, slots=True)
class RandomArm:
    """The data of all random draws.

    `inputs` are all N ready images; `drawable` (M,) are the rows that a random label may come from, one image of each
    group that is not reserved; `answers` (N,) is the class that the simulated annotators give to each image.
    """

    inputs: Inputs
    drawable: NDArray[np.int64]
    answers: NDArray[np.int64]
    n_classes: int

    def accuracy(
        self, n_labels: int, rows: NDArray[np.int64], truth: NDArray[np.int64]
    ) -> tuple[float, tuple[float, float]] | None:
        """Mean accuracy on the `rows` with labels `truth`, and its 95 % interval over the seeds.

        None where there is nothing to compare: no labels of the stream, or labels of one class only.
        """
        if not len(rows):
            return None
        try:
            values = np.array([self._once(n_labels, rows, truth, seed) for seed in SEEDS])
        except NothingToLearnFrom:
            return None
        half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
        mean = float(values.mean())
        return mean, (max(0.0, mean - half), min(1.0, mean + half))

    def on_the_rest(self, n_labels: int) -> float | None:
        """Mean accuracy over many draws on what could have been drawn and was not; None if nothing can be learnt."""
        order = [np.random.default_rng(seed).permutation(self.drawable) for seed in range(DRAWS)]
        try:
            rest = [(drawn[n_labels:], seed) for seed, drawn in enumerate(order)]
            values = [self._once(n_labels, rows, self.answers[rows], seed) for rows, seed in rest if len(rows)]
        except NothingToLearnFrom:
            return None
        return float(np.mean(values)) if values else None

    def _once(self, n_labels: int, rows: NDArray[np.int64], truth: NDArray[np.int64], seed: int) -> float:
        rng = np.random.default_rng(seed)
        drawn = rng.permutation(self.drawable)[:n_labels]  # a larger draw of the same seed contains the smaller
        classifier = fit_classifier(self.inputs.take(drawn), self.answers[drawn], self.n_classes, reference=self.inputs)
        predicted = predict_logits(classifier, self.inputs.take(rows)).argmax(axis=1)
        return float((predicted == truth).mean())
