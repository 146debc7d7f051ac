"""Whether certificates keep their promise, and how much they accept: whole projects on sets whose classes are known.

A run is a project in a database of its own: the product's steps draw, resolve answers, learn, judge, predict and
certify at planned sizes, while versions change. *Live* is what its own certificates accepted, by the promise of its
terms: those of the cell, else one a run in turn. At its end the sample is drawn anew from the same set 34 times, each
certified by the product's functions: the *draws*. People err in a stated share of the images, towards any class or
towards the one that a classifier takes the image for, and agree on it; a label is wrong if it is not what they agree
on. A cell fails if the exact lower 99.9 % bound of its share of broken promises is above delta; all cells together fail
by the exact 95 % bound.

With `--keep FILE` each run is kept when it is done, and those that the file holds are not done again; a file holds runs
of one state of the code. It needs the extra `bench`.

python -m bench.autolabel [--quick] [--runs 12] [--minutes 60] [--keep FILE] [--only WORDS] [--vectors FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from bench import label_data
from bench.certified_project import Images, PlayedProject, opened, template
from bench.numbers.collections import wrong_answers
from bench.processes import processes
from bench.report import Target, at_least, at_most, emit
from db.repositories.certificates import certificates, sets
from db.repositories.versions import versions
from db.session import reading
from labeling.certify.band import errors_allowed
from labeling.certify.plan import Look, level_of
from labeling.project import CertificateTerms
from labeling.promote.judgement import Sample
from labeling.types import ImageId
from service.work.certify.accept_rule import exclusions
from service.work.certify.attempt import certify_set
from service.work.certify.scored import Scored, score_pool
from service.work.certify.sets import TheSet, read_set_facts, set_of

DRAWS = 34
FIRST_SIZE, SIZES, CONFIDENCE = 30, 3, 0.9
BUDGETS = {"digits": 300, "mnist": 600, "stamps": 300}
PROMISES = {
    "p = .90": CertificateTerms(precision=0.9, confidence=CONFIDENCE, first_size=FIRST_SIZE, sizes=SIZES),
    "p = .95": CertificateTerms(precision=0.95, confidence=CONFIDENCE, first_size=FIRST_SIZE, sizes=SIZES),
    "q = .05": CertificateTerms(finished=0.05, confidence=CONFIDENCE, first_size=FIRST_SIZE, sizes=SIZES),
}
GOALS = {
    ("digits", "p = .90"): 0.86, ("digits", "p = .95"): 0.80,
    ("mnist", "p = .90"): 0.84, ("mnist", "p = .95"): 0.64,
    ("stamps", "p = .90"): 0.40, ("stamps", "q = .05"): 0.45,
}  # fmt: skip
"""The least certified share of all images after the set's budget of answers, in projects whose terms promise this."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of project: `towards` the class that wrong answers name, `arrivals` with copies and groups that join.

    `promise` of its terms: when a certificate is tried follows from them; each in turn where it is empty.
    """

    images: str
    vectors: str = "good"
    wrong: float = 0.0
    towards: str = "any class"
    arrivals: bool = False
    promise: str = ""

    def __str__(self) -> str:
        err = f", {self.wrong:.0%} wrong towards {self.towards}" if self.wrong else ""
        return f"{self.images}, {self.vectors}{err}{', arrivals' if self.arrivals else ''}" + (
            f", {self.promise}" if self.promise else ""
        )


@dataclass(slots=True)
class Run:
    """One project: what its `live` certificates of one promise accepted, and its sample at the end would, by promise.

    `certified` and `kept` are shares of all images, without shadow picks in the set and with them, at the level of one
    look shared over `v`. `draws` counts the broken ones of 34 samples that were drawn anew, tried at all of delta.
    """

    promise: str
    answers: int
    live: int
    live_broken: int
    live_accepted: list[float]
    set_size: int = 0
    sample: int = 0
    whole_sample: int = 0
    v: int = 0
    certified: dict[str, float] = field(default_factory=dict)
    broken: dict[str, bool] = field(default_factory=dict)
    kept: dict[str, float] = field(default_factory=dict)
    broken_kept: dict[str, bool] = field(default_factory=dict)
    draws: dict[str, int] = field(default_factory=dict)
    drawn_certified: dict[str, float] = field(default_factory=dict)
    oracle: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


Found = dict[str, dict[int, Run]]
"""By cell and seed."""
Flags = NDArray[np.bool_]


def cells() -> Iterator[Cell]:
    """Each set by each promise; then people who err, images that arrive, and weak vectors."""
    for images, promise in product(label_data.SETS, PROMISES):
        yield Cell(images, promise=promise)
    for wrong, towards in product((0.02, 0.05, 0.1), ("any class", "its likeness")):
        yield Cell("digits", wrong=wrong, towards=towards)
    for images in label_data.SETS:
        yield Cell(images, wrong=0.05, towards="its likeness", arrivals=True)
    yield Cell("digits", "few dimensions")
    yield Cell("stamps", "noise")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one cell, two runs")
    parser.add_argument("--runs", type=int, default=12, help="of each cell")
    parser.add_argument("--minutes", type=float, default=60, help="no run of a further seed is begun after so many")
    parser.add_argument("--keep", type=Path, help="keeps every run that is done, and begins with those it holds")
    parser.add_argument("--only", default="", help="cells whose name has these words")
    parser.add_argument("--vectors", type=Path, help="a folder that keeps the vectors of the sets")
    chosen = parser.parse_args()
    wanted = [cell for cell in cells() if chosen.only in str(cell)]
    wanted, runs = ([Cell("digits", promise="p = .90")], 2) if chosen.quick else (wanted, chosen.runs)
    found = _kept(chosen.keep)
    with tempfile.TemporaryDirectory(prefix="autolabel") as folder:
        vectors = chosen.vectors or Path(folder)
        vectors.mkdir(parents=True, exist_ok=True)
        names = {cell.images for cell in wanted}
        missing = [name for name in names if not (vectors / f"{name}.npz").exists()]
        with processes(1) as pool:
            pool.submit(label_data.prepare, missing, vectors).result()
        empty = template(Path(folder))
        measure(found, wanted, runs, time.monotonic() + 60 * chosen.minutes, vectors, empty, chosen.keep)
    done = {cell: list(found[str(cell)].values()) for cell in wanted if found[str(cell)]}
    emit("autolabel", targets(done), [row(cell, some) for cell, some in done.items()])


def measure(
    found: Found,
    wanted: Sequence[Cell],
    runs: int,
    until: float,
    vectors: Path,
    empty: Path,
    keep: Path | None,
) -> None:
    """Add a seed of every cell in turn, two at a time."""
    with processes() as pool:
        for seed in range(runs):
            left = [cell for cell in wanted if seed not in found[str(cell)]]
            if time.monotonic() > until:
                return
            n = len(left)
            for cell, run in zip(left, pool.map(play, left, [seed] * n, [vectors] * n, [empty] * n), strict=True):
                found[str(cell)][seed] = run
                if keep is not None:
                    with keep.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"cell": str(cell), "seed": seed, "run": asdict(run)}) + "\n")


def play(cell: Cell, seed: int, vectors: Path, empty: Path) -> Run:
    """One project, until its answers are spent; then its sample is drawn anew."""
    began = time.monotonic()
    images = _images(cell, seed, vectors)
    promise = cell.promise or list(PROMISES)[seed % len(PROMISES)]
    with opened(empty, images, PROMISES[promise], seed, arrivals=cell.arrivals) as project:
        project.play(BUDGETS[cell.images])
        return _looked_at(project, promise, began)


def _images(cell: Cell, seed: int, folder: Path) -> Images:
    one = label_data.load(folder, cell.images, cell.vectors)
    rng = np.random.default_rng([seed, round(1_000 * cell.wrong)])
    said = wrong_answers(one.truth, cell.wrong, one.n_classes, rng)
    if cell.towards != "any class":
        said = np.where(said == one.truth, one.truth, _likeness(one))
    return Images(one.vectors, said, one.n_classes)


def _likeness(images: label_data.ImageSet) -> NDArray[np.int64]:
    """For each image the class, other than its own, that a classifier takes it for most."""
    model = LogisticRegression(C=10.0, max_iter=500)
    probs = cross_val_predict(model, images.vectors, images.truth, cv=3, method="predict_proba")
    probs[np.arange(len(probs)), images.truth] = -1.0
    return np.asarray(probs.argmax(axis=1), np.int64)


def _looked_at(project: PlayedProject, promise: str, began: float) -> Run:
    """What the project's certificates came to, and what its last sample and others of its size would accept."""
    parts, of = project.parts, project.project
    with reading(parts.database) as session:
        terms, champion = certificates.terms_in_force(session, of.id), versions.champion(session, of.id)
        assert terms is not None
        tried = [one for one in certificates.everyone(session, of.id) if one.accepted]
        live = [(one.size, certificates.accepted_of(session, one.id)) for one in tried]
        facts = read_set_facts(session, of, terms, parts.now())
        v = 1 + sets.choices_since(session, of.id, terms.at, Sample.STREAM)
    broken = [
        _is_broken(PROMISES[promise], np.array([_right(project, i.image_id, i.value) for i in some]), size)
        for size, some in live
    ]
    run = Run(promise, project.answers, len(live), sum(broken), [len(some) / len(project.said) for _, some in live])
    if champion is None:
        return run
    scored = score_pool(parts, of, champion)
    names = of.config.classes
    right = np.array(
        [
            _right(project, image, names[k])
            for image, k in zip(scored.pool.image_ids.tolist(), scored.predicted.tolist(), strict=True)
        ]
    )
    excluding = exclusions(parts, of, scored, PROMISES[promise])
    found, whole = (set_of(of, scored, some, None, excluding) for some in (facts, replace(facts, shadows=frozenset())))
    run.set_size, run.sample, run.v, run.whole_sample = len(found.groups), len(found.asked), v, len(whole.asked)
    rng = np.random.default_rng(0)
    for name, words in PROMISES.items():
        level = level_of(Look(1, run.sample, words.delta), versions=v)
        run.certified[name], run.broken[name] = _tried(words, scored, found, right, level)
        run.kept[name], run.broken_kept[name] = _tried(words, scored, whole, right, level)
        again = [_tried(words, scored, _drawn_anew(found, right, rng), right, words.delta) for _ in range(DRAWS)]
        run.draws[name] = sum(one[1] for one in again)
        run.drawn_certified[name] = float(np.mean([one[0] for one in again]))
        run.oracle[name] = _oracle(words, scored, found, right)
    run.seconds = time.monotonic() - began
    return run


