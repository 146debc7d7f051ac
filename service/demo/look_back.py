"""The rounds of a finished demo, one for each verdict, and the data of the report's figures.

In: the rows and files that the loop left, and the simulated answers. Out: rounds and pictures. It only reads; the
random arm is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.labels import labels
from db.repositories.queries.examples import examples_of_labels
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading
from db.views import project_history, rounds
from db.views.project_history import Answer
from db.views.rounds import PromotionItem, QueryItem
from labeling.answers import MISSING
from labeling.estimates import Estimate
from labeling.learn.training import predict_probs
from labeling.project import Project
from labeling.quality.metrics import accuracy, confusion
from labeling.types import AnnotationAction, Example, LabelSource, Verdict
from service.demo.annotators import SimulatedAnswers
from service.demo.measured.moment import Moment, random_arm, read_moment, ready
from service.demo.measured.random_arm import RandomArm
from service.demo.report import HardImage, Pictures, thumbnail
from service.demo.summary import Round
from service.work.pool.pool import Pool
from service.work.pool.saved_versions import load_classifier
from service.work.pool.training_set import truth_of
from service.work.wiring import Parts

_ALL = 10_000
_HARDEST = 12


@dataclass(frozen=True, slots=True)
class Judged:
    """A version with its newest verdict, the labels by people when it was fitted, and the labels that judged it."""

    version: Version
    verdict: PromotionItem
    labels_by_people: int
    examples: list[Example]
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Past:
    """One project's rows beside what it says at one moment; `judged` has the oldest version first."""

    moment: Moment
    answers: list[Answer]
    queries: list[QueryItem]
    judged: list[Judged]


def read_past(parts: Parts, project: Project) -> Past:
    """Read all that the rounds and the pictures are made of."""
    moment = read_moment(parts, project)
    with reading(parts.database) as session:
        verdicts = rounds.promotions(session, project.id, after=None, limit=_ALL).items[::-1]
        newest = {verdict.version: verdict for verdict in verdicts}
        return Past(
            moment=moment,
            answers=project_history.answers(session, project.id),
            queries=rounds.queries(session, project.id, after=None, limit=_ALL).items[::-1],
            judged=[
                _judged(parts, session, moment, version, newest[version.number])
                for version in versions.everyone(session, project.id)
                if version.number in newest
            ],
        )


def make_rounds(past: Past, people: SimulatedAnswers) -> tuple[Round, ...]:
    """Every version that was judged, oldest first, beside the random arm with as many labels."""
    arm = random_arm(past.moment, people)
    before = [None, *(judged.version.created_at for judged in past.judged[:-1])]
    return tuple(_round(past, arm, *pair) for pair in zip(before, past.judged, strict=False))


def take_pictures(parts: Parts, moment: Moment, people: SimulatedAnswers) -> Pictures:
    """The champion on the random stream: its confusion matrix, and the images that are hardest for it."""
    classes, examples = moment.project.config.classes, moment.sample
    if moment.champion is None or not examples:
        return Pictures(np.zeros((len(classes) + 1, len(classes)), np.int64), classes, ())
    rows, truth = _rows(moment.pool, examples), truth_of(examples, classes)
    probs = _probs(parts, moment.pool, moment.champion, rows)  # (N, K)
    given = np.where(truth != MISSING, probs[np.arange(len(truth)), truth], 0)  # (N,) the answer's probability
    hardest = np.argsort(given, kind="stable")[:_HARDEST]
    return Pictures(
        confusion(probs.argmax(axis=1), truth, len(classes)),
        classes,
        tuple(_hard_image(parts, moment, people, examples[i], int(rows[i]), probs[i]) for i in hardest),
    )


def _judged(parts: Parts, session: Session, moment: Moment, version: Version, verdict: PromotionItem) -> Judged:
    project, pool = moment.project, moment.pool
    current = labels.current(session, project.id, up_to=version.last_label_id)
    examples = ready(pool, examples_of_labels(session, verdict.report["judged_on"]))
    predicted = _probs(parts, pool, version, _rows(pool, examples)).argmax(axis=1)
    return Judged(
        version,
        verdict,
        sum(label.value is not None and label.source is LabelSource.PEOPLE for label in current),
        examples,
        accuracy(predicted, truth_of(examples, project.config.classes)),
    )


def _probs(parts: Parts, pool: Pool, version: Version, rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """What a version predicts of these rows (N,): probabilities (N, K)."""
    classifier, _ = load_classifier(parts.settings.home, version)
    return predict_probs(classifier, pool.inputs.take(rows))


def _rows(pool: Pool, examples: Sequence[Example]) -> NDArray[np.int64]:
    return pool.rows_of(np.array([example.image_id for example in examples], np.int64))


def _round(past: Past, arm: RandomArm, since: datetime | None, judged: Judged) -> Round:
    version, verdict, ours = judged.version, judged.verdict, judged.accuracy
    trained_on = int(version.report["examples"])
    truth = truth_of(judged.examples, past.moment.project.config.classes)
    random = arm.accuracy(trained_on, _rows(past.moment.pool, judged.examples), truth) if ours.known else None
    random_accuracy, random_interval = random or (None, None)
    return Round(
        version=version.number,
        labels_by_people=judged.labels_by_people,
        training_labels=trained_on,
        random_labels=ours.n,
        accuracy=ours.value if ours.known else None,
        interval=(ours.lower, ours.upper) if ours.known else None,
        random_accuracy=random_accuracy,
        random_interval=random_interval,
        prelabel_accepted_share=_accepted_share(past.answers, since, version.created_at),
        promoted=verdict.verdict is Verdict.PROMOTED,
        verdict=verdict.verdict.value,
        reason=" ".join(verdict.reasons),
        triggers=_triggers(past.queries, version, verdict),
    )


def _accepted_share(answers: Sequence[Answer], since: datetime | None, until: datetime) -> float | None:
    """Of the answers after `since` for which a class was pre-selected, the share that kept it."""
    kept = [
        bool(answer.accepted)
        for answer in answers
        if answer.action is AnnotationAction.ANSWERED
        and answer.shown is not None
        and (since is None or since < answer.recorded_at)
        and answer.recorded_at <= until
    ]
    return sum(kept) / len(kept) if kept else None


def _triggers(queries: Sequence[QueryItem], version: Version, verdict: PromotionItem) -> dict[str, str]:
    """What made the query that was newest when the version was fitted, the version, and the verdict."""
    asked = [query for query in queries if query.created_at <= version.created_at]
    select = {"select": asked[-1].trigger} if asked else {}
    return {**select, "learn": version.trigger.value, "promote": verdict.trigger}


def _hard_image(
    parts: Parts, moment: Moment, people: SimulatedAnswers, example: Example, row: int, probs: NDArray[np.floating]
) -> HardImage:
    classes, named = moment.project.config.classes, moment.named[example.image_id]
    content, _ = parts.images.shown(moment.pool.content_hash(int(row)))
    prelabel = moment.pool.prelabel_probs[row]
    return HardImage(
        thumbnail=thumbnail(content),
        caption=named.text or "",
        prelabel=classes[int(prelabel.argmax())] if np.isfinite(prelabel).all() else "none",
        predicted=classes[int(probs.argmax())],
        confidence=float(probs.max()),
        answer=example.label,
        truth=people.true(named.reference),
    )
