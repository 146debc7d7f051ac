"""The bundled network as OpenVINO runs it: converted once, kept whole, and used only if its vectors are PyTorch's.

In: the folder for models. Out: a network that several threads may call at once. Invariant: a conversion that is half
written, or changed since, or that computes something else than PyTorch, is not used.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import numpy as np
import torch

from labeling.adapters.model_files import LITE0_NAME, load_bundled_classifier
from labeling.errors import Invalid
from labeling.prelabel.efficientnet_lite import IMAGE_SIZE
from labeling.prelabel.encoders import Pixels
from labeling.prelabel.engine import Vectors
from labeling.prelabel.networks import Seeing, TorchNetwork

__all__ = ["CompiledNetwork", "converted_network", "has_openvino", "load_openvino"]

SAME = 0.9999
"""The least cosine between OpenVINO's vectors and PyTorch's."""
RECIPE = 1
"""Raised when the conversion changes, so that what an older one made is not taken for its result."""
FILES = ("network.xml", "network.bin")
HINTS = {"float32": "f32", "bfloat16": "bf16"}


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
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[dtype],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": lanes,
        }
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
    """OpenVINO's own state, one a process and never let go of.

    Each gives the thread that makes it a signal stack. Of two that are let go of in the order in which they were made,
    the second puts the first one's back, which is gone by then: the next signal, such as the one that stops a worker,
    would crash the process.
    """
    return load_openvino().Core()


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def load_openvino() -> ModuleType:
    """The library without its sender of usage statistics, which importing it would otherwise start."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")


def converted_network(models: Path) -> Path:
    """The file of the converted network, whole and unchanged since it was made; made again if it is not.

    Raises
    ------
    Invalid
        When OpenVINO computes other vectors than PyTorch.
    """
    version = load_openvino().__version__.split("-")[0]
    folder = models / f"{LITE0_NAME}-openvino-{version}-{RECIPE}"
    if not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        _convert(models, folder)
    return folder / FILES[0]


def _is_whole(folder: Path) -> bool:
    sums = folder / "sha256.json"
    return sums.is_file() and json.loads(sums.read_text()) == _sums(folder)


def _sums(folder: Path) -> dict[str, str]:
    there = [folder / name for name in FILES if (folder / name).is_file()]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in there}


def _convert(models: Path, folder: Path) -> None:
    """Make the files beside their place and move them there whole; a second process may win the race."""
    openvino = load_openvino()
    network = Seeing(load_bundled_classifier(models)).eval()
    shape = [3, IMAGE_SIZE, IMAGE_SIZE]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every Python value that it takes for a constant
        graph = openvino.convert_model(network, example_input=torch.zeros(1, *shape), input=[-1, *shape])
    staged = Path(mkdtemp(dir=models))
    openvino.save_model(graph, staged / FILES[0], compress_to_fp16=False)
    _compare(network, staged / FILES[0])
    (staged / "sha256.json").write_text(json.dumps(_sums(staged)))
    try:
        staged.rename(folder)
    except OSError:
        shutil.rmtree(staged)
        if not _is_whole(folder):
            raise


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
