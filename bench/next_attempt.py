"""Whether the forecast of the next attempt at a certificate holds, where every answer is known.

A project in a database of its own is played by the product's steps; after every query the dry run forecasts how many
images the next attempt may accept. When the attempt has come its sample is drawn anew from the same set 34 times, each
certified by the product's functions: what these accept is the truth of every forecast before it. Mixtures and gratings
of `bench.hedging`, two promises of precision and one of a finished data set, right answers and wrong ones, labels that
a strategy chose for being hard and labels that were drawn by chance.

`at least` is what pages show as a bound; `range` is the range of 9 samples in 10, which they do not show.

It needs the extra `bench`.

python -m bench.next_attempt [--quick] [--seeds 2]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bench.certified_project import Images, PlayedProject, opened, template
from bench.hedging import DATA
from bench.processes import processes
from bench.report import Target, at_least, emit
from db.repositories.certificates import certificates
from db.repositories.certificates.certificates import Certificate
from db.repositories.versions import versions
from db.session import reading
from labeling.errors import Conflict
from labeling.project import CertificateTerms
from labeling.types import ImageId
from labeling.vectors import unit
from service.work.certify.accept_rule import exclusions
from service.work.certify.attempt import certify_set
from service.work.certify.forecast import Forecast, forecast
from service.work.certify.scored import score_pool
from service.work.certify.sets import read_set_facts, set_of

IMAGES, ANSWERS, DRAWS, STREAM_SHARE = 1_500, 500, 34, 0.3
PLAN = {"confidence": 0.9, "first_size": 100, "sizes": 1}
PROMISES = {
    "p = .90": CertificateTerms(precision=0.9, **PLAN),  # type: ignore[arg-type]
    "p = .95": CertificateTerms(precision=0.95, **PLAN),  # type: ignore[arg-type]
    "q = .05": CertificateTerms(finished=0.05, **PLAN),  # type: ignore[arg-type]
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Images, the share of wrong answers, and the strategy that chooses what is learnt from."""

    data: str
    wrong: float = 0.0
    strategy: str = "margin"


CELLS = (
    Cell("2 classes"),
    Cell("4 classes"),
    Cell("4 classes", strategy="random"),
    Cell("4 classes", wrong=0.05),
    Cell("10 classes, uneven", strategy="random"),
    Cell("gratings"),
    Cell("gratings", strategy="random"),
)


@dataclass(frozen=True, slots=True)
class Forecasted:
    """One forecast, in images, and what each of the samples that were drawn anew accepts."""

    expected: int
    lower: int
    upper: int
    accepted: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two cells with one promise, once")
    parser.add_argument("--seeds", type=int, default=2)
    chosen = parser.parse_args()
    work = list(product(CELLS, PROMISES, range(chosen.seeds)))
    if chosen.quick:
        work = [(Cell("4 classes"), "p = .90", 1), (Cell("gratings", strategy="random"), "p = .90", 1)]
    found: dict[tuple[Cell, str], list[Forecasted]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="attempts") as folder, processes() as pool:
        empty = template(Path(folder))
        for (cell, promise, _), some in zip(
            work, pool.map(play, *zip(*work, strict=True), [empty] * len(work)), strict=True
        ):
            found[cell, promise] += some
    emit("next_attempt", targets([one for some in found.values() for one in some]), _lines(found))


def targets(every: Sequence[Forecasted]) -> dict[str, Target]:
    """What is shown as a bound holds as often as it says."""
    bounds = [one for one in every if one.lower]
    return {"at_least_held": at_least(_mean(_held(one) for one in bounds), 0.95)}


def _lines(found: dict[tuple[Cell, str], list[Forecasted]]) -> Iterator[dict[str, Any]]:
    for (cell, promise), some in found.items():
        about = {"data": cell.data, "wrong": cell.wrong, "strategy": cell.strategy, "promise": promise}
        yield {**about, **_said(some)}
    every = [one for some in found.values() for one in some]
    yield {"data": "all", **_said(every)}


def _said(some: Sequence[Forecasted]) -> dict[str, Any]:
    bounds = [one for one in some if one.lower]
    return {
        "forecasts": len(some),
        "expected": _mean(one.expected for one in some),
        "accepted": _mean(statistics.fmean(one.accepted) for one in some),
        "range_covers": _mean(_share(one, one.lower, one.upper) for one in some),
        "bounds": len(bounds),
        "bound_held": _mean(_held(one) for one in bounds),
    }


def _held(one: Forecasted) -> float:
    return _share(one, one.lower, max(one.accepted))


def _share(one: Forecasted, lower: int, upper: int) -> float:
    return statistics.fmean(lower <= accepted <= upper for accepted in one.accepted)


def _mean(values: Iterator[float]) -> float | None:
    known = list(values)
    return round(statistics.fmean(known), 3) if known else None


def play(cell: Cell, promise: str, seed: int, empty: Path) -> list[Forecasted]:
    """One project; the forecasts before each of its attempts."""
    found: list[Forecasted] = []
    terms = PROMISES[promise]
    with opened(empty, made(cell, seed), terms, seed, strategy=cell.strategy, stream_share=STREAM_SHARE) as project:
        waiting: list[Forecast] = []
        answers, tried = -1, 0
        while answers < project.answers < ANSWERS:
            answers = project.answers
            project.play(answers + project.project.config.policy.query_size)
            with reading(project.parts.database) as session:
                attempts = certificates.everyone(session, project.project.id)
            if len(attempts) > tried:
                tried = len(attempts)
                found += _beside(waiting, drawn_anew(project, terms, attempts[-1]))
                waiting = []
            try:
                waiting.append(forecast(project.parts, project.project.id))
            except Conflict:  # no version yet, or nothing is planned any more
                continue
    return found


def made(cell: Cell, seed: int) -> Images:
    """The images of a cell, with what people say of them."""
    rng = np.random.default_rng([seed, list(DATA).index(cell.data)])
    vectors, truth = DATA[cell.data](rng, IMAGES)
    classes = int(truth.max()) + 1
    flipped = rng.random(IMAGES) < cell.wrong
    said = np.where(flipped, (truth + rng.integers(1, classes, IMAGES)) % classes, truth)
    return Images(unit(vectors - vectors.mean(axis=0)).astype(np.float32), said.astype(np.int64), classes)


def drawn_anew(project: PlayedProject, terms: CertificateTerms, tried: Certificate) -> list[int]:
    """How many images an attempt like this one accepts, with other samples of its size from the same set."""
    parts, of = project.parts, project.project
    with reading(parts.database) as session:
        held, champion = certificates.terms_in_force(session, of.id), versions.champion(session, of.id)
        assert held is not None and champion is not None
        facts = read_set_facts(session, of, held, parts.now())
    scored = score_pool(parts, of, champion)
    found = set_of(of, scored, facts, None, exclusions(parts, of, scored, terms))
    right = scored.predicted == [project.said[ImageId(image)] for image in scored.pool.image_ids.tolist()]
    rng, accepted = np.random.default_rng(0), []
    for _ in range(DRAWS):
        asked = rng.permutation(len(found.groups))[: tried.sampled]
        some = replace(found, asked=asked, decided=np.ones(len(asked), bool), right=right[found.rows[asked]])
        accepted.append(len(certify_set(terms, scored, some, tried.sampled, tried.delta).accepted))
    return accepted


def _beside(waiting: Sequence[Forecast], accepted: list[int]) -> Iterator[Forecasted]:
    for one in waiting:
        if one.expected is not None and one.at_least is not None and one.at_most is not None:
            yield Forecasted(one.expected, one.at_least, one.at_most, accepted)


if __name__ == "__main__":
    main()
