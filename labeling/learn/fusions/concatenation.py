"""The features of the head: image embedding, text embedding and prelabel side by side, one row an image.

In: `Inputs`, where a row of NaN means absent. Out: finite features (N, F). An absent text or prelabel is modelled
as missing: it takes the mean of the reference images and raises its indicator column, so it is never plain zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.learn.classifier import Dims, Inputs, Shapes, Tensors
from labeling.learn.fusions.block_scales import best_scales
from labeling.vectors import unit

__all__ = ["ConcatenatedFeatures", "Concatenation"]

PRELABEL_SCALE = 0.1
"""Z-scored prelabels are divided by ten: beside two unit vectors they then weigh about as much as one of them."""
SMALLEST_PROBABILITY = 1e-6
_BLOCKS_OF_ONE = [{"text": 0.5}, {"text": 0.25}, {"text": 0.0}, {"image": 0.5}, {"image": 0.25}, {"image": 0.0}]
_PRELABELS = [{"prelabel": 0.25}, {"prelabel": 0.0}]


@dataclass(frozen=True, slots=True)
class Concatenation:
    """The kind of fusion, and what each block of the features is multiplied by."""

    name: ClassVar[str] = "concatenation"

    image: float = 1.0
    text: float = 1.0
    prelabel: float = 1.0

    def fit(self, reference: Inputs) -> ConcatenatedFeatures:
        """Take the means and spreads of the reference images; labels are not used."""
        log_probs = _log_probs(reference.prelabel)
        std = _column(np.std, log_probs)
        return ConcatenatedFeatures(
            image_mean=_column(np.mean, unit(np.asarray(reference.image))),
            text_mean=_column(np.mean, unit(np.asarray(reference.text))),
            prelabel_mean=_column(np.mean, log_probs),
            prelabel_std=np.where(std > 1e-6, std, np.float32(1)),
            kind=self,
        )

    def shapes(self, dims: Dims) -> Shapes:
        """A mean of each number, and the spread of each prelabel."""
        image, text, prelabel = dims
        return {
            "image_mean": (image,),
            "text_mean": (text,),
            "prelabel_mean": (prelabel,),
            "prelabel_std": (prelabel,),
        }

    def unpack(self, tensors: Tensors, dims: Dims) -> ConcatenatedFeatures:
        """The constants by their names."""
        return ConcatenatedFeatures(**tensors, kind=self)


@dataclass(frozen=True, slots=True)
class ConcatenatedFeatures:
    """The constants of the features, from unlabelled images only; kept in the artifact."""

    image_mean: NDArray[np.float32]
    text_mean: NDArray[np.float32]
    prelabel_mean: NDArray[np.float32]
    prelabel_std: NDArray[np.float32]
    kind: Concatenation = Concatenation()

    @property
    def dims(self) -> Dims:
        """D, T and K."""
        return len(self.image_mean), len(self.text_mean), len(self.prelabel_mean)

    @property
    def width(self) -> int:
        """F: image, text with indicator, prelabel with indicator."""
        return sum(self.dims) + 2

    def features(self, inputs: Inputs) -> NDArray[np.float32]:
        """Features (N, F), finite whatever is absent.

        A project whose images had no text when this was fitted ignores texts that came later.
        """
        n, text_dim = len(inputs), len(self.text_mean)
        image, text = np.asarray(inputs.image), np.asarray(inputs.text)
        image = unit(image)  # (N, D)
        text = unit(text) if inputs.text.shape[1] and text_dim else np.full((n, text_dim), np.nan, np.float32)
        prelabel = _log_probs(inputs.prelabel)  # (N, K)
        for name, block, mean in (
            ("image", image, self.image_mean),
            ("text", text, self.text_mean),
            ("prelabel", prelabel, self.prelabel_mean),
        ):
            if block.shape[1] != len(mean):
                raise Invalid(f"The classifier expects {len(mean)} {name} numbers an image and got {block.shape[1]}.")
        prelabel = (prelabel - self.prelabel_mean) / self.prelabel_std * PRELABEL_SCALE
        no_image, no_text, no_prelabel = _absent(image), _absent(text), _absent(prelabel)  # (N,)
        d, t, _ = self.dims
        features = np.empty((n, self.width), np.float32)
        features[:, :d] = image
        features[no_image, :d] = self.image_mean
        features[:, d : d + t] = text
        features[no_text, d : d + t] = self.text_mean
        features[:, d + t] = no_text
        features[:, d + t + 1 : -1] = prelabel
        features[no_prelabel, d + t + 1 : -1] = 0
        features[:, -1] = no_prelabel
        return self._multiply(features)

    def suited(
        self, features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64] | None
    ) -> ConcatenatedFeatures:
        """A block that says little of the labels is multiplied by less than 1 (`best_scales`), in `features` too."""
        blocks = self._blocks()
        alternatives = [_BLOCKS_OF_ONE] if self.dims[1] else []
        found = best_scales(features, blocks, [*alternatives, _PRELABELS], labels, groups)
        suited = replace(self, kind=Concatenation(**found))
        suited._multiply(features)
        return suited

    def _blocks(self) -> dict[str, slice]:
        d, t, _ = self.dims
        return {"image": slice(0, d), "text": slice(d, d + t + 1), "prelabel": slice(d + t + 1, None)}

    def _multiply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        for name, columns in self._blocks().items():
            if (by := getattr(self.kind, name)) != 1:
                features[:, columns] *= np.float32(by)
        return features

    def pack(self) -> Tensors:
        """The constants by their names."""
        return {name: getattr(self, name) for name in self.kind.shapes(self.dims)}


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
