"""Loads generative models, with or without image input: from a folder, a GGUF file or the hub, onto a GPU or the CPU.

In: a name as a user writes it, and the installation's words for device and numbers. Out: a loaded model.
Invariant: a model that does not fit or cannot run here is refused before its weights are fetched, with what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    BitsAndBytesConfig,
)

from labeling.adapters.models.checkpoints import From, load_checkpoint, refuse_missing
from labeling.errors import Invalid
from labeling.prelabel.engines.generative import PictureModel
from labeling.prelabel.language_models.language import LanguageModel

__all__ = ["Hardware", "hardware_for", "load_language_model", "load_picture_model"]

BYTES = {"float32": 4.0, "bfloat16": 2.0, "int8": 1.1, "int4": 0.7}
"""A weight's size, with what stays larger when the rest is made small."""
GGUF = ".gguf"


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where a model runs and in what numbers: `numbers` is one of the keys of `BYTES`."""

    device: torch.device
    numbers: str

    def free_bytes(self) -> int:
        """Free memory of the device where the model runs."""
        if self.device.type == "cuda":
            return int(torch.cuda.mem_get_info(self.device)[0])
        return int(psutil.virtual_memory().available)


def hardware_for(device: str, dtype: str) -> Hardware:
    """What the settings HARDCASE_DEVICE and HARDCASE_DTYPE mean on this machine.

    `auto` is a GPU where there is one, and there bfloat16 if it computes in it. A CPU gets float32.

    Raises
    ------
    Invalid
        When a GPU is asked for and torch sees none, or for small numbers that only a GPU and `bitsandbytes` have.
    """
    has_gpu = torch.cuda.is_available()
    if device.startswith("cuda") and not has_gpu:
        raise Invalid(
            f"HARDCASE_DEVICE is {device}, but torch sees no GPU. Set it to cpu, or install a torch built for your GPU "
            "(make demo TORCH_INDEX=...)."
        )
    place = torch.device(("cuda" if has_gpu else "cpu") if device == "auto" else device)
    if dtype == "auto":
        return Hardware(place, "bfloat16" if place.type == "cuda" and torch.cuda.is_bf16_supported() else "float32")
    if dtype in ("int8", "int4") and not (
        place.type == "cuda" and find_spec("bitsandbytes") and find_spec("accelerate")
    ):
        raise Invalid(
            f"HARDCASE_DTYPE is {dtype}, which needs a GPU and the packages bitsandbytes and accelerate. Type: pip "
            "install 'hardcase[quantized]'. Without a GPU set it to auto, or name a smaller model."
        )
    return Hardware(place, dtype)


def load_picture_model(name: str, hardware: Hardware) -> PictureModel:
    """A vision-language model with a chat template, by AutoModelForImageTextToText.

    Raises
    ------
    Invalid
        When it is no such model, is not whole, lacks a package, or is larger than the memory.
    Unavailable
        When a name could not be fetched from the hub.
    """
    return load_checkpoint(name, lambda where: _picture_model(name, where, hardware))


def load_language_model(name: str, hardware: Hardware) -> LanguageModel:
    """A language model by AutoModelForCausalLM; `name` may end in a GGUF file. The same errors as above."""
    if not name.endswith(GGUF):
        return load_checkpoint(name, lambda where: _language_model(name, where, hardware))
    if not (find_spec("gguf") and find_spec("accelerate")):
        raise Invalid(f"{name!r} needs the packages gguf and accelerate. Type: pip install 'hardcase[described]'")
    folder, _, file = name.rpartition("/")
    home = Path(name).expanduser()
    if home.is_absolute() and not home.is_file():
        raise Invalid(
            f"There is no file {home}. Write the absolute path of a GGUF file, or owner/model/file on the hub."
        )
    return load_checkpoint(folder, lambda where: _language_model(name, {**where, "gguf_file": file}, hardware))


def _picture_model(name: str, where: From, hardware: Hardware) -> PictureModel:
    config = AutoConfig.from_pretrained(**where)
    _refuse_unfit(name, AutoModelForImageTextToText, config, hardware, "a vision-language model such as a LLaVA")
    processor = AutoProcessor.from_pretrained(**where)
    model = _weights(name, AutoModelForImageTextToText, where, hardware)
    return PictureModel(model, processor, hardware.free_bytes)


def _language_model(name: str, where: From, hardware: Hardware) -> LanguageModel:
    if "gguf_file" not in where:  # of a GGUF file the numbers are made larger: its own size says little
        config = AutoConfig.from_pretrained(**where)
        _refuse_unfit(name, AutoModelForCausalLM, config, hardware, "a language model such as a Llama")
    tokenizer = AutoTokenizer.from_pretrained(**where)
    return LanguageModel(_weights(name, AutoModelForCausalLM, where, hardware), tokenizer, hardware.free_bytes)


def _refuse_unfit(name: str, kind: Any, config: Any, hardware: Hardware, wanted: str) -> None:
    """Invalid where the configuration is of another kind of model, or of one that is larger than the free memory."""
    try:
        with torch.device("meta"):  # counts the weights without making them
            size = sum(weight.numel() for weight in kind.from_config(config).parameters())
    except ValueError as error:
        raise Invalid(f"{name!r} ({config.model_type}) does not write: name {wanted}.") from error
    needed, free = size * BYTES[hardware.numbers], hardware.free_bytes()
    if needed > free:
        raise Invalid(
            f"{name!r} needs {needed / 1e9:.1f} GB as {hardware.numbers}, but {free / 1e9:.1f} GB are free "
            f"on {hardware.device}. Set HARDCASE_DTYPE to bfloat16, int8 or int4, or HARDCASE_DEVICE; or name another."
        )


def _weights(name: str, kind: Any, where: From, hardware: Hardware) -> Any:
    """The model on its device; `int8` and `int4` are made of it while it is read."""
    how: dict[str, Any] = {"dtype": torch.float32 if hardware.numbers == "float32" else torch.bfloat16}
    if hardware.numbers in ("int8", "int4"):
        eight = hardware.numbers == "int8"
        how["quantization_config"] = BitsAndBytesConfig(
            load_in_8bit=eight, load_in_4bit=not eight, bnb_4bit_compute_dtype=torch.bfloat16
        )
        how["device_map"] = {"": hardware.device}
    model, found = kind.from_pretrained(**where, **how, output_loading_info=True)
    refuse_missing(name, found)
    return model if "device_map" in how else model.to(hardware.device)
