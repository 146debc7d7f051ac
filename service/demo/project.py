"""The demo's project file and gold: label set, guidelines, a policy for a short run, and images with known labels."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import yaml

from service.demo.images import DemoImages

PROJECT = "demo"
RANDOM, RE_REVIEWED = 0.33, 0.2
"""Parts of a query and of the answers. A project of this size has too few questions for the figures at the defaults."""
PRECISION, CONFIDENCE, SAMPLED = 0.9, 0.9, 50
"""What a certificate promises, and with how many sampled images it is tried, once: some 500 images hold no second size.
The set loses what queries would have picked, so 80 to 100 answers of the random stream bring 50 of the set; from 100 on
verdicts rest on the stream, and each of them shares delta.
"""
GOLD = 30
"""Enough gold images for the figures of the Team page; with few images a sixth of them."""

_HEAD = """\
# The project of `hardcase demo`. Its policy is that of a short run on few images: small queries, a version after few
# labels, and a larger part of the questions for measuring than by default (20 % random, then 10 %; 2 % re-reviewed),
# because certificate, machine labels, the random arm and the share of wrong labels need so many answers however small a
# project is. The certificate is tried once (default: with 100, 200, 400 and 800 sampled images).
"""
_GUIDELINES = """\
What does the picture show? Choose the class that a person would look for it under.
Most pictures have a caption; where the two disagree, the picture decides.
"""


def project_file(images: DemoImages, seed: int = 0) -> str:
    """YAML for `hardcase project create`.

    With few images the query is smaller, and the gate proves almost nothing: it
    needs 10 labels and accepts a lower bound of -30 points.
    """
    few, gold = _few(images), len(_gold(images))
    policy: dict[str, Any] = {
        "engine": "bundled",
        "seed": seed,
        "query_size": 10 if few else 40,
        "low_water": 2,
        "learn_after_labels": 4 if few else 30,
        "shares": {"random_first": RANDOM, "random": RANDOM, "re_review": RE_REVIEWED},
        "certificate": {"precision": PRECISION, "confidence": CONFIDENCE, "first_size": SAMPLED, "sizes": 1},
        "gold": {"rate": 0.0, "people": 4, "onboarding": gold},
    }
    if few:
        policy["gate"] = {"min_labels": 10, "margin": 0.3}
    labels = [{"name": name, "description": text} if text else {"name": name} for name, text in images.classes]
    content = {"name": PROJECT, "labels": labels, "guidelines": _GUIDELINES, "policy": policy}
    return _HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def gold_manifest(images: DemoImages, home: Path) -> Path:
    """Move a few images out of the folder and write their true labels; each annotator gets them first."""
    path, folder = home / "gold.csv", home / "gold"
    folder.mkdir()
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["image", "text", "label", "gold"])
        for name in _gold(images):
            caption = (images.folder / name).with_suffix(".txt")
            text = caption.read_text(encoding="utf-8").strip() if caption.exists() else ""
            (images.folder / name).rename(folder / name)
            caption.unlink(missing_ok=True)
            lines.writerow([f"{folder.name}/{name}", text, images.truth[name], "true"])
    return path


def _gold(images: DemoImages) -> list[str]:
    """The first few by their names, which are hashes; only those that could be decoded."""
    whole = sorted(name for name in images.truth if name.endswith(".png"))
    return whole[: max(1, len(whole) // 6) if _few(images) else GOLD]


def _few(images: DemoImages) -> bool:
    return len(images.truth) < 200
