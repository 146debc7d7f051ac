"""A dual encoder as engine: one model that puts images and texts into one space, as CLIP and SigLIP do.

In: items, and a model with its processor that are already loaded. Out: probabilities for any label set, and both
embeddings. Invariant: `fingerprint` covers weights, architecture and preprocessing, and names every vector.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.encoders.aspect import within_aspect
from labeling.prelabel.encoders.model_hash import fingerprint
from labeling.prelabel.encoders.towers import TextTower, mean_vectors
from labeling.prelabel.engine import Item, Look, Vectors, digest_of, encode_present, revision_of
from labeling.prelabel.picture_size import size_for
from labeling.prelabel.zero_shot.templates import CAPTIONS, texts_by_label
from labeling.project import EngineUse, LabelClass
from labeling.slices import batches
from labeling.types import Evidence, Prelabel
from labeling.vectors import softmax

__all__ = ["DualEncoder", "DualEncoderEngine"]

IMAGES_A_BATCH = 8
IMAGES_ON_A_GPU = 64
TEXTS_A_BATCH = 32
SOFTMAX = "softmax over the classes, of scale times cosine"
SIGMOID = "a sigmoid a class, given that exactly one class is true"
RAW_SHOWN = 5


class DualEncoder:
    """Both towers of one model, kept loaded on a device of torch's.

    Raises
    ------
    Invalid
        When the model has no two towers with a common scale, or no processor for both images and texts.
    """

    def __init__(self, model: Any, processor: Any, device: str = "cpu") -> None:
        towers = all(hasattr(model, part) for part in ("get_image_features", "get_text_features", "logit_scale"))
        if not towers or not all(hasattr(processor, part) for part in ("image_processor", "tokenizer")):
            raise Invalid(
                f"{type(model).__name__} is not a dual encoder: name a model that has an image tower, a text tower "
                "and a processor for both, as CLIP and SigLIP do."
            )
        self._model, self._processor = model.eval().to(device), processor
        self._at_once = IMAGES_A_BATCH if device == "cpu" else IMAGES_ON_A_GPU
        self.fingerprint = fingerprint(model, processor)
        self.size = size_for(processor.image_processor)
        self.image_name = f"{model.config.model_type}-images-{self.fingerprint[:16]}{self.size.suffix}"
        self.text_name = f"{model.config.model_type}-texts-{self.fingerprint[:16]}"
        self.scale = float(model.logit_scale.detach().exp())
        self.bias = float(model.logit_bias.detach()) if hasattr(model, "logit_bias") else None
        """What a sigmoid adds to every logit; None: the model was trained with a softmax."""

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Unit vectors (N, D)."""
        with ThreadPoolExecutor(2) as pool:  # the next batches are prepared during this one
            prepared = pool.map(self._pixels, batches(images, self._at_once))
            return _rows([self._unit(self._model.get_image_features, inputs) for inputs in prepared])

    def _pixels(self, images: Sequence[Image.Image]) -> Mapping[str, torch.Tensor]:
        bounded = [within_aspect(image) for image in images]
        pixels: Mapping[str, torch.Tensor] = self._processor(images=bounded, return_tensors="pt")
        return pixels

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (N, D); a text longer than the tower reads is cut."""
        tokens = (self._tokens(batch) for batch in batches(texts, TEXTS_A_BATCH))
        return _rows([self._unit(self._model.get_text_features, inputs) for inputs in tokens])

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
            out = tower(**{name: tensor.to(self._model.device) for name, tensor in inputs.items()})
            features = out if isinstance(out, torch.Tensor) else out.pooler_output  # (B, D)
            unit: Vectors = torch.nn.functional.normalize(features.float(), dim=1).cpu().numpy()
            return unit


class DualEncoderEngine:
    """Compares each image with the label set's texts, which are encoded once; costs nothing.

    `texts` computes the vectors of the labels' texts; the encoder's own text tower unless it is given.
    """

    name = "dual-encoder"

    def __init__(
        self,
        model_name: str,
        labels: Sequence[LabelClass],
        encoder: DualEncoder,
        clock: Callable[[], float],
        use: EngineUse | None = None,
        config_version: int = 0,
        texts: TextTower | None = None,
    ) -> None:
        self._encoder, self._clock, self._classes = encoder, clock, [label.name for label in labels]
        prompts = texts_by_label(labels, use.templates if use else (), CAPTIONS)
        tower = texts or TextTower(encoder.text_name, encoder.encode_texts)
        self._label_vectors = mean_vectors(tower, prompts)  # (K, D)
        self.image_encoder, self.text_encoder = encoder.image_name, encoder.text_name
        self.picture_size = encoder.size
        self.revision = revision_of(self.name, model_name, encoder.fingerprint, prompts)
        self._evidence = Evidence(
            confidence_from=SOFTMAX if encoder.bias is None else SIGMOID,
            prompt=digest_of(prompts),
            config_version=config_version,
        )

    def look(self, items: Sequence[Item]) -> Look:
        """Embed the images and their texts, and give each image probabilities for the label set."""
        started = self._clock()
        vectors = self._encoder.encode_images([item.image for item in items])
        texts = encode_present(self._encoder.encode_texts, [item.text for item in items])
        if not items:
            return Look([], vectors, texts)
        logits = vectors.astype(np.float64) @ self._label_vectors.T.astype(np.float64) * self._encoder.scale  # (N, K)
        seconds = (self._clock() - started) / len(items)
        return Look([self._prelabel(row, seconds) for row in logits], vectors, texts)

    def _prelabel(self, logits: NDArray[np.float64], seconds: float) -> Prelabel:
        """One image's probabilities from its K logits.

        Where each class has a sigmoid of its own (SigLIP), exactly one class is true of an image here. Sigmoids under
        that condition are the softmax: a class counts by its odds, which are exp(logit + bias), and the bias cancels.
        Dividing sigmoids by their sum instead would make two likely classes equal that the model distinguishes. The
        sigmoids themselves are kept as raw answer.
        """
        evidence = self._evidence
        if self._encoder.bias is not None:
            evidence = replace(evidence, raw=self._raw(logits + self._encoder.bias))
        probs = tuple(softmax(logits).tolist())
        return Prelabel(self.name, self.revision, probs, "", seconds, 0, evidence=evidence)

    def _raw(self, logits: NDArray[np.float64]) -> str:
        """The sigmoids of the likeliest classes, and the sum of all; far below 1, perhaps none of them fits."""
        sigmoids = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
        best = {self._classes[k]: float(f"{sigmoids[k]:.4g}") for k in np.argsort(-sigmoids)[:RAW_SHOWN]}
        return json.dumps({"sigmoid": best, "sum": float(f"{sigmoids.sum():.4g}")})


def _rows(batches: Sequence[Vectors]) -> Vectors:
    return np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)
