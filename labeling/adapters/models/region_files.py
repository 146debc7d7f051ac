"""Loads a model that finds regions for texts, as CLIPSeg does: from a folder or the hub."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoProcessor

from labeling.adapters.models.checkpoints import From, load_checkpoint, refuse_missing
from labeling.errors import Invalid
from labeling.explain.regions import RegionFinder

__all__ = ["load_region_finder"]

ENDING = "ForImageSegmentation"


def load_region_finder(name: str) -> RegionFinder:
    """The model with its processor; `load_checkpoint` says which errors there are."""
    return load_checkpoint(name, lambda where: _region_finder(name, where))


def _region_finder(name: str, where: From) -> RegionFinder:
    config = AutoConfig.from_pretrained(**where)
    architecture = (config.architectures or [""])[0]
    kind: Any = getattr(transformers, architecture, None) if architecture.endswith(ENDING) else None
    if kind is None or not hasattr(config, "text_config"):
        raise Invalid(f"{name!r} ({config.model_type}) finds no regions for texts: name a CLIPSeg or the like.")
    model, found = kind.from_pretrained(**where, dtype=torch.float32, output_loading_info=True)
    refuse_missing(name, found)
    return RegionFinder(model, AutoProcessor.from_pretrained(**where))
