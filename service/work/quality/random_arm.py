"""The figure `random_arm`, and planned comparisons by it: where a strategy does not pay, it gives way.

In: the random stream and the saved versions. Out: one figure, and at 40, 100 and 300 answered images a comparison,
which is stored and counts among the uses of the stream. It is counted anew when the sample has grown by a tenth, or a
version has come; of a long stream only the first 1,000 images are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.projects import projects
from db.repositories.queries import comparisons
from db.repositories.queries.comparisons import Comparison
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from db.views import dashboard
from db.views.figures import keep
from labeling.errors import BadArtifact, NotFound
from labeling.estimates import Estimate
from labeling.learn.training import predict_logits
from labeling.project import Project
from labeling.quality.finite_samples import finite_share
from labeling.quality.learning_curve import expected_gain
from labeling.quality.random_arm import LEAST_IMAGES, Arm, Payoff, Savings, at_labels, pays, random_arm, savings
from labeling.types import Example, ProjectId
from service.figures.estimates import Known, known
from service.figures.figures import read, write
from service.figures.random_arm import ArmPoint, OurPoint, RandomArm
from service.logs import get_logger
from service.work.pool.pool import Pool, load_pool, pin_of
from service.work.pool.random_stream import read_sample
from service.work.pool.recipes import REFERENCE_IMAGES, recipe_of
from service.work.pool.saved_versions import load_classifier, pin_of_card
from service.work.pool.training_set import truth_of
from service.work.wiring import Parts

__all__ = ["GROWN", "refresh_random_arm"]

PART = ":random_arm"
FORMAT = "4"
GROWN = 1.1
"""The figure is counted anew when the sample has grown so many times."""
COMPARED_AT = (40, 100, 300)
"""So many answered images of the stream, and the strategy may be changed."""
SIZES = (0.25, 0.5, 1.0)
"""The parts of the stream that give the points of the arm's curve."""
MOST_IMAGES = 1_000
"""The first so many of the stream, a uniform sample too: more would cost minutes and narrow the interval little."""
MOST_VERSIONS = 12
MORE = 100
"""So many further labels are forecast."""
_FOUND = {
    Payoff.PAYS: "is better than random",
    Payoff.DOES_NOT: "is worse than random",
    Payoff.UNKNOWN: "is neither surely better nor surely worse than random",
}
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Stream:
    """The images of the stream that are ready, in its order: rows of the pool (N,), the truth and the groups."""

    rows: NDArray[np.int64]
    truth: NDArray[np.int64]
    groups: NDArray[np.int64]

    def first(self, n: int) -> _Stream:
        """The first n of them, which are a uniform sample too."""
        return _Stream(self.rows[:n], self.truth[:n], self.groups[:n])


def refresh_random_arm(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Count the arm anew where enough has changed; {"random_arm": 1} if it was."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        newest = versions.newest(session, project_id)
        kept = read(dashboard.figures(session, project_id), RandomArm)
        made_of = f"{FORMAT}-{project.config_version}-{newest.number if newest else 0}"
        of_now = kept if kept is not None and kept.made_of == made_of else None
        if of_now is not None and of_now.rests_on >= MOST_IMAGES:
            return {}
        sample = read_sample(session, project)
        examples = sample.examples
        planned = _planned(session, project_id, len(examples))
    grown = planned or kept is None or min(len(examples), MOST_IMAGES) >= GROWN * kept.rests_on
    if len(examples) < LEAST_IMAGES or (of_now is not None and not grown):
        return {}
    pool = load_pool(parts, project)
    stream = _ready(project, pool, examples).first(MOST_IMAGES)
    if kept is not None and not grown:  # a new version changes nothing about what random labels give
        stream = stream.first(kept.rests_on)
    if len(stream.rows) < LEAST_IMAGES:
        return {}
    figure = _count(parts, project, pool, stream, made_of, sample.groups)
    with transaction(parts.database) as session:
        acted = _compare_as_planned(parts, session, project, len(examples), figure)
        keep(session, project_id, [write(acted)], made_of, parts.now(), PART)
    return {"random_arm": 1}


def _ready(project: Project, pool: Pool, examples: Sequence[Example]) -> _Stream:
    rows = pool.rows_of(np.array([example.image_id for example in examples], np.int64))
    at = np.flatnonzero(rows >= 0)
    at = at[np.isfinite(np.asarray(pool.image_vectors[rows[at]])).all(axis=1)]
    groups = np.array([example.group_id for example in examples], np.int64)
    return _Stream(rows[at], truth_of(examples, project.config.classes)[at], groups[at])


def _count(parts: Parts, project: Project, pool: Pool, stream: _Stream, made_of: str, groups: int) -> RandomArm:
    n, seed = len(stream.rows), project.config.policy.seed % 2**63
    arms = parts.memo.get(  # hundreds of fits
        ("random arm", project.id),
        (project.config_version, stream.rows.tobytes(), stream.truth.tobytes(), stream.groups.tobytes()),
        lambda: _arms(project, pool, stream, np.random.default_rng(seed)),
    )
    ours = _ours(parts, project, pool, stream)
    chosen, right = np.array([labels for _, labels, _ in ours]), np.array([one for _, _, one in ours])
    payoff, difference, saved, gain = Payoff.UNKNOWN, None, None, None
    if len(ours):
        gain = expected_gain(chosen, right, stream.groups, MORE)
        payoff, difference = pays(at_labels(chosen, right, arms[-1].labels), arms[-1], stream.groups)
        saved = savings(arms[-1], chosen, right, stream.groups, np.random.default_rng(seed))
    return RandomArm(
        rests_on=n,
        arm=[ArmPoint(one.labels, known(one.accuracy)) for one in arms if one.labels],
        ours=[OurPoint(number, labels, known(_share(one, groups))) for number, labels, one in ours],
        difference=known(difference),
        pays=payoff.value,
        saved=_saved(saved),
        more=MORE,
        gain=known(gain),
        acted="",
        made_of=made_of,
    )


def _arms(project: Project, pool: Pool, stream: _Stream, rng: np.random.Generator) -> list[Arm]:
    return [_arm(project, pool, stream, rng, round(part * len(stream.rows))) for part in SIZES]


def _arm(project: Project, pool: Pool, stream: _Stream, rng: np.random.Generator, labels: int) -> Arm:
    recipe = recipe_of(project, pool, project.config.policy.head, reference=REFERENCE_IMAGES)
    inputs = pool.inputs.take(stream.rows)

    def fit(some: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], NDArray[np.integer]]:
        predict = recipe(inputs.take(some), stream.truth[some])
        return lambda others: predict(inputs.take(others)).argmax(axis=1)

    collection = len(np.unique(pool.group_ids))
    return random_arm(fit, stream.truth, stream.groups, rng, labels=labels, collection=collection)


