"""Loads classifiers that others trained, by AutoModelForImageClassification: from a folder or the hub.

In: a name as a user writes it. Out: the model with its processor. Invariant: a head without weights is refused,
since its labels would be chance.
"""

from __future__ import annotations

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

from labeling.adapters.models.checkpoints import From, load_checkpoint, refuse_missing
from labeling.errors import Invalid
from labeling.prelabel.engines.image_classifier import TrainedClassifier

__all__ = ["load_image_classifier"]

HEADS = ("classifier", "head", "fc", "cls_classifier", "distillation_classifier")


def load_image_classifier(name: str, device: str = "cpu") -> TrainedClassifier:
    """A classifier of transformers; `load_checkpoint` says which errors there are."""
    return load_checkpoint(name, lambda where: _classifier(name, where, device))


def _classifier(name: str, where: From, device: str) -> TrainedClassifier:
    config = AutoConfig.from_pretrained(**where)
    if type(config) not in AutoModelForImageClassification._model_mapping:  # known before weights are fetched
        raise Invalid(f"{name!r} ({config.model_type}) does not classify images: name a ViT, a ResNet or the like.")
    model, found = AutoModelForImageClassification.from_pretrained(
        **where, dtype=torch.float32, output_loading_info=True
    )
    if any(key.partition(".")[0] in HEADS for key in found["missing_keys"]):
        raise Invalid(
            f"{name!r} has no trained head, so its labels would be chance. Name one that was trained to classify, or "
            f"use this one as `image_encoder: backbone:{name}`."
        )
    refuse_missing(name, found)
    return TrainedClassifier(model, AutoImageProcessor.from_pretrained(**where), device)
