"""Any vision model as an encoder of images, with one rule for the image's vector.

In: a model of transformers and its image processor, already loaded. Out: unit vectors (N, D). The rule: what the model
itself pools (`pooler_output`), where it does and has weights for it; else the mean over all places of its last layer,
be they tokens or pixels of a map. Invariant: a row depends on its image alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.encoders.aspect import within_aspect
from labeling.prelabel.engine import Vectors
from labeling.slices import batches

__all__ = ["Backbone", "pooled"]

IMAGES_A_BATCH = 8
IMAGES_ON_A_GPU = 64


class Backbone:
    """Keeps the model loaded, on a device of torch's."""

    def __init__(self, name: str, model: Any, processor: Any, device: str = "cpu") -> None:
        self.name, self._model, self._processor = name, model.eval().to(device), processor
        self._at_once = IMAGES_A_BATCH if device == "cpu" else IMAGES_ON_A_GPU

    def encode(self, images: Sequence[Image.Image]) -> Vectors:
        """Unit vectors (N, D)."""
        with ThreadPoolExecutor(2) as pool:  # the next batches are prepared during this one
            rows = [self._forward(pixels) for pixels in pool.map(self._pixels, batches(images, self._at_once))]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        bounded = [within_aspect(image) for image in images]
        pixels: torch.Tensor = self._processor(images=bounded, return_tensors="pt")["pixel_values"]
        return pixels  # (B, 3, H, W)

    def _forward(self, pixels: torch.Tensor) -> Vectors:
        with torch.inference_mode():
            features = pooled(self._model(pixel_values=pixels.to(self._model.device)))  # (B, D)
            unit: Vectors = torch.nn.functional.normalize(features.float(), dim=1).cpu().numpy()
            return unit


def pooled(output: Any) -> torch.Tensor:
    """One vector an image, (B, D), from a vision model's output.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> tokens = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])  # one image, two places
    >>> pooled(SimpleNamespace(pooler_output=None, last_hidden_state=tokens)).tolist()
    [[2.0, 3.0]]

    Raises
    ------
    Invalid
        When the output has neither pooled features nor a last layer.
    """
    own: torch.Tensor | None = getattr(output, "pooler_output", None)
    if own is not None:
        return own.flatten(1)
    last: torch.Tensor | None = getattr(output, "last_hidden_state", None)
    if last is None or last.ndim not in (3, 4):
        raise Invalid("This model has no image features; name a vision model such as a ViT or a DINOv2.")
    return last.mean(dim=1) if last.ndim == 3 else last.mean(dim=(2, 3))  # tokens (B, L, D), or a map (B, D, H, W)
