"""A PyTorch network for images, on a CPU or a GPU, with batches as large as the memory allows.

In: pixels (B, 3, H, W) as an array. Out: features (B, D) and logits (B, C), float32. Invariant: float32 is computed in
float32 on every device; a batch that does not fit is computed in halves, with the same result.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import torch

from labeling.errors import Unavailable
from labeling.prelabel.encoders.encoders import Pixels
from labeling.prelabel.engine import Vectors

__all__ = ["ImageClassifier", "TorchNetwork"]


class ImageClassifier(torch.nn.Module):
    """The part of a transformers image classifier from pixels to features and logits.

    The features are the mean over the places of the last feature map, which is what such a model's pooler computes.
    """

    def __init__(self, classifier: Any) -> None:
        super().__init__()
        self.embeddings = classifier.base_model.embeddings
        self.encoder = classifier.base_model.encoder
        self.classifier = classifier.classifier

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.encoder(self.embeddings(pixels)).last_hidden_state.mean(dim=(2, 3))  # (B, D)
        return features, self.classifier(features)


class TorchNetwork:
    """Runs a module that returns features and logits; one call at a time, since it takes all threads.

    Raises
    ------
    Unavailable
        From a call, when the device has no memory left for even one image.
    """

    def __init__(self, module: torch.nn.Module, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        # channels_last: 1.4 times as fast on CPU, same result
        placed = module.eval().to(device, dtype)
        self._module = placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device, self._dtype, self._alone = device, dtype, Lock()

    def __call__(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        try:
            with self._alone:
                return self._run(pixels)
        except torch.OutOfMemoryError as error:
            if len(pixels) == 1:
                raise Unavailable(
                    f"There is no memory left on {self._device} for one image. Free some, or set HARDCASE_DEVICE=cpu."
                ) from error
        halves = [self(half) for half in np.array_split(pixels, 2)]
        return np.concatenate([features for features, _ in halves]), np.concatenate([logits for _, logits in halves])

    def _run(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        given = torch.from_numpy(pixels).to(self._device, self._dtype, memory_format=torch.channels_last)
        # A GPU would otherwise round the inputs of float32 convolutions to 10 bits.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            features, logits = self._module(given)
        return features.float().cpu().numpy(), logits.float().cpu().numpy()
