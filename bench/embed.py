"""Embedding (P9): JPEGs to vectors by the bundled encoder, against its own parts, a naive loop and a peer.

`python -m bench.embed [--quick] [--threads 2]`. Arms take turns; the median round counts. *decode* is everything
before the network (read, decode, resize), *model* the network alone; each has all threads to itself. End to end they
share them, so their sum on the same threads (`of_parts`) is what can be reached on a CPU, and the slower of the two
(`of_slower`) only where the network runs elsewhere. Then the real step: twins and a second run must cost nothing.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import dbos
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from bench.peers.naive_embedding import naive_loop, transformers_pipeline
from bench.report import Target, at_least, at_most, emit
from bench.rounds import rate_line, take_turns
from db import migrate
from db.repositories.projects import projects
from db.session import transaction
from labeling.adapters.models.image_networks import load_bundled_images
from labeling.adapters.models.model_files import LITE0_NAME
from labeling.errors import Invalid
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.encoders.encoders import ImageEncoder
from labeling.prelabel.engine import Engine, Item, Look, Vectors
from labeling.project import EngineUse, LabelClass, Policy, Project, ProjectConfig
from labeling.types import Incoming
from service.ingest.register import register_items
from service.settings import Settings
from service.work.ingest.ingest import fetch_batch
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import Parts, make_parts, utc_now

SIZES = {"640x480": (640, 480), "1080p": (1920, 1080), "12MP": (4000, 3000)}
SLOW = {"naive loop": 4, "transformers pipeline": 4}
"""Arms that see only this part of the images; their rate is the same for any number."""
BY_TORCH = "float32 by torch"
Encoders = dict[str, ImageEncoder]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer images and rounds: under a minute")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    images, rounds = (16, 1) if options.quick else (32, 3)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        home = Path(folder)
        encoders = _encoders(home / "models")
        peers = {
            "naive loop": naive_loop(home / "models" / LITE0_NAME),
            "transformers pipeline": transformers_pipeline(home / "models" / LITE0_NAME),
        }
        lines = [_same_vectors(encoders)]
        targets: dict[str, Target] = {}
        for name, size in SIZES.items():
            files = _photographs(images, size, np.random.default_rng(0))
            rates, of_size = _size(name, files, encoders, peers, options.threads, rounds)
            lines += of_size
            targets |= _targets(name, rates, encoders)
        steps = _steps(home, images, options.threads)
    targets["looked_again_at_twins"] = at_most(steps["looked_at"] - steps["distinct"], 0)
    targets["looked_again_when_resumed"] = at_most(steps["looked_at_when_resumed"] - steps["distinct"], 0)
    emit("embed", targets, [*lines, steps])


def _encoders(models: Path) -> Encoders:
    """Ours in float32 and in bfloat16, and the same by PyTorch, which runs where OpenVINO is not installed."""
    found = {"float32": load_bundled_images(models), BY_TORCH: load_bundled_images(models, compiled=False)}
    try:
        return {**found, "bfloat16": load_bundled_images(models, dtype="bfloat16")}
    except Invalid:  # this processor has no such numbers
        return found


def _same_vectors(encoders: Encoders) -> dict[str, Any]:
    """How near the vectors of each are to those of PyTorch in float32."""
    images = [open_shown(file) for file in _photographs(8, (640, 480), np.random.default_rng(1))]
    expected, _ = encoders[BY_TORCH].encode(images)
    cosines = {name: (encoder.encode(images)[0] * expected).sum(axis=1).min() for name, encoder in encoders.items()}
    return {"arm": "least cosine to torch float32", **{name: round(float(c), 7) for name, c in cosines.items()}}


def _size(
    size: str,
    files: list[bytes],
    encoders: Encoders,
    peers: dict[str, Callable[[Sequence[bytes]], object]],
    threads: int,
    rounds: int,
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Images a second of every arm on JPEGs of one size."""
    arms: dict[str, Callable[[], object]] = {"decode": lambda: _ready(encoders["float32"], files, threads)}
    for name, encoder in encoders.items():
        if name != BY_TORCH:
            arms[f"model, {name}"] = partial(_only_model, encoder, _ready(encoder, files, threads), threads)
        arms[f"ours, {name}"] = partial(_end_to_end, encoder, files, threads)
    for name, peer in peers.items():
        arms[name] = partial(peer, files[:: SLOW[name]])
    seconds = take_turns(arms, rounds)
    lines = [rate_line(arm, len(files[:: SLOW.get(arm, 1)]), taken) for arm, taken in seconds.items()]
    rates = {str(line["arm"]): float(line["images_per_s"]) for line in lines}
    return rates, [{"size": size, **line} for line in lines]


