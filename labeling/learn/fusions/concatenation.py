"""What the head sees: image embedding, text embedding and prelabels side by side as one row of features.

In: `Inputs`, where a row of NaN means absent. Out: finite features (N, F). An absent text or prelabel is modelled
as missing: it takes the mean of the reference images and raises its indicator column, so it is never plain zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.vectors import unit

__all__ = ["Fusion", "Inputs", "fit_fusion", "fuse"]

PRELABEL_SCALE = 0.1
"""Z-scored prelabels are divided by ten: beside two unit vectors they then weigh about as much as one of them."""
SMALLEST_PROBABILITY = 1e-6


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known of N images: `image` (N, D), `text` (N, T), `prelabel` (N, K); NaN rows mean absent.

    T may be 0 where no image of the project has a text.
    """

    image: NDArray[np.float32]
    text: NDArray[np.float32]
    prelabel: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: NDArray[np.int64] | list[int]) -> Inputs:
        """The same for some of the images."""
        return Inputs(self.image[rows], self.text[rows], self.prelabel[rows])


@dataclass(frozen=True, slots=True)
class Fusion:
    """The constants of the features, from unlabelled images only; kept in the artifact."""

    image_mean: NDArray[np.float32]
    text_mean: NDArray[np.float32]
    prelabel_mean: NDArray[np.float32]
    prelabel_std: NDArray[np.float32]

    @property
    def width(self) -> int:
        """F: image, text with indicator, prelabel with indicator."""
        return len(self.image_mean) + len(self.text_mean) + len(self.prelabel_mean) + 2


def fit_fusion(reference: Inputs) -> Fusion:
    """Take the means and spreads of the reference images; labels are never looked at."""
    log_probs = _log_probs(reference.prelabel)
    std = _column(np.std, log_probs)
    return Fusion(
        image_mean=_column(np.mean, unit(reference.image)),
        text_mean=_column(np.mean, unit(reference.text)),
        prelabel_mean=_column(np.mean, log_probs),
        prelabel_std=np.where(std > 1e-6, std, np.float32(1)),
    )


def fuse(fusion: Fusion, inputs: Inputs) -> NDArray[np.float32]:
    """Features (N, F), finite whatever is absent.

    A project whose images had no text when `fusion` was fitted ignores texts that came later.
    """
    n, text_dim = len(inputs), len(fusion.text_mean)
    image = unit(inputs.image)  # (N, D)
    text = unit(inputs.text) if inputs.text.shape[1] and text_dim else np.full((n, text_dim), np.nan, np.float32)
    prelabel = (_log_probs(inputs.prelabel) - fusion.prelabel_mean) / fusion.prelabel_std * PRELABEL_SCALE  # (N, K)
    for name, block, mean in (
        ("image", image, fusion.image_mean),
        ("text", text, fusion.text_mean),
        ("prelabel", prelabel, fusion.prelabel_mean),
    ):
        if block.shape[1] != len(mean):
            raise Invalid(f"The classifier expects {len(mean)} {name} numbers an image and got {block.shape[1]}.")
    no_text, no_prelabel = _absent(text), _absent(prelabel)  # (N,)
    return np.hstack(
        [
            np.where(_absent(image)[:, None], fusion.image_mean, image),
            np.where(no_text[:, None], fusion.text_mean, text),
            no_text[:, None],
            np.where(no_prelabel[:, None], 0, prelabel),
            no_prelabel[:, None],
        ]
    ).astype(np.float32)


def _log_probs(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.log(np.maximum(probs, np.float32(SMALLEST_PROBABILITY))), np.float32)


def _absent(block: NDArray[np.float32]) -> NDArray[np.bool_]:
    if not block.shape[1]:
        return np.zeros(len(block), bool)
    return np.asarray(~np.isfinite(block).all(axis=1))


def _column(statistic: Callable[..., NDArray[np.float32]], block: NDArray[np.float32]) -> NDArray[np.float32]:
    present = block[~_absent(block)]
    if not len(present):
        return np.zeros(block.shape[1], np.float32)
    return statistic(present, axis=0, dtype=np.float64).astype(np.float32)
