"""A dual encoder as engine: one model that puts images and texts into one space, as CLIP and SigLIP do.

In: items, and a model with its processor that are already loaded. Out: probabilities for any label set, and both
embeddings. Invariant: `fingerprint` covers weights, architecture and preprocessing, and names every vector.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.bundled import label_prompts
from labeling.prelabel.engine import Item, Look, Vectors
from labeling.types import LabelClass, Prelabel

__all__ = ["DualEncoder", "DualEncoderEngine", "fingerprint"]

IMAGES_A_BATCH = 8
TEXTS_A_BATCH = 32
NAMES_OF_PLACES = ("_name_or_path", "transformers_version")
"""What a configuration says of where it came from; no vector depends on it."""


class DualEncoder:
    """Both towers of one model. Holds them warm.

    Raises
    ------
    Invalid
        When the model has no two towers with a common scale, or no processor for both images and texts.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        towers = all(hasattr(model, part) for part in ("get_image_features", "get_text_features", "logit_scale"))
        if not towers or not all(hasattr(processor, part) for part in ("image_processor", "tokenizer")):
            raise Invalid(
                f"{type(model).__name__} is not a dual encoder: name a model that has an image tower, a text tower "
                "and a processor for both, as CLIP and SigLIP do."
            )
        self._model, self._processor = model.eval(), processor
        self.fingerprint = fingerprint(model, processor)
        self.image_name = f"{model.config.model_type}-images-{self.fingerprint[:16]}"
        self.text_name = f"{model.config.model_type}-texts-{self.fingerprint[:16]}"
        self.scale = float(model.logit_scale.detach().exp())

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Unit vectors (N, D)."""
        batches = [images[start : start + IMAGES_A_BATCH] for start in range(0, len(images), IMAGES_A_BATCH)]
        prepared = (self._processor(images=list(batch), return_tensors="pt") for batch in batches)
        return _rows([self._unit(self._model.get_image_features, inputs) for inputs in prepared])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (N, D); a text longer than the tower reads is cut."""
        batches = [texts[start : start + TEXTS_A_BATCH] for start in range(0, len(texts), TEXTS_A_BATCH)]
        return _rows([self._unit(self._model.get_text_features, self._tokens(batch)) for batch in batches])

    def _tokens(self, texts: Sequence[str]) -> Mapping[str, torch.Tensor]:
        tokens: Mapping[str, torch.Tensor] = self._processor(
            text=list(texts),
            # Sigmoid models were trained on texts padded to full length, and read the last place of them.
            padding="max_length" if hasattr(self._model, "logit_bias") else True,
            truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        )
        return tokens

    def _unit(self, tower: Callable[..., Any], inputs: Mapping[str, torch.Tensor]) -> Vectors:
        with torch.inference_mode():
            out = tower(**inputs)
            features = out if isinstance(out, torch.Tensor) else out.pooler_output  # (B, D)
            unit: Vectors = torch.nn.functional.normalize(features.float(), dim=1).numpy()
            return unit


class DualEncoderEngine:
    """Compares each image with the label set's texts, which are encoded once; costs nothing."""

    name = "dual-encoder"

    def __init__(
        self, model_name: str, labels: Sequence[LabelClass], encoder: DualEncoder, clock: Callable[[], float]
    ) -> None:
        self._encoder, self._clock = encoder, clock
        prompts = [label_prompts(label) for label in labels]
        self._label_vectors = _means([encoder.encode_texts(texts) for texts in prompts])  # (K, D)
        self.image_encoder, self.text_encoder = encoder.image_name, encoder.text_name
        self.revision = _revision(model_name, encoder.fingerprint, prompts)

    def look(self, items: Sequence[Item]) -> Look:
        """Embed the images and their texts, and give each image probabilities for the label set."""
        started = self._clock()
        vectors = self._encoder.encode_images([item.image for item in items])
        present = iter(self._encoder.encode_texts([item.text for item in items if item.text]))
        texts = [next(present) if item.text else None for item in items]
        if not items:
            return Look([], vectors, texts)
        probs = self._probs(vectors)
        seconds = (self._clock() - started) / len(items)
        prelabels = [Prelabel(self.name, self.revision, tuple(row.tolist()), "", seconds, 0) for row in probs]
        return Look(prelabels, vectors, texts)

    def _probs(self, vectors: Vectors) -> Vectors:
        """Softmax over the classes of scale times cosine, (N, K).

        So too where a model was trained with a sigmoid a class: an image has exactly one class here, its probabilities
        must sum to 1, and the bias that the sigmoid adds to every logit alike falls out of a softmax.
        """
        logits = torch.from_numpy(vectors @ self._label_vectors.T).double() * self._encoder.scale
        probs: Vectors = logits.softmax(dim=1).numpy()
        return probs


def fingerprint(model: Any, processor: Any) -> str:
    """A hash of all that vectors depend on: weights, architecture, image settings, vocabulary."""
    settings = [model.config.to_dict(), processor.image_processor.to_dict(), processor.tokenizer.get_vocab()]
    for one in settings:
        _forget_places(one)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _forget_places(settings: dict[str, Any]) -> None:
    for key in NAMES_OF_PLACES:
        settings.pop(key, None)
    for value in settings.values():
        if isinstance(value, dict):
            _forget_places(value)


def _means(groups: Sequence[Vectors]) -> Vectors:
    """The direction of each group's mean, (K, D)."""
    means = np.stack([group.mean(axis=0) for group in groups])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def _rows(batches: Sequence[Vectors]) -> Vectors:
    return np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)


def _revision(model_name: str, model_hash: str, prompts: Sequence[Sequence[str]]) -> str:
    called = re.sub(r"[^A-Za-z0-9_.-]+", "-", re.split(r"[/\\]", model_name.rstrip("/\\"))[-1])[:60]
    pinned = json.dumps([model_name, model_hash, prompts])
    return f"dual-encoder-{called}-{hashlib.sha256(pinned.encode()).hexdigest()[:16]}"
