"""How many labels there are of each class: a view in, (K,) out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from labeling.select.strategies.strategy import Labelled, Predicted

__all__ = ["labels_of_each"]


def labels_of_each(labelled: Labelled, predicted: Predicted) -> npt.NDArray[np.float64]:
    """The number of labels of each class, (K,), in the order of the probabilities; zeros where names are not known.

    >>> from labeling.select.strategies.strategy import Labelled, Predicted
    >>> labelled = Labelled(("cat", "none of these", "cat"), lambda at: np.zeros((len(at), 1), np.float32))
    >>> labels_of_each(labelled, Predicted(np.array([[0.9, 0.1]]), classes=("dog", "cat"))).tolist()
    [0.0, 2.0]
    """
    times = Counter(labelled.labels)
    names = predicted.classes or ("",) * predicted.probs.shape[1]
    return np.array([times[name] if predicted.classes else 0 for name in names], np.float64)