def _right(project: PlayedProject, image: int, name: str) -> bool:
    return project.project.config.classes[project.said[ImageId(image)]] == name


def _is_broken(terms: CertificateTerms, right: Flags, size: int) -> bool:
    """Whether labels that were accepted of a set of so many images hold more wrong ones than is promised."""
    wrong = int(np.count_nonzero(~right))
    if terms.finished is not None:
        return wrong > int(errors_allowed(size, 1 - terms.finished))
    return wrong > int(errors_allowed(len(right), terms.precision or 1.0))


def _tried(terms: CertificateTerms, scored: Scored, found: TheSet, right: Flags, level: float) -> tuple[float, bool]:
    """The share of all images above the rank that the whole sample allows, and whether the promise is broken."""
    if not len(found.asked):
        return 0.0, False
    outcome = certify_set(terms, scored, found, len(found.asked), level)
    rows = outcome.accepted
    broken = bool(len(rows)) and _is_broken(terms, right[rows], len(found.groups))
    return outcome.rank / len(scored.pool) if len(rows) else 0.0, broken


def _drawn_anew(found: TheSet, right: Flags, rng: np.random.Generator) -> TheSet:
    """The same set with another uniform sample of the same size, of which people have answered all."""
    asked = rng.permutation(len(found.groups))[: len(found.asked)]
    return replace(found, asked=asked, decided=np.ones(len(asked), bool), right=right[found.rows[asked]])


