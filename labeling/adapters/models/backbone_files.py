"""Loads vision models and sentence models as encoders: from a folder or the hub, whatever transformers loads.

In: a name as a user writes it. Out: a tower whose name pins weights, architecture and preprocessing. Of a dual encoder
the tower that is wanted is taken. Weights that are missing are refused, but for a pooler that the rule does not need.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from labeling.adapters.models.checkpoints import From, load_checkpoint, refuse_missing
from labeling.adapters.models.model_files import load_dual_encoder
from labeling.errors import Invalid
from labeling.prelabel.encoders.backbone import Backbone
from labeling.prelabel.encoders.encoders import SentenceEncoder
from labeling.prelabel.encoders.model_hash import hash_of_model
from labeling.prelabel.encoders.towers import ImageTower, TextTower

__all__ = ["load_backbone", "load_sentences"]


def load_backbone(name: str, device: str = "cpu") -> ImageTower:
    """Any vision model of transformers as an encoder of images; `load_checkpoint` says which errors there are."""
    if load_checkpoint(name, _is_dual):
        encoder = load_dual_encoder(name, device)
        return ImageTower(encoder.image_name, encoder.encode_images)
    return load_checkpoint(name, lambda where: _backbone(name, where, device))


def load_sentences(name: str, device: str = "cpu") -> TextTower:
    """Any text encoder of transformers, its tokens' mean, on the CPU; a dual encoder's text tower on the device.

    `load_checkpoint` says which errors there are.
    """
    if load_checkpoint(name, _is_dual):
        encoder = load_dual_encoder(name, device)
        return TextTower(encoder.text_name, encoder.encode_texts)
    return load_checkpoint(name, lambda where: _sentences(name, where))


def _is_dual(where: From) -> bool:
    config = AutoConfig.from_pretrained(**where)
    return hasattr(config, "text_config") and hasattr(config, "vision_config")


def _backbone(name: str, where: From, device: str) -> ImageTower:
    config = AutoConfig.from_pretrained(**where)
    model, found = AutoModel.from_pretrained(**where, dtype=torch.float32, output_loading_info=True)
    if not hasattr(model, "main_input_name") or model.main_input_name != "pixel_values":
        raise Invalid(f"{name!r} ({config.model_type}) does not look at images: name a ViT, a DINOv2 or the like.")
    _drop_random_pooler(model, found)
    refuse_missing(name, found)
    processor = AutoImageProcessor.from_pretrained(**where)
    pinned = hash_of_model(model, [model.config.to_dict(), processor.to_dict()])[:16]
    backbone = Backbone(f"{config.model_type}-backbone-{pinned}", model, processor, device)
    return ImageTower(backbone.name, backbone.encode)


def _sentences(name: str, where: From) -> TextTower:
    config = AutoConfig.from_pretrained(**where)
    if getattr(config, "is_encoder_decoder", False):
        raise Invalid(f"{name!r} ({config.model_type}) also writes: name an encoder of sentences, such as MiniLM.")
    model, found = AutoModel.from_pretrained(**where, dtype=torch.float32, output_loading_info=True)
    if getattr(model, "main_input_name", "") != "input_ids":
        raise Invalid(f"{name!r} ({config.model_type}) does not read texts: name a sentence encoder, such as MiniLM.")
    _drop_random_pooler(model, found)
    refuse_missing(name, found)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    pinned = hash_of_model(model, [model.config.to_dict(), tokenizer.get_vocab()])[:16]
    encoder = SentenceEncoder(f"{config.model_type}-sentences-{pinned}", model, tokenizer)
    return TextTower(encoder.name, encoder.encode)


def _drop_random_pooler(model: Any, found: dict[str, Any]) -> None:
    """Take away a pooler that the checkpoint has no weights for: it would be random numbers, and the mean does."""
    missing = [key for key in found["missing_keys"] if not key.startswith("pooler.")]
    if len(missing) < len(found["missing_keys"]):
        model.pooler = None
    found["missing_keys"] = missing
