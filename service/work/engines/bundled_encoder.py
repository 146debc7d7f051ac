"""The bundled image encoder as the settings want it: on which device, in which number format, with how many threads.

In: the settings. Out: the encoder, loaded. Invariant: the name of its vectors depends on the number format in the
settings, never on the hardware of this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeling.errors import Invalid
from labeling.loading import loading
from service.settings import Settings

if TYPE_CHECKING:
    from labeling.prelabel.encoders.encoders import ImageEncoder


def bundled_images(settings: Settings) -> ImageEncoder:
    """The encoder; in bfloat16 where `dtype` names it, in int8 where it does so on a CPU, else in float32."""
    with loading:
        from labeling.adapters.models.image_networks import load_bundled_images

    device = device_of(settings)
    short = settings.dtype == "bfloat16" or (settings.dtype == "int8" and device == "cpu")
    return load_bundled_images(
        settings.home / "models",
        device=device,
        dtype=settings.dtype if short else "float32",
        threads=settings.torch_threads,
    )


def device_of(settings: Settings) -> str:
    """Where to compute: `device`, and for `auto` the GPU if there is one.

    Raises
    ------
    Invalid
        When a GPU is wanted and torch sees none.
    """
    with loading:
        import torch

    has_gpu = torch.cuda.is_available()
    if settings.device == "auto":
        return "cuda" if has_gpu else "cpu"
    if settings.device != "cpu" and not has_gpu:
        raise Invalid(
            f"HARDCASE_DEVICE is {settings.device}, but torch sees no GPU. Set it to cpu, or install a torch built for "
            "your GPU (make demo TORCH_INDEX=...)."
        )
    return settings.device
