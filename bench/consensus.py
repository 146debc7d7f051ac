"""Which consensus is the better default: the majority, or one that weighs people by how well they agree?

Simulated projects of 300 images and six classes. Every image has answers by three people, an engine and a classifier
that are right in 70 and 75 of 100, and gets its label as the product gives it: by majority, and where a method that
weighs is more than half sure of a class that somebody gave, by that. `together` of the wrong answers repeat what the
classifier says wrongly, as people err where an image really looks like something else; the others are any class. In an
uneven team one of three errs twice as often as all do on average, the two others half as often.

python -m bench.consensus [--quick]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.report import at_least, emit
from labeling.answers import AnswerSet
from labeling.quality.annotators.aggregation import RaterAnswer, aggregate

IMAGES, CLASSES, PEOPLE = 300, 6, 3
ENGINE_RIGHT, CLASSIFIER_RIGHT = 0.70, 0.75
METHODS = ("majority", "crowdlab", "dawid-skene")
WRONG = (0.05, 0.10, 0.20)
KNOWN = AnswerSet(tuple(f"class {k}" for k in range(CLASSES)))

Classes = NDArray[np.int64]


def project(
    rng: np.random.Generator, wrong: float, together: float, *, uneven: bool
) -> tuple[Classes, Classes, Classes, NDArray[np.float64]]:
    """The truth (N,), people's answers (N, 3), the engine's (N,), the classifier's probabilities (N, K)."""
    truth = rng.integers(CLASSES, size=IMAGES)
    probs = _probabilities(rng, truth)
    engine = np.where(rng.random(IMAGES) < ENGINE_RIGHT, truth, _another(rng, truth))
    rates = wrong * np.array([2.0, 0.5, 0.5] if uneven else [1.0, 1.0, 1.0])
    errs = rng.random((IMAGES, PEOPLE)) < rates
    looks_like = np.where(probs.argmax(axis=1) == truth, _another(rng, truth), probs.argmax(axis=1))
    alike = rng.random((IMAGES, PEOPLE)) < together
    mistaken = np.where(alike, looks_like[:, None], np.stack([_another(rng, truth) for _ in range(PEOPLE)], axis=1))
    return truth, np.where(errs, mistaken, truth[:, None]), engine, probs


def _another(rng: np.random.Generator, truth: Classes) -> Classes:
    return np.asarray((truth + rng.integers(1, CLASSES, size=len(truth))) % CLASSES, np.int64)


def _probabilities(rng: np.random.Generator, truth: Classes) -> NDArray[np.float64]:
    """Sure where right, less so where wrong."""
    right = rng.random(len(truth)) < CLASSIFIER_RIGHT
    named = np.where(right, truth, _another(rng, truth))
    top = np.where(right, rng.uniform(0.5, 0.99, len(truth)), rng.uniform(0.35, 0.8, len(truth)))
    probs = np.repeat(((1 - top) / (CLASSES - 1))[:, None], CLASSES, axis=1)
    probs[np.arange(len(truth)), named] = top
    return probs


def labels(method: str, said: Classes, engine: Classes, probs: NDArray[np.float64]) -> list[int | None]:
    """What each image's label is by this method, as the product applies it; None: a lead decides."""
    people = [_most(row) for row in said]
    if method == "majority":
        return people
    table = [RaterAnswer(i, f"person {k}", KNOWN.classes[c]) for i, row in enumerate(said) for k, c in enumerate(row)]
    table += [RaterAnswer(i, "engine", KNOWN.classes[c]) for i, c in enumerate(engine)]
    found = aggregate(method, table, KNOWN, dict(enumerate(probs.tolist()))).labels
    chosen: list[int | None] = []
    for i, row in enumerate(said):
        code = KNOWN.code(found[i].value or "")
        chosen.append(code if found[i].confidence > 0.5 and code in row else people[i])
    return chosen


def _most(row: Classes) -> int | None:
    counts = np.bincount(row)
    return int(counts.argmax()) if 2 * counts.max() > len(row) else None


def outcomes(seed: int, wrong: float, together: float, *, uneven: bool) -> Mapping[str, tuple[float, float]]:
    """Method -> the shares of images with the right label, and with a wrong one; the rest is a lead's."""
    truth, said, engine, probs = project(np.random.default_rng(seed), wrong, together, uneven=uneven)
    found = {}
    for method in METHODS:
        given = labels(method, said, engine, probs)
        right = np.mean([one == true for one, true in zip(given, truth, strict=True)])
        found[method] = float(right), float(1 - right - np.mean([one is None for one in given]))
    return found


def main() -> None:
    """Every cell, and whether CROWDLAB is at least as good as the majority in each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 projects a cell in place of 40")
    runs = 5 if parser.parse_args().quick else 40
    lines, gains = [], defaultdict[str, list[float]](list)
    for wrong in WRONG:
        for uneven in (False, True):
            for together in (0.0, 0.5):
                cell = [outcomes(seed, wrong, together, uneven=uneven) for seed in range(runs)]
                right = {method: float(np.mean([one[method][0] for one in cell])) for method in METHODS}
                bad = {method: float(np.mean([one[method][1] for one in cell])) for method in METHODS}
                paired = np.array([one["crowdlab"][1] - one["majority"][1] for one in cell])
                error = float(paired.std(ddof=1) / np.sqrt(runs))
                lines.append(
                    {"wrong": wrong, "uneven": uneven, "together": together, "right": right, "wrong_labels": bad}
                    | {"more_wrong": float(paired.mean()), "standard_error": error}
                )
                gains[f"right, {wrong:g} wrong"].append(right["crowdlab"] - right["majority"])
                gains[f"fewer wrong, {wrong:g} wrong"].append(-float(paired.mean()))
    targets = {name: at_least(min(found), 0.0) for name, found in gains.items()}
    emit("consensus", targets, lines)


if __name__ == "__main__":
    main()
