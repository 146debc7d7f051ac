"""Any vision model as an encoder of images, by one rule for what is taken as the image's vector.

In: a model of transformers and its image processor, already loaded. Out: unit vectors (N, D). The rule: what the model
itself pools (`pooler_output`), where it does and has weights for it; else the mean over all places of its last layer,
be they tokens or pixels of a map. Invariant: a row depends on its image alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.engine import Vectors

__all__ = ["Backbone", "pooled"]

IMAGES_A_BATCH = 8


class Backbone:
    """Holds the model warm."""

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self.name, self._model, self._processor = name, model.eval(), processor

    def encode(self, images: Sequence[Image.Image]) -> Vectors:
        """Unit vectors (N, D)."""
        batches = [images[start : start + IMAGES_A_BATCH] for start in range(0, len(images), IMAGES_A_BATCH)]
        rows = [self._forward(batch) for batch in batches]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _forward(self, images: Sequence[Image.Image]) -> Vectors:
        inputs = self._processor(images=list(images), return_tensors="pt")
        with torch.inference_mode():
            features = pooled(self._model(pixel_values=inputs["pixel_values"].to(self._model.device)))  # (B, D)
            unit: Vectors = torch.nn.functional.normalize(features.float(), dim=1).cpu().numpy()
            return unit


def pooled(output: Any) -> torch.Tensor:
    """One vector an image, (B, D), from what a vision model gave out.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> tokens = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])  # one image, two places
    >>> pooled(SimpleNamespace(pooler_output=None, last_hidden_state=tokens)).tolist()
    [[2.0, 3.0]]

    Raises
    ------
    Invalid
        When the model gives out neither pooled features nor a last layer.
    """
    own: torch.Tensor | None = getattr(output, "pooler_output", None)
    if own is not None:
        return own.flatten(1)
    last: torch.Tensor | None = getattr(output, "last_hidden_state", None)
    if last is None or last.ndim not in (3, 4):
        raise Invalid("This model gives out no features of images; name a vision model such as a ViT or a DINOv2.")
    return last.mean(dim=1) if last.ndim == 3 else last.mean(dim=(2, 3))  # tokens (B, L, D), or a map (B, D, H, W)
