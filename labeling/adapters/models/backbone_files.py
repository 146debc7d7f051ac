"""Loads vision models and sentence models as encoders: from a folder or the hub, whatever transformers loads.

In: a name as a user writes it. Out: a tower whose name pins weights, architecture and preprocessing. Of a dual encoder
the tower that is wanted is taken. Weights that are missing are refused, but for a pooler that the rule does not need.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from labeling.adapters.models.checkpoints import From, is_dual_encoder, load_checkpoint, refuse_missing
from labeling.adapters.models.model_files import load_dual_encoder
from labeling.errors import Invalid
from labeling.prelabel.encoders.backbone import Backbone
from labeling.prelabel.encoders.encoders import SentenceEncoder
from labeling.prelabel.encoders.model_hash import hash_of_model
from labeling.prelabel.encoders.towers import ImageTower, TextTower
from labeling.prelabel.picture_size import size_for

__all__ = ["load_backbone", "load_sentences"]


def load_backbone(name: str, device: str = "cpu") -> ImageTower:
    """Any vision model of transformers as an encoder of images; `load_checkpoint` says which errors there are."""
    if load_checkpoint(name, _is_dual):
        encoder = load_dual_encoder(name, device)
        return ImageTower(encoder.image_name, encoder.encode_images, encoder.size)
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
    return is_dual_encoder(AutoConfig.from_pretrained(**where))


def _backbone(name: str, where: From, device: str) -> ImageTower:
    model = _model(name, where, "pixel_values", "takes no images: name a ViT, a DINOv2 or the like")
    processor = AutoImageProcessor.from_pretrained(**where)
    pinned = hash_of_model(model, [model.config.to_dict(), processor.to_dict()])[:16]
    size = size_for(processor)
    backbone = Backbone(f"{model.config.model_type}-backbone-{pinned}{size.suffix}", model, processor, device)
    return ImageTower(backbone.name, backbone.encode, size)


def _sentences(name: str, where: From) -> TextTower:
    config = AutoConfig.from_pretrained(**where)
    if getattr(config, "is_encoder_decoder", False):
        raise Invalid(f"{name!r} ({config.model_type}) also writes: name an encoder of sentences, such as MiniLM.")
    model = _model(name, where, "input_ids", "does not read texts: name a sentence encoder, such as MiniLM")
    tokenizer = AutoTokenizer.from_pretrained(**where)
    pinned = hash_of_model(model, [model.config.to_dict(), tokenizer.get_vocab()])[:16]
    encoder = SentenceEncoder(f"{model.config.model_type}-sentences-{pinned}", model, tokenizer)
    return TextTower(encoder.name, encoder.encode)


def _model(name: str, where: From, reads: str, refusal: str) -> Any:
    """The model with all its weights; Invalid where its main input is another one than `reads`."""
    model, found = AutoModel.from_pretrained(**where, dtype=torch.float32, output_loading_info=True)
    if getattr(model, "main_input_name", "") != reads:
        raise Invalid(f"{name!r} ({model.config.model_type}) {refusal}.")
    _drop_random_pooler(model, found)
    refuse_missing(name, found)
    return model


def _drop_random_pooler(model: Any, found: dict[str, Any]) -> None:
    """Remove a pooler without weights in the checkpoint: it would be random, and the mean is used instead."""
    missing = [key for key in found["missing_keys"] if not key.startswith("pooler.")]
    if len(missing) < len(found["missing_keys"]):
        model.pooler = None
    found["missing_keys"] = missing