def _oracle(terms: CertificateTerms, scored: Scored, found: TheSet, right: Flags) -> float:
    """The share of all images above the loosest rank that keeps the promise, by one who knows every answer."""
    sampled = np.zeros(len(found.groups), bool)
    sampled[found.asked] = True
    order = np.argsort(-scored.scores[found.rows], kind="stable")
    free = ~sampled[order]
    wrong = np.cumsum(~right[found.rows[order]] & free)
    of = np.cumsum(free) if terms.finished is None else np.full(len(free), len(free))
    share = terms.precision if terms.finished is None else 1 - terms.finished
    within = np.flatnonzero(wrong <= errors_allowed(of, share or 1.0))
    return float(within[-1] + 1) / len(scored.pool) if len(within) else 0.0


def row(cell: Cell, runs: Sequence[Run]) -> dict[str, Any]:
    """A cell's line: means over its runs, with shares of all images by promise; broken draws by promise."""
    draws = DRAWS * len(runs)
    found: dict[str, Any] = {
        "cell": str(cell), "runs": len(runs), "answers": _mean(run.answers for run in runs),
        "set": _mean(run.set_size for run in runs), "sample": _mean(run.sample for run in runs),
        "v": _mean(run.v for run in runs), "live": sum(run.live for run in runs),
        "live_broken": sum(run.live_broken for run in runs), "draws": draws,
    }  # fmt: skip
    for name in PROMISES:
        certified = [run.certified.get(name, 0.0) for run in runs]
        oracle = _mean(run.oracle.get(name, 0.0) for run in runs)
        broken = sum(run.draws.get(name, 0) for run in runs)
        found[name] = {
            "certified": _mean(certified),
            "se": float(np.std(certified, ddof=1) / math.sqrt(len(runs))) if len(runs) > 1 else None,
            "of_oracle": _mean(certified) / oracle if oracle else None,
            "draws_certified": _mean(run.drawn_certified.get(name, 0.0) for run in runs),
            "broken_draws": broken,
            "at_least_999": _at_least(broken, draws, 0.001),
            "with_shadow_picks": _mean(run.kept.get(name, 0.0) for run in runs),
            "broken_with_shadow_picks": sum(run.broken_kept.get(name, False) for run in runs),
        }
    return {**found, "processor_hours": sum(run.seconds for run in runs) / 3_600}


