"""Near-duplicates: which made copies are found, which distinct images are joined, and what a search costs.

Six sets of pictures that are alike to different degrees, some of them with five copies each. They arrive in a random
order, and thresholds are frozen from the first 200, as the product does. Both rules take the same images: ours, and
that of version 0.1.0 (cosine of the bundled vectors, or 64-bit hashes). The cost is that of searching made-up
fingerprints, a batch of 256 at a time.

python -m bench.groups [--quick] [--seeds 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.groups_pictures import COPIES, SETS, stamps
from bench.report import at_least, at_most, emit
from labeling.ingest.fingerprints import Fingerprints, fingerprint
from labeling.ingest.groups import group
from labeling.ingest.twin_index import TwinIndex
from labeling.ingest.twins import MIN_IMAGES, TwinRule, adaptive_rule
from labeling.vectors import unit
from service.settings import Settings
from service.work.engines.bundled_encoder import bundled_images

FIRST_SEED = 10
"""The rule was chosen on draws with the seeds 0 to 2; these are others."""
COPIED = 32
"""Of so many images of each set there is one copy of each sort."""
BATCH, NEWEST = 256, 128
Line = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """N images in the order of arrival: which original each shows (N,), and how it was copied ("": not)."""

    images: list[Image.Image]
    shows: NDArray[np.int64]
    copied: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one seed, without the old rule, pools of 10,000 and 100,000"
    )
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if options.quick else options.seeds))
    with tempfile.TemporaryDirectory(prefix="bench-groups") as folder:
        runs = [
            line for seed in seeds for line in _runs(seed, Path(folder), old=not options.quick and seed == FIRST_SEED)
        ]
    lines = [
        *_means([run for run in runs if run["rule"] == "adaptive"]),
        *(r for r in runs if r["rule"] != "adaptive"),
    ]
    costs = _costs((10_000, 100_000) if options.quick else (10_000, 100_000, 1_000_000))
    ours = [line for line in lines if line["rule"] == "adaptive"]
    emit(
        "groups",
        {
            "copies_found_mean": at_least(float(np.mean([line["found"] for line in ours])), 0.9),
            "copies_found_worst_set": at_least(min(line["found"] for line in ours), 0.8),
            "wrongly_joined_worst_set": at_most(max(line["wrongly_joined"] for line in ours), 0.015),
            "cost_of_largest_over_10000": at_most(costs[-1]["ms_per_image"] / costs[0]["ms_per_image"], 2.0),
        },
        [*lines, *costs],
    )


def _runs(seed: int, home: Path, *, old: bool) -> list[Line]:
    """One line a set and rule."""
    lines = []
    for name in ("stamps", *SETS):
        pictures = _pictures(name, np.random.default_rng(seed), home)
        begun = time.perf_counter()
        prints = Fingerprints.read([fingerprint(image) for image in pictures.images])
        ms = 1_000 * (time.perf_counter() - begun) / len(prints)
        names = [str(at) for at in range(len(prints))]
        rule = adaptive_rule(prints[:MIN_IMAGES], np.random.default_rng(0))
        founders = np.array(group(prints, names, rule, {}), dtype=np.int64)
        line = {"set": name, "rule": "adaptive", "seed": seed, **_judge(pictures, founders)}
        lines.append(line | {"sure": rule.sure, "near": rule.near, "fingerprint_ms": round(ms, 2)})
        if old:
            lines.append({"set": name, "rule": "0.1.0", **_judge(pictures, _by_the_old_rule(pictures, home))})
    return lines


def _pictures(name: str, rng: np.random.Generator, home: Path) -> Pictures:
    originals = stamps(600, rng, home) if name == "stamps" else SETS[name](240, rng)
    images, shows, copied = list(originals), list(range(len(originals))), [""] * len(originals)
    for at in rng.permutation(len(originals))[:COPIED].tolist():
        for how, copy in COPIES.items():
            images.append(copy(originals[at]))
            shows.append(at)
            copied.append(how)
    order = rng.permutation(len(images)).tolist()
    return Pictures([images[at] for at in order], np.array(shows)[order], [copied[at] for at in order])


def _judge(pictures: Pictures, groups: NDArray[np.int64]) -> Line:
    """The share of copies in their original's group, and of originals in a group with another original."""
    copied = np.array(pictures.copied)
    original = np.flatnonzero(copied == "")
    group_of = dict(zip(pictures.shows[original].tolist(), groups[original].tolist(), strict=True))
    home = np.array([group_of[shown] for shown in pictures.shows.tolist()])
    found = {how: float((groups == home)[copied == how].mean()) for how in COPIES}
    sizes = np.bincount(groups[original], minlength=len(groups))
    wrong = float((sizes[groups[original]] > 1).mean())
    return {"images": len(original), "found": float(np.mean(list(found.values()))), "wrongly_joined": wrong, **found}


def _means(runs: Sequence[Line]) -> list[Line]:
    """One line a set: means over the seeds, and the worst share of wrongly joined images beside them."""
    lines = []
    for name in dict.fromkeys(run["set"] for run in runs):
        some = [run for run in runs if run["set"] == name]
        numbers = [key for key, value in some[0].items() if isinstance(value, float | int) and key != "seed"]
        means = {key: round(statistics.mean(run[key] for run in some), 4) for key in numbers}
        worst = round(max(run["wrongly_joined"] for run in some), 4)
        lines.append({"set": name, "rule": "adaptive", "seeds": len(some), **means, "worst_wrongly_joined": worst})
    return lines


def _by_the_old_rule(pictures: Pictures, home: Path) -> NDArray[np.int64]:
    """Cosine over .95 or at most 6 of 64 bits; each image joins the group of the first that it is near to."""
    encoder = bundled_images(Settings(home=home, device="cpu", dtype="float32"))
    some = [pictures.images[at : at + 32] for at in range(0, len(pictures.images), 32)]
    vectors = unit(np.concatenate([encoder.encode(images)[0] for images in some]))
    hashes = [imagehash.phash(image) for image in pictures.images]
    groups = np.arange(len(hashes))
    for new in range(len(hashes)):
        near = np.flatnonzero(vectors[:new] @ vectors[new] > 0.95).tolist()
        near += [old for old in range(new) if hashes[old] - hashes[new] <= 6]
        if near:
            groups[new] = groups[min(near)]
    return groups


def _costs(sizes: Sequence[int]) -> list[Line]:
    """Processor time of searching 256 new images in pools of these sizes; the newest 128 are not sorted yet."""
    rng, index, lines = np.random.default_rng(0), TwinIndex(), []
    for size in sizes:
        while len(index) < size - NEWEST:
            index.add(_made_up(min(32_768, size - NEWEST - len(index)), rng))
        index.add(_made_up(NEWEST, rng))
        taken = []
        for _ in range(9):
            new = _made_up(BATCH, rng)
            begun = time.process_time()
            index.twins(new, TwinRule(25.0, 49.0))
            taken.append(1_000 * (time.process_time() - begun) / BATCH)
        lines.append({"arm": "search", "pool": size, "ms_per_image": round(statistics.median(taken), 3)})
    return lines


def _made_up(n: int, rng: np.random.Generator) -> Fingerprints:
    signs = rng.integers(0, 2**64, (n, 5, 4), dtype=np.uint64)
    strong = rng.integers(0, 2**64, (2, n, 5, 4), dtype=np.uint64)
    return Fingerprints(signs, strong[0] | strong[1], np.full((n, 32), 128, np.uint8), np.ones(n, bool))


if __name__ == "__main__":
    main()