def _ours(parts: Parts, project: Project, pool: Pool, stream: _Stream) -> list[tuple[int, int, NDArray[np.float64]]]:
    """Number, training labels and outcomes (N,) of the versions that see images as the project's engine does now."""
    with reading(parts.database) as session:
        everyone = versions.everyone(session, project.id)
    pin, found = pin_of(parts.engine_for(project)), []
    for version in _spread(everyone):
        try:
            classifier, card = load_classifier(parts.settings.home, version)
        except (BadArtifact, NotFound) as error:
            log.warning("a version is left out of the comparison", version=version.number, reason=error.message)
            continue
        if pin_of_card(card) == pin and card.facts.classes == project.config.classes:
            said = predict_logits(classifier, pool.inputs.take(stream.rows)).argmax(axis=1)
            found.append((version.number, int(version.report["examples"]), (said == stream.truth).astype(np.float64)))
    largest = {labels: (number, labels, right) for number, labels, right in found}  # of equal sizes the newest
    return [largest[labels] for labels in sorted(largest)]


def _spread(everyone: Sequence[Version]) -> list[Version]:
    """At most some versions, evenly over their history, the newest among them."""
    at = np.unique(np.linspace(0, len(everyone) - 1, min(len(everyone), MOST_VERSIONS)).astype(np.int64))
    return [everyone[i] for i in at]


def _share(right: NDArray[np.float64], groups: int) -> Estimate:
    """The share of right outcomes (N,) among a collection of so many groups."""
    return finite_share(int(right.sum()), len(right), max(groups, len(right)))


def _saved(found: Savings | None) -> Known:
    if found is None:
        return known(None)
    upper = round(found.upper, 2) if np.isfinite(found.upper) else None
    return Known(known=True, n=found.n, value=round(found.ratio, 2), lower=round(found.lower, 2), upper=upper)


def _planned(session: Session, project_id: ProjectId, images: int) -> list[int]:
    """The planned sizes that the stream has reached since the last comparison; none while a certificate is to be tried.

    A comparison decides about the strategy, and what decides takes its share of a certificate's delta.
    """
    if certificates.is_to_be_tried(session, project_id):
        return []
    last = max((one.size for one in comparisons.everyone(session, project_id)), default=0)
    return [size for size in COMPARED_AT if last < size <= images]


def _compare_as_planned(parts: Parts, session: Session, project: Project, images: int, figure: RandomArm) -> RandomArm:
    """Store the comparison that is due, and say what the newest one does to the strategy."""
    due = _planned(session, project.id, images)
    if due:
        found = Comparison(due[-1], images, project.config.policy.strategy, figure.pays, parts.now())
        comparisons.add(session, project.id, found, {"difference": msgspec.to_builtins(figure.difference)})
    return msgspec.structs.replace(figure, acted=_acted(comparisons.everyone(session, project.id), project))


def _acted(everyone: Sequence[Comparison], project: Project) -> str:
    if not everyone:
        return ""
    last = everyone[-1]
    where = f"Compared on {last.images} answered images: {last.strategy} {_FOUND[Payoff(last.found)]}"
    gives_way = last.strategy == project.config.policy.strategy and last.found == Payoff.DOES_NOT
    return f"{where}; queries ask representative images." if gives_way else f"{where}; the strategy stays."
