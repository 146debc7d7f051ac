"""How fast the bundled engine turns JPEGs into vectors: end to end against its parts and against a naive loop.

`python -m bench.embed [--images 64] [--threads 2]`. The floor is what the parts cost one after the other on the same
cores: decoding alone plus the forward pass alone. Naive: every JPEG decoded whole, one at a time, default layout.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from bench.report import at_least, emit
from labeling.adapters.model_files import load_bundled_images
from labeling.prelabel.encoders import IMAGES_A_BATCH, ImageEncoder
from labeling.prelabel.reading import open_shown

SIZES = {"640x480": (640, 480), "1080p": (1920, 1080), "12MP": (4000, 3000)}
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64, help="images a size; a multiple of 8")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        encoder, plain = load_bundled_images(Path(folder)), load_bundled_images(Path(folder))
    model = plain.model.to(memory_format=torch.contiguous_format)
    lines = []
    for name, size in SIZES.items():
        files = _photographs(arguments.images, size, np.random.default_rng(0))
        lines.append({"size": name, "unit": "images/s", **_rates(encoder, model, files, arguments.threads)})
    by_size = {line["size"]: line for line in lines}
    targets = {
        "of the floor, 640x480": at_least(by_size["640x480"]["of_floor"], 0.9),
        "of the floor, 1080p": at_least(by_size["1080p"]["of_floor"], 0.9),
        "over the naive loop, 1080p": at_least(by_size["1080p"]["over_naive"], 5.0),
        "over the naive loop, 12MP": at_least(by_size["12MP"]["over_naive"], 5.0),
    }
    emit("embed", targets, lines)


def _rates(encoder: ImageEncoder, model: Any, files: list[bytes], threads: int) -> dict[str, Any]:
    pixels = encoder.pixels([open_shown(file) for file in files[:IMAGES_A_BATCH]])
    arms: dict[str, Callable[[], object]] = {
        "end_to_end": lambda: encoder.encode(_decode(files, threads)),
        "decode": lambda: _decode(files, threads),
        "forward": lambda: [encoder.forward(pixels) for _ in range(len(files) // IMAGES_A_BATCH)],
        "naive": lambda: [_naive(encoder, model, file) for file in files],
    }
    seconds = {name: min(times) for name, times in _interleaved(arms).items()}
    rates = {name: len(files) / seconds[name] for name in arms}
    floor = 1 / (1 / rates["decode"] + 1 / rates["forward"])
    ratios = {
        "of_floor": rates["end_to_end"] / floor,
        "of_forward": rates["end_to_end"] / rates["forward"],
        "over_naive": rates["end_to_end"] / rates["naive"],
    }
    return {name: round(value, 3) for name, value in {**rates, **ratios}.items()}


def _interleaved(arms: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of every arm, all arms in turn: what else the machine does meets them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(REPEATS):
        for name, work in arms.items():
            started = perf_counter()
            work()
            seconds[name].append(perf_counter() - started)
    return seconds


def _decode(files: list[bytes], threads: int) -> list[Image.Image]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(open_shown, files))


def _naive(encoder: ImageEncoder, model: Any, file: bytes) -> object:
    image = Image.open(io.BytesIO(file)).convert("RGB")
    with torch.inference_mode():
        return model(encoder.pixels([image]).contiguous()).logits


def _photographs(n: int, size: tuple[int, int], rng: np.random.Generator) -> list[bytes]:
    """Different JPEGs of one size, cut from the photographs that come with scikit-learn."""
    sources = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    files = []
    for i in range(n):
        left, top = (int(x) for x in rng.integers(0, 100, 2))
        buffer = io.BytesIO()
        sources[i % 2].resize(size, box=(left, top, left + 500, top + 300)).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


if __name__ == "__main__":
    main()
