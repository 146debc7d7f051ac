"""A hash that identifies a model by its weights and configuration, wherever its folder is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["fingerprint", "hash_of_model"]

NAMES_OF_PLACES = ("_name_or_path", "transformers_version")
"""Keys of a configuration that name its origin; no vector depends on them."""


def fingerprint(model: Any, processor: Any) -> str:
    """A hash of all that vectors depend on: weights, architecture, image settings, vocabulary."""
    settings = [model.config.to_dict(), processor.image_processor.to_dict(), processor.tokenizer.get_vocab()]
    return hash_of_model(model, settings)


def hash_of_model(model: Any, settings: Sequence[dict[str, Any]]) -> str:
    """A hash of a model's weights and of settings without their origin, which is removed from `settings`."""
    for one in settings:
        _forget_places(one)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).cpu().numpy())
    return digest.hexdigest()


def _forget_places(settings: dict[str, Any]) -> None:
    for key in NAMES_OF_PLACES:
        settings.pop(key, None)
    for value in settings.values():
        if isinstance(value, dict):
            _forget_places(value)
