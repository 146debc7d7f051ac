"""Looks back over a finished demo: one round a verdict, and what the report's pictures are made of.

In: the rows and files that the loop left, and the simulated answers. Out: rounds and pictures. It reads only; the
random arm is the one thing that is computed anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.labels import labels
from db.repositories.queries.examples import read_examples
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading
from db.views import project_history, rounds
from db.views.project_history import Answer, Named
from db.views.rounds import PromotionItem, QueryItem
from labeling.answers import MISSING
from labeling.estimates import Estimate
from labeling.learn.training import predict_probs
from labeling.project import Project
from labeling.quality.metrics import accuracy, confusion
from labeling.review.kinds import Use, kinds_for
from labeling.types import AnnotationAction, Example, LabelSource, Side, Verdict
from service.demo.annotators import SimulatedAnswers
from service.demo.random_arm import RandomArm
from service.demo.report import HardImage, Pictures, thumbnail
from service.demo.summary import Round
from service.work.pool.pool import Pool, load_pool
from service.work.pool.saved_versions import load_classifier
from service.work.pool.training_set import evaluation_examples, truth_of
from service.work.wiring import Parts

__all__ = ["Past", "read_past", "take_pictures", "tell_rounds"]

_ALL = 10_000
_HARDEST = 12


@dataclass(frozen=True, slots=True)
class Past:
    """One project's rows, read at one moment, and its images as arrays."""

    project: Project
    pool: Pool
    named: dict[int, Named]
    answers: list[Answer]
    queries: list[QueryItem]
    versions: list[Version]
    champion: Version | None
    verdicts: dict[int, PromotionItem]
    by_people: dict[int, int]
    evaluation: dict[int, list[Example]]
    accuracy: dict[int, Estimate]
    evaluation_now: list[Example]


def read_past(parts: Parts, project: Project) -> Past:
    """Read everything. Per version: the labels by people when it was made, and those that its verdict rests on."""
    pool = load_pool(parts, project)
    with reading(parts.database) as session:
        verdicts = rounds.promotions(session, project.id, after=None, limit=_ALL).items[::-1]
        judged = {verdict.version: verdict for verdict in verdicts}  # the last word about each version
        everyone = [version for version in versions.everyone(session, project.id) if version.number in judged]
        evaluation = {v.number: _judged_on(session, project, pool, judged[v.number]) for v in everyone}
        return Past(
            project=project,
            pool=pool,
            named=project_history.first_named(session, project.id),
            answers=project_history.answers(session, project.id),
            queries=rounds.queries(session, project.id, after=None, limit=_ALL).items[::-1],
            versions=everyone,
            champion=versions.champion(session, project.id),
            verdicts=judged,
            by_people={v.number: _by_people(session, project, v.last_label_id) for v in everyone},
            evaluation=evaluation,
            accuracy={v.number: _accuracy(parts, project, pool, v, evaluation[v.number]) for v in everyone},
            evaluation_now=_ready(evaluation_examples(session, project), pool),
        )


def tell_rounds(past: Past, people: SimulatedAnswers) -> tuple[Round, ...]:
    """Every version that was judged, oldest first, beside the random arm with as many labels."""
    arm = _random_arm(past, people)
    before = [None, *past.versions[:-1]]
    return tuple(_round(past, arm, *pair) for pair in zip(before, past.versions, strict=True))


def take_pictures(parts: Parts, past: Past, people: SimulatedAnswers) -> Pictures:
    """The champion on the evaluation labels: whom it mistakes for whom, and the images that are hardest for it."""
    classes, examples = past.project.config.classes, past.evaluation_now
    if past.champion is None or not examples:
        return Pictures(np.zeros((len(classes) + 1, len(classes)), np.int64), classes, ())
    classifier, _ = load_classifier(parts.settings.home, past.champion)
    rows, truth = _rows(past.pool, examples), truth_of(examples, classes)
    probs = predict_probs(classifier, past.pool.inputs.take(rows))  # (N, K)
    given = np.where(truth != MISSING, probs[np.arange(len(truth)), truth], 0)  # (N,) the answer's probability
    hardest = np.argsort(given, kind="stable")[:_HARDEST]
    return Pictures(
        confusion(probs.argmax(axis=1), truth, len(classes)),
        classes,
        tuple(_hard_image(parts, past, people, examples[i], int(rows[i]), probs[i]) for i in hardest),
    )


def _by_people(session: Session, project: Project, up_to: int) -> int:
    standing = labels.current(session, project.id, up_to=up_to)
    return sum(label.value is not None and label.source is LabelSource.PEOPLE for label in standing)


