"""The bundled network as OpenVINO runs it: converted once, stored whole, and used only if its vectors are PyTorch's.

In: the folder for models. Out: a network that several threads may call at once. Invariant: a conversion that is half
written, or changed since, or that computes something else than PyTorch, is not used.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import warnings
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from labeling.adapters.models.model_files import LITE0_NAME, load_bundled_classifier
from labeling.adapters.storage.atomic_files import new_folder
from labeling.adapters.storage.sealed_bytes import folder_is_whole, seal_folder
from labeling.errors import Invalid
from labeling.prelabel.encoders.efficientnet_lite import IMAGE_SIZE, lite0_pixels
from labeling.prelabel.encoders.encoders import Pixels
from labeling.prelabel.encoders.torch_network import ImageClassifier, TorchNetwork
from labeling.prelabel.engine import Vectors

__all__ = ["CompiledNetwork", "converted_network", "digest_of", "has_openvino", "load_openvino"]

SAME = 0.9999
"""The least cosine between OpenVINO's vectors and PyTorch's."""
RECIPE = 1
"""Raised when the conversion changes, so that what an older one made is not taken for its result."""
FILES = ("network.xml", "network.bin")
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""The precision for OpenVINO; a network in int8 itself marks its short numbers."""
CALIBRATION_IMAGES = 64
KEPT_LONG = ["Multiply", "Sigmoid", "Add"]
"""Operations that stay float32 in int8: the gates that never close, and the shortcuts."""


class CompiledNetwork:
    """A network in `lanes` copies side by side, on `threads` threads together.

    Raises
    ------
    Invalid
        When this processor does not compute in such numbers.
    """

    def __init__(self, path: Path, *, dtype: str = "float32", threads: int = 1, lanes: int = 1) -> None:
        core = _core()
        if HINTS[dtype].upper() not in (*core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), "F32"):
            raise Invalid(f"This processor does not compute in {dtype}. Unset HARDCASE_DTYPE.")
        settings = {"INFERENCE_PRECISION_HINT": HINTS[dtype], "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": lanes}
        compiled = core.compile_model(path, "CPU", settings)
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(lanes):
            self._free.put(compiled.create_infer_request())

    def __call__(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        request = self._free.get()
        try:
            found = request.infer({0: pixels})
            return found[0], found[1]
        finally:
            self._free.put(request)


@cache
def _core() -> Any:
    """OpenVINO's own state, one a process and never released.

    Each gives the thread that makes it a signal stack. When two are released in the order in which they were made, the
    second restores the stack of the first, which no longer exists: the next signal, such as the one that stops a
    worker, would crash the process.
    """
    return load_openvino().Core()


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def load_openvino() -> ModuleType:
    """The library without its sender of usage statistics, which importing it would otherwise start."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")


def converted_network(models: Path, *, short: bool = False) -> Path:
    """The file of the converted network, whole and unchanged since it was made; made again if it is not.

    `short`: in int8, by NNCF, which measures the range of its numbers on parts of two photographs.

    Raises
    ------
    Invalid
        When OpenVINO computes other vectors than PyTorch, or NNCF is not installed.
    """
    if short:
        _nncf()  # before the network is converted, which takes seconds
    version = load_openvino().__version__.split("-")[0]
    folder = models / f"{LITE0_NAME}-openvino-{version}-{RECIPE}{'-int8' if short else ''}"
    if not folder_is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        _keep(_shortened(converted_network(models)) if short else _converted(models), folder)
    return folder / FILES[0]


def digest_of(path: Path) -> str:
    """A hash of a converted network: int8 made on another machine may differ, and then has another name."""
    return sha256(json.dumps(_sums(path.parent), sort_keys=True).encode()).hexdigest()


def _sums(folder: Path) -> dict[str, str]:
    there = [folder / name for name in FILES if (folder / name).is_file()]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in there}


def _converted(models: Path) -> Any:
    network = ImageClassifier(load_bundled_classifier(models)).eval()
    openvino, shape = load_openvino(), [3, IMAGE_SIZE, IMAGE_SIZE]
    decoder = import_module("openvino.frontend.pytorch.ts_decoder").TorchScriptPythonDecoder
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every Python value that it takes for a constant
        # its check traces a second time, half of the work; `_compare` compares what is computed
        traced = decoder(network, example_input=torch.zeros(1, *shape), trace_kwargs={"check_trace": False})
        graph = openvino.convert_model(traced, input=[-1, *shape])
    with TemporaryDirectory() as folder:
        openvino.save_model(graph, Path(folder) / FILES[0], compress_to_fp16=False)
        _compare(network, Path(folder) / FILES[0])
    return graph


def _nncf() -> ModuleType:
    try:
        return import_module("nncf")
    except ImportError as error:
        raise Invalid("int8 needs a package more. Type: pip install 'hardcase[quantized]'") from error


def _shortened(path: Path) -> Any:
    """The network in int8 where that is known to serve."""
    nncf = _nncf()
    nncf.set_log_level(logging.ERROR)
    return nncf.quantize(
        _core().read_model(path),
        nncf.Dataset([lite0_pixels([part]) for part in _parts_of_photographs()]),
        subset_size=CALIBRATION_IMAGES,
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=False,
        ignored_scope=nncf.IgnoredScope(types=KEPT_LONG, validate=False),
    )


def _parts_of_photographs() -> list[Image.Image]:
    """Squares of the two photographs that scikit-learn brings, at many scales and turned: the same everywhere."""
    rng = np.random.default_rng(0)
    whole = [Image.fromarray(load_sample_image(name)) for name in ("flower.jpg", "china.jpg")]
    parts = []
    for number in range(CALIBRATION_IMAGES):
        image, side = whole[number % 2], int(rng.integers(120, 420))
        left, top = int(rng.integers(image.width - side)), int(rng.integers(image.height - side))
        part = image.crop((left, top, left + side, top + side))
        parts.append(part.rotate(90 * int(rng.integers(4))))
    return parts


def _keep(graph: Any, folder: Path) -> None:
    """Write the network's files and their checksums into the folder, all or none."""
    with new_folder(folder) as staged:
        load_openvino().save_model(graph, staged / FILES[0], compress_to_fp16=False)
        seal_folder(staged)


def _compare(network: torch.nn.Module, path: Path) -> None:
    """Refuse a conversion whose vectors are not those of PyTorch."""
    noise = np.random.default_rng(0).normal(size=(2, 3, IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
    ours, _ = CompiledNetwork(path)(noise)
    theirs, _ = TorchNetwork(network)(noise)
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    if not (cosines > SAME).all():
        raise Invalid(
            f"OpenVINO computes other vectors than PyTorch on this machine (cosine {cosines.min():.5f}). Type: pip "
            "install --upgrade openvino; or pip uninstall openvino, and PyTorch computes them."
        )
