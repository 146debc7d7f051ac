"""Images and sentences as unit vectors, from models that are already loaded.

In: PIL images in RGB, or texts. Out: (N, D) float32 with rows of length 1. Invariant: a row depends on its image or
text alone, up to rounding, never on the rest of the batch, nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from labeling.prelabel.engine import Vectors
from labeling.slices import batches
from labeling.vectors import softmax, unit

__all__ = ["ImageEncoder", "Network", "Pixels", "SentenceEncoder"]

IMAGES_A_BATCH = 8
"""Larger batches leave the CPU's caches: 64 at once took 1.4 times as long an image."""
SENTENCES_A_BATCH = 32
MAX_TOKENS = 256

Pixels = NDArray[np.float32]
Network = Callable[[Pixels], tuple[Vectors, Vectors]]
"""From pixels (B, 3, H, W) to features (B, D) and logits (B, C). Several threads may call it at once."""


class ImageEncoder:
    """A classifier whose pooled features are the image's vector. Keeps the network loaded.

    `prepare` turns images into pixels. Each of the `workers` threads prepares `at_once` images and runs the network on
    them, so that some threads prepare while others compute.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        prepare: Callable[[Sequence[Image.Image]], Pixels],
        *,
        at_once: int = IMAGES_A_BATCH,
        workers: int = 3,
    ) -> None:
        self.name, self.prepare, self.at_once = name, prepare, at_once
        self._network, self._workers = network, workers

    def encode(self, images: Sequence[Image.Image]) -> tuple[Vectors, Vectors]:
        """Unit vectors (N, D) and probabilities of the classes that the model knows (N, C)."""
        with ThreadPoolExecutor(self._workers) as pool:
            outputs = list(pool.map(lambda batch: self.forward(self.prepare(batch)), batches(images, self.at_once)))
        if not outputs:
            return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
        vectors, probs = zip(*outputs, strict=True)
        return np.concatenate(vectors), np.concatenate(probs)

    def forward(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        """One pass of the network over one batch: unit vectors (B, D) and probabilities (B, C)."""
        features, logits = self._network(pixels)
        return unit(features), softmax(logits)


class SentenceEncoder:
    """A sentence model with mean pooling over its tokens. Keeps the model loaded."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        self.name = name
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._longest = min(MAX_TOKENS, getattr(model.config, "max_position_embeddings", MAX_TOKENS))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (N, T). Equal texts are computed once; texts of like length go together."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        if not distinct:
            return np.zeros((0, self._model.config.hidden_size), np.float32)
        vectors = np.concatenate([self._forward(some) for some in batches(distinct, SENTENCES_A_BATCH)])
        place = {text: row for row, text in enumerate(distinct)}
        return vectors[[place[text] for text in texts]]

    def _forward(self, texts: Sequence[str]) -> Vectors:
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state  # (B, L, T)
            mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)  # (B, L, 1)
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1)  # (B, T)
            unit: Vectors = torch.nn.functional.normalize(mean.float(), dim=1).numpy()
            return unit