def _judged_on(session: Session, project: Project, pool: Pool, verdict: PromotionItem) -> list[Example]:
    """The very labels that a verdict rests on."""
    judged_on = set(verdict.report["judged_on"])
    known = read_examples(session, project.id, kinds_for(Use.GATE), Side.HOLDOUT, up_to=max(judged_on, default=0))
    return _ready([example for example in known if example.label_id in judged_on], pool)


def _accuracy(parts: Parts, project: Project, pool: Pool, version: Version, examples: Sequence[Example]) -> Estimate:
    """How often a version agrees with the people on the labels that it was judged by."""
    classifier, _ = load_classifier(parts.settings.home, version)
    predicted = predict_probs(classifier, pool.inputs.take(_rows(pool, examples))).argmax(axis=1)
    return accuracy(predicted, truth_of(list(examples), project.config.classes))


def _ready(examples: Sequence[Example], pool: Pool) -> list[Example]:
    return [example for example, row in zip(examples, _rows(pool, examples), strict=True) if row >= 0]


def _rows(pool: Pool, examples: Sequence[Example]) -> NDArray[np.int64]:
    return pool.rows_of(np.array([example.image_id for example in examples], np.int64))


def _random_arm(past: Past, people: SimulatedAnswers) -> RandomArm:
    """Random labels come from one image of each group on the pool side, as chosen ones do."""
    pool, classes = past.pool, past.project.config.classes
    answers = [classes.index(people.to(past.named[int(image_id)].reference)) for image_id in pool.image_ids]
    on_pool_side = np.flatnonzero(~pool.holdout)
    _, first = np.unique(pool.group_ids[on_pool_side], return_index=True)
    return RandomArm(pool.inputs, on_pool_side[first], np.array(answers, np.int64), len(classes))


def _round(past: Past, arm: RandomArm, before: Version | None, version: Version) -> Round:
    examples, verdict = past.evaluation[version.number], past.verdicts[version.number]
    ours = past.accuracy[version.number]
    trained_on = int(version.report["examples"])
    random = None
    if ours.known:
        truth = truth_of(examples, past.project.config.classes)
        random = arm.accuracy(trained_on, _rows(past.pool, examples), truth)
    return Round(
        version=version.number,
        labels_by_people=past.by_people[version.number],
        training_labels=trained_on,
        evaluation_labels=ours.n,
        holdout_accuracy=ours.value if ours.known else None,
        holdout_interval=(ours.lower, ours.upper) if ours.known else None,
        random_accuracy=random[0] if random else None,
        random_interval=random[1] if random else None,
        prelabel_accepted_share=_accepted_share(past.answers, before, version),
        promoted=verdict.verdict is Verdict.PROMOTED,
        verdict=verdict.verdict.value,
        reason=" ".join(verdict.reasons),
        triggers=_triggers(past.queries, version, verdict),
    )


def _accepted_share(answers: Sequence[Answer], before: Version | None, version: Version) -> float | None:
    """Of the answers since the version before that had a class pre-selected, the share that left it as it was."""
    kept = [
        answer.accepted
        for answer in answers
        if answer.action is AnnotationAction.ANSWERED
        and answer.shown is not None
        and answer.recorded_at <= version.created_at
        and (before is None or answer.recorded_at > before.created_at)
    ]
    return sum(bool(accepted) for accepted in kept) / len(kept) if kept else None


def _triggers(queries: Sequence[QueryItem], version: Version, verdict: PromotionItem) -> dict[str, str]:
    """What made the query that was newest when the version was fitted, the version, and the verdict."""
    asked = [query for query in queries if query.created_at <= version.created_at]
    select = {"select": asked[-1].trigger} if asked else {}
    return {**select, "learn": version.trigger.value, "promote": verdict.trigger}


def _hard_image(
    parts: Parts, past: Past, people: SimulatedAnswers, example: Example, row: int, probs: NDArray[np.floating]
) -> HardImage:
    classes, named = past.project.config.classes, past.named[example.image_id]
    content, _ = parts.images.shown(past.pool.content_hash(int(row)))
    prelabel = past.pool.prelabel_probs[row]
    return HardImage(
        thumbnail=thumbnail(content),
        caption=named.text or "",
        prelabel=classes[int(prelabel.argmax())] if np.isfinite(prelabel).all() else "none",
        predicted=classes[int(probs.argmax())],
        confidence=float(probs.max()),
        answer=example.label,
        truth=people.true(named.reference),
    )