def targets(done: dict[Cell, list[Run]]) -> dict[str, Target]:
    """Promises over draws and over live certificates, and the share of images that is certified."""
    delta = 1 - CONFIDENCE
    every = [run for runs in done.values() for run in runs]
    n, found = len(every), dict[str, Target]()
    lines = {cell: row(cell, runs) for cell, runs in done.items()}
    for name in PROMISES:
        worst = max((line[name]["at_least_999"] for line in lines.values()), default=None)
        found[f"draws, {name}: lower 99.9 % bound of the worst cell"] = at_most(worst, delta)
        broken = sum(line[name]["broken_draws"] for line in lines.values())
        found[f"draws, {name}: lower 95 % bound of all"] = at_most(_at_least(broken, DRAWS * n, 0.05), delta)
    broken = sum(run.live_broken > 0 for run in every)
    found["live: lower 95 % bound of all projects"] = at_most(_at_least(broken, n, 0.05), delta)
    for (images, name), goal in GOALS.items():
        if (cell := Cell(images, promise=name)) in lines:
            found[f"certified, {images}, {name}"] = at_least(lines[cell][name]["certified"], goal)
    return found


def _at_least(times: int, of: int, level: float) -> float:
    """The exact one-sided lower bound of a rate."""
    return float(beta.ppf(level, times, of - times + 1)) if times else 0.0


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return float(np.mean(known)) if known else 0.0


def _kept(file: Path | None) -> Found:
    found: Found = defaultdict(dict)
    if file is not None and file.exists():
        for line in file.read_text("utf-8").splitlines():
            one = json.loads(line)
            found[one["cell"]][one["seed"]] = Run(**one["run"])
    return found


if __name__ == "__main__":
    main()
