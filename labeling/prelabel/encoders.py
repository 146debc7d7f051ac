"""Images and sentences as unit vectors, from models that are already loaded.

In: PIL images in RGB, or texts. Out: (N, D) float32 with rows of length 1. Invariant: a row depends on its image or
text alone, up to rounding, never on what else stood in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image

from labeling.prelabel.engine import Vectors

__all__ = ["ImageEncoder", "SentenceEncoder"]

IMAGES_A_BATCH = 8
"""Larger batches leave the CPU's caches: 64 at once took 1.4 times as long an image."""
SENTENCES_A_BATCH = 32
MAX_TOKENS = 256


class ImageEncoder:
    """A classifier whose pooled features are the image's vector. Holds the model warm."""

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self.name = name
        self.model = model.eval().to(memory_format=torch.channels_last)  # 1.4 times as fast on CPU, same result
        self._processor = processor

    def encode(self, images: Sequence[Image.Image]) -> tuple[Vectors, Vectors]:
        """Unit vectors (N, D) and probabilities of the classes that the model knows (N, C)."""
        batches = [images[start : start + IMAGES_A_BATCH] for start in range(0, len(images), IMAGES_A_BATCH)]
        with ThreadPoolExecutor(2) as pool:  # the next batches are made ready while this one is looked at
            seen = [self.forward(pixels) for pixels in pool.map(self.pixels, batches)]
        if not seen:
            return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
        return np.concatenate([vectors for vectors, _ in seen]), np.concatenate([probs for _, probs in seen])

    def pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Images as the model wants them, (B, 3, H, W)."""
        prepared: torch.Tensor = self._processor(images=list(images), return_tensors="pt")["pixel_values"]
        return prepared.contiguous(memory_format=torch.channels_last)

    def forward(self, pixels: torch.Tensor) -> tuple[Vectors, Vectors]:
        """One pass of the model over one batch: unit vectors (B, D) and probabilities (B, C)."""
        with torch.inference_mode():
            features = self.model.base_model(pixels).pooler_output.flatten(1)  # (B, D)
            logits = self.model.classifier(features)  # (B, C)
            vectors = torch.nn.functional.normalize(features.float(), dim=1)
            return vectors.numpy(), logits.float().softmax(dim=1).numpy()


class SentenceEncoder:
    """A sentence model with mean pooling over its tokens. Holds the model warm."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self._model = model.eval()
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (N, T). Equal texts are computed once; texts of like length go together."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        if not distinct:
            return np.zeros((0, self._model.config.hidden_size), np.float32)
        starts = range(0, len(distinct), SENTENCES_A_BATCH)
        vectors = np.concatenate([self._forward(distinct[start : start + SENTENCES_A_BATCH]) for start in starts])
        place = {text: row for row, text in enumerate(distinct)}
        return vectors[[place[text] for text in texts]]

    def encode_present(self, texts: Sequence[str | None]) -> list[Vectors | None]:
        """A vector (T,) for every text that is there, None for the others."""
        present = iter(self.encode([text for text in texts if text]))
        return [next(present) if text else None for text in texts]

    def _forward(self, texts: Sequence[str]) -> Vectors:
        tokens = self._tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state  # (B, L, T)
            mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)  # (B, L, 1)
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1)  # (B, T)
            unit: Vectors = torch.nn.functional.normalize(mean.float(), dim=1).numpy()
            return unit
