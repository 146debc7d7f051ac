"""Extremely narrow pictures: every engine and encoder takes them, within the memory and the time of any other."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor, CLIPProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from labeling.adapters.models.backbone_files import load_backbone
from labeling.adapters.models.generative_files import Hardware, load_picture_model
from labeling.adapters.models.region_files import load_region_finder
from labeling.prelabel.engines.dual_encoder import DualEncoder
from tests.tiny_clipseg import make_clipseg
from tests.tiny_encoders import VISION_MODELS, save_clip, save_vision
from tests.tiny_models import make_llava

SHAPES = [(1, 20_000), (20_000, 1), (3, 60_000), (60_000, 2)]


def drawn(size: tuple[int, int]) -> Image.Image:
    width, height = size
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def costs(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and how many MiB the process has grown at its largest."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    work()
    return time.process_time() - started, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


@pytest.mark.parametrize("size", SHAPES)
def test_a_dual_encoder_never_scales_their_short_side(size: tuple[int, int], tmp_path: Path) -> None:
    save_clip(tmp_path)
    tokenizer = AutoProcessor.from_pretrained(tmp_path).tokenizer
    images = CLIPImageProcessorPil(size={"shortest_edge": 224}, crop_size={"height": 32, "width": 32})
    model = AutoModel.from_pretrained(tmp_path)
    encoder = DualEncoder(model, CLIPProcessor(image_processor=images, tokenizer=tokenizer))

    seconds, grown = costs(lambda: encoder.encode_images([drawn(size)]))

    assert seconds < 2
    assert grown < 1_000


@pytest.mark.parametrize("size", SHAPES)
def test_a_vision_model_and_a_finder_of_regions_take_them(size: tuple[int, int], tmp_path: Path) -> None:
    save_vision(next(iter(VISION_MODELS)), tmp_path / "vision")
    tower = load_backbone(str(tmp_path / "vision"))
    finder = load_region_finder(str(make_clipseg(tmp_path / "clipseg")))
    image = drawn(size)

    seconds, grown = costs(lambda: (tower.encode([image]), finder.find(image, "a cat")))

    assert finder.find(image, "a cat").shape == (size[1], size[0])
    assert seconds < 4
    assert grown < 1_000
    assert torch.isfinite(torch.from_numpy(tower.encode([image]))).all()


def test_a_vision_language_model_takes_them(tmp_path: Path) -> None:
    model = load_picture_model(str(make_llava(tmp_path)), Hardware(torch.device("cpu"), "float32"))

    seconds, grown = costs(lambda: model.score(drawn((1, 20_000)), "What is it?", ["a cat", "a dog"]))

    assert seconds < 10
    assert grown < 1_000
