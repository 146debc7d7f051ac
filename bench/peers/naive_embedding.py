"""How a script of today turns JPEGs into vectors: one at a time, decoded whole; and transformers' own pipeline."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, pipeline
from transformers.utils import logging

__all__ = ["naive_loop", "transformers_pipeline"]


def naive_loop(checkpoint: Path) -> Callable[[Sequence[bytes]], object]:
    """Full decode, batch of 1, float32, the model's own processor."""
    logging.set_verbosity_error()  # it reports at length that the classifier on top is not loaded
    model: Any = AutoModel.from_pretrained(checkpoint).eval()
    processor = AutoImageProcessor.from_pretrained(checkpoint)

    def embed(files: Sequence[bytes]) -> list[Any]:
        vectors = []
        for file in files:
            image = Image.open(io.BytesIO(file)).convert("RGB")
            with torch.inference_mode():
                vectors.append(model(**processor(images=image, return_tensors="pt")).pooler_output.flatten().numpy())
        return vectors

    return embed


def transformers_pipeline(checkpoint: Path) -> Callable[[Sequence[bytes]], object]:
    """`pipeline("image-feature-extraction")` over the decoded images, as its documentation shows."""
    extract: Any = pipeline("image-feature-extraction", model=str(checkpoint), device="cpu")

    def embed(files: Sequence[bytes]) -> list[Any]:
        images = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
        return [extract(image, pool=True) for image in images]

    return embed
