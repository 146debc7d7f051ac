"""Models from a folder or from the hub, by one rule, with errors that say what to do.

In: a name as a user writes it and a function that loads it. Out: what that function made. A folder is an absolute path
and needs no network; of a name on the hub, what the cache holds whole is taken from there. No code that comes with a
model is run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import constants as hub
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from labeling.errors import Invalid, Unavailable

__all__ = ["From", "first_line", "is_dual_encoder", "load_checkpoint", "refuse_missing", "stay_offline"]

PACKAGES = {
    **dict.fromkeys(("sentencepiece", "protobuf"), "'hardcase[siglip]'"),
    **{name: name for name in ("tiktoken", "torchvision", "num2words", "timm")},
}
"""Packages that some models need beside transformers, and what installs each; an error about one says so."""
T = TypeVar("T")
From = dict[str, Any]
"""The arguments of `from_pretrained` that say where from: the name, whether from here only, and no foreign code."""


def load_checkpoint(name: str, load: Callable[[From], T]) -> T:
    """What `load` makes of the model's files; it is called with the arguments that `from_pretrained` takes.

    Raises
    ------
    Invalid
        When there is no such folder, or what is there cannot be loaded.
    Unavailable
        When a name could not be fetched from the hub.
    """
    transformers_logging.disable_progress_bar()
    folder = Path(name).expanduser()
    try:
        return _from_folder(folder, load) if folder.is_absolute() else _from_hub(name, load)
    except (ImportError, KeyError, MemoryError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise Invalid(f"The model {name!r} cannot be loaded; {_way_out(error)}. {first_line(error)}") from error


def stay_offline() -> None:
    """From now on this process never asks the hub; only its cache is used."""
    hub.HF_HUB_OFFLINE = True


def refuse_missing(name: str, found: dict[str, Any]) -> None:
    """Invalid where weights are missing: they would be random numbers. `found` is transformers' loading info."""
    if found["missing_keys"]:
        raise Invalid(f"{name!r} lacks {len(found['missing_keys'])} of its weights; download or copy it again.")


def is_dual_encoder(config: Any) -> bool:
    """Whether a configuration has an image tower and a text tower."""
    return hasattr(config, "text_config") and hasattr(config, "vision_config")


def first_line(error: Exception) -> str:
    """The first line of the library's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _way_out(error: Exception) -> str:
    """What to do about it: most errors are of the files, but not one of memory or of a package that is missing."""
    said = str(error).lower()
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in said:
        return "there is not enough memory for it: name a smaller one, or give this machine more"
    for package, installed_by in PACKAGES.items():
        if package in said:
            return f"it needs a package more ({package}). Type: pip install {installed_by}"
    return "download it again or name another"


def _from_folder(folder: Path, load: Callable[[From], T]) -> T:
    if not folder.is_dir():
        raise Invalid(
            f"There is no folder {folder}. Write the absolute path of a model's folder, or a name on the hub."
        )
    try:
        return load(_where(str(folder), local=True))
    except OSError as error:
        raise Invalid(f"{folder} is not a whole checkpoint; copy or download it again. {first_line(error)}") from error


def _from_hub(name: str, load: Callable[[From], T]) -> T:
    try:
        return load(_where(name, local=True))
    except (OSError, TypeError, ValueError):  # not in the cache, or only a part of it
        pass
    try:
        return load(_where(name, local=False))
    except OSError as error:
        raise Unavailable(
            f"{name!r} could not be fetched from the hub: {first_line(error)} Check the name (owner/model) and the "
            "network, or write the absolute path of a folder with the model."
        ) from error


def _where(name: str, *, local: bool) -> From:
    return {"pretrained_model_name_or_path": name, "local_files_only": local, "trust_remote_code": False}