def _targets(size: str, rates: dict[str, float], encoders: Encoders) -> dict[str, Target]:
    targets = {}
    for name in sorted(encoders.keys() - {BY_TORCH}, reverse=True):
        ours, model, decode = rates[f"ours, {name}"], rates[f"model, {name}"], rates["decode"]
        targets[f"{size}, {name}: of_parts"] = at_least(ours * (1 / model + 1 / decode), 0.9)
        targets[f"{size}, {name}: of_slower"] = at_least(ours / min(model, decode), 0.9)
        if size != "640x480":
            targets[f"{size}, {name}: over_naive"] = at_least(ours / rates["naive loop"], 5.0)
    return targets


def _end_to_end(encoder: ImageEncoder, files: Sequence[bytes], threads: int) -> tuple[Vectors, Vectors]:
    with ThreadPoolExecutor(threads) as pool:
        opened = list(pool.map(open_shown, files))
    return encoder.encode(opened)


def _ready(encoder: ImageEncoder, files: Sequence[bytes], threads: int) -> list[Any]:
    """Batches of pixels as the network takes them."""
    batches = [files[start : start + encoder.at_once] for start in range(0, len(files), encoder.at_once)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda batch: encoder.prepare([open_shown(file) for file in batch]), batches))


def _only_model(encoder: ImageEncoder, batches: Sequence[Any], threads: int) -> list[tuple[Vectors, Vectors]]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(encoder.forward, batches))


class _Counting:
    """An engine that counts the images it is given."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.looked_at = engine, 0
        self.name, self.revision = engine.name, engine.revision
        self.image_encoder, self.text_encoder = engine.image_encoder, engine.text_encoder

    def look(self, items: Sequence[Item]) -> Look:
        self.looked_at += len(items)
        return self._engine.look(items)


def _steps(home: Path, distinct: int, threads: int) -> dict[str, Any]:
    """The prelabel step over images of which each came twice: once in one go, once stopped and taken up again."""
    parts = make_parts(Settings(home=home, torch_threads=threads, device="cpu"))
    migrate.upgrade(parts.database)
    dbos.run_dbos_database_migrations(parts.database.url.render_as_string(hide_password=False))
    files = _photographs(distinct, SIZES["640x480"], np.random.default_rng(2))
    whole, stopped = (_fetched(parts, home / name, name, files) for name in ("whole", "stopped"))
    engine = parts.engine_for(whole)
    one, two = _Counting(engine), _Counting(parts.engine_for(stopped))
    started = perf_counter()
    _until_done(parts, whole, one)
    seconds = perf_counter() - started
    prelabel_batch(_with(parts, two), stopped.id, size=distinct // 3)
    _until_done(parts, stopped, two)
    _until_done(parts, stopped, two)
    parts.database.dispose()
    return {
        "arm": "the step itself, 640x480, each image twice",
        "files": 2 * distinct,
        "distinct": distinct,
        "looked_at": one.looked_at,
        "looked_at_when_resumed": two.looked_at,
        "images_per_s": round(distinct / seconds, 1),
    }


def _fetched(parts: Parts, folder: Path, name: str, files: Sequence[bytes]) -> Project:
    """A project whose images are fetched, each under two names."""
    folder.mkdir()
    config = ProjectConfig(name, (LabelClass("temple"), LabelClass("flower")), policy=Policy(engine="bundled"))
    with transaction(parts.database) as session:
        project = projects.create(session, config, salt="salt", author="bench", now=utc_now())
    items = []
    for n, file in enumerate([*files, *files]):
        path = folder / f"{n:04d}.jpg"
        path.write_bytes(file)
        items.append(Incoming(path.name, str(path)))
    with transaction(parts.database) as session:
        register_items(session, parts.jobs, project, items, utc_now(), local=True)
    while fetch_batch(parts, project.id)["left"]:
        pass
    return project


def _until_done(parts: Parts, project: Project, engine: _Counting) -> None:
    while prelabel_batch(_with(parts, engine), project.id)["left"]:
        pass


def _with(parts: Parts, engine: _Counting) -> Parts:
    def engine_for(project: Project, use: EngineUse | None = None) -> Engine:
        return engine

    return replace(parts, engine_for=engine_for)


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
