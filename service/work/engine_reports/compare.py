"""Compares engines on images whose labels people gave blind, or that are gold.

In: a project and engines by name. Out: a report with figures for each engine and for the champion, their agreement, and
the images on which they differ. Only the report is stored: these images are never trained on, and a prelabel that the
loop did not ask for must not change what the loop displays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import msgspec
import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from db.repositories.engines import calibrations
from db.repositories.engines.prelabels import PendingImage, stated_in
from db.rows import read
from db.session import reading
from db.views import engine_stats
from db.views.engine_stats import StoredPrelabel
from labeling.answers import MISSING, Answer, AnswerSet
from labeling.errors import HardcaseError
from labeling.prelabel.calibration import Terms, calibrated, calibrated_answers, read_terms
from labeling.prelabel.engine import Engine
from labeling.project import Project
from labeling.quality.comparison import calibration_error, kappa
from labeling.quality.metrics import accuracy, macro_f1, share
from labeling.types import ImageId, Outcome, Prelabel
from service.figures.engine_reports import Agreement, Comparison, Difference, Row, Said
from service.figures.estimates import Known, rounded
from service.figures.estimates import known as estimated
from service.work.engine_reports.dry_run import Progress, answers_of, currency_of, prepare, why_not
from service.work.pool.champion import champion_predictions
from service.work.pool.random_stream import read_sample
from service.work.prelabel.inference import InferenceResult
from service.work.wiring import Parts

CHAMPION = "champion"
MOST_DIFFERENCES = 24

Classes = npt.NDArray[np.int64]
Probs = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Known:
    """An image with its true label, and the code of that label."""

    image: PendingImage
    group_id: int
    truth: int
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """What one engine, or the champion, answered about N images: where it `answered` (N,), the `codes` (N,).

    NaN rows of `probs` and `calibrated` (N, K) are absent.
    """

    row: Row
    answered: npt.NDArray[np.bool_]
    codes: Classes
    probs: Probs
    calibrated: Probs | None


def compare(parts: Parts, project: Project, engines: Sequence[str], *, limit: int, progress: Progress) -> Comparison:
    """Compare engines on up to `limit` labelled images, drawn at random and the same each time."""
    with reading(parts.database) as session:
        labelled = _known(session, project)
        drawn = np.random.default_rng(project.config.policy.seed).permutation(len(labelled))[:limit]
        known = [labelled[i] for i in sorted(drawn)]
    champion = _champion(parts, project, known)
    everyone = [_ask(parts, project, name, known, progress) for name in engines] + ([champion] if champion else [])
    truth = np.array([one.truth for one in known], np.int64)
    groups = np.array([one.group_id for one in known], np.int64)
    usable, answers = [one for one in everyone if one.answered.any()], project.config.answers
    return Comparison(
        images=len(known),
        classes=list(project.config.classes),
        currency=currency_of(project),
        engines=[_row(one, truth, groups, answers) for one in everyone],
        agreement=[_agreement(first, second) for first, second in combinations(usable, 2)],
        differences=_differences(known, usable, answers),
    )


def _known(session: Session, project: Project) -> list[_Known]:
    """The labels of the random stream, then gold; one image a group."""
    answers = project.config.answers
    labels = {example.image_id: (example.group_id, example.label) for example in read_sample(session, project).examples}
    groups = {group for group, _ in labels.values()}
    for given in engine_stats.gold(session, project.id):
        group = given.group_id or -given.image_id  # without a group yet: one of its own
        if group not in groups:
            groups.add(group)
            labels[given.image_id] = (group, given.label)
    images = engine_stats.by_ids(session, project.id, list(labels))
    return [_Known(one, labels[one.id][0], answers.code(labels[one.id][1]), labels[one.id][1]) for one in images]


def _ask(parts: Parts, project: Project, name: str, known: Sequence[_Known], progress: Progress) -> _Answers:
    """An engine's answers: stored ones, and new ones where none is stored."""
    answers = project.config.answers
    try:
        run = prepare(parts, project, name)
    except (HardcaseError, ImportError, RuntimeError) as error:
        return _answers(known, {}, answers, Row(engine=name, error=str(error)[:1_000]))
    with reading(parts.database) as session:
        before = engine_stats.stored(session, run.engine.revision, [one.image.id for one in known])
        calibration = calibrations.newest(session, project.id, run.engine.revision)
    output = run.infer([one.image for one in known if one.image.id not in before], progress)
    given = before | {image: _comparable(prelabel) for image, prelabel in answers_of(output).items()}
    row = _effort(name, run.engine, given, output, reused=len(before))
    return _answers(known, given, answers, row, read_terms(calibration.terms) if calibration else None)


def _comparable(prelabel: Prelabel) -> StoredPrelabel:
    return replace(read(StoredPrelabel, prelabel), stated=stated_in(prelabel.evidence.raw))


def _effort(
    name: str, engine: Engine, given: dict[ImageId, StoredPrelabel], output: InferenceResult, *, reused: int
) -> Row:
    """How many answers are new, and what they all took."""
    seconds = [one.duration_s for one in given.values() if one.duration_s > 0]  # an answer from the cache took none
    return Row(
        engine=name,
        error="",
        revision=engine.revision,
        looked=len(output.outputs),
        reused=reused,
        note=why_not(output),
        seconds=rounded(float(np.median(seconds)), 4) if seconds else None,
        cost_micro=sum(one.cost_micro for one in given.values()),
        spent_now_micro=sum(one.prelabel.cost_micro for one in output.outputs),
    )


def _answers(
    known: Sequence[_Known],
    given: Mapping[ImageId, StoredPrelabel],
    answers: AnswerSet,
    row: Row,
    terms: Terms | None = None,
) -> _Answers:
    probs = np.full((len(known), len(answers.classes)), np.nan)
    codes = np.full(len(known), MISSING, np.int64)
    found = [given.get(one.image.id) for one in known]
    for at, prelabel in enumerate(found):
        if prelabel is not None:
            probs[at] = prelabel.probs or np.nan
            codes[at] = _code(prelabel, answers)
    after = None
    if terms is not None:  # where it gives no probabilities, by the confidence that it states
        stated = calibrated_answers(codes, [one.stated if one else "" for one in found], terms, probs.shape[1])
        absent = np.isnan(probs).any(axis=1, keepdims=True)  # (N, 1)
        after = np.where(absent, stated, calibrated(probs, terms))
    return _Answers(row, np.array([one is not None for one in found], bool), codes, probs, after)


def _code(prelabel: StoredPrelabel, answers: AnswerSet) -> int:
    """The code of its answer, else of its likeliest class."""
    answer = Answer.named(prelabel.outcome, prelabel.answer)
    return answers.code(answer) if answer.choices else int(np.argmax(prelabel.probs))


def _champion(parts: Parts, project: Project, known: Sequence[_Known]) -> _Answers | None:
    """What the champion predicts of these images; None where there is none, or it has predicted none of them."""
    champion = champion_predictions(parts, project.id)
    if champion is None or not known:
        return None
    rows = champion.rows_of(np.array([one.image.id for one in known], np.int64))
    given = {
        one.image.id: StoredPrelabel(tuple(champion.shown[row].tolist()), Outcome.LABEL, None, 0.0, 0)
        for one, row in zip(known, rows.tolist(), strict=True)
        if row >= 0
    }
    row = Row(engine=CHAMPION, error="", revision=f"version {champion.version.number}", reused=len(given))
    return _answers(known, given, project.config.answers, row) if given else None


def _row(one: _Answers, truth: Classes, groups: Classes, answers: AnswerSet) -> Row:
    """One row of the table. An abstention counts as an error; its `answered` is the share without abstentions."""
    rng, codes, true = np.random.default_rng(0), one.codes[one.answered], truth[one.answered]
    right = accuracy(codes, true)

    def error_of(probs: Probs) -> Known:
        with_probs = one.answered & ~np.isnan(probs).any(axis=1)
        return estimated(calibration_error(probs[with_probs], truth[with_probs], groups[with_probs], rng))

    return msgspec.structs.replace(
        one.row,
        accuracy=estimated(right),
        answered=estimated(share(int((codes != MISSING).sum()), len(codes))),
        abstained=int((codes == MISSING).sum()),
        none_of_these=int((codes == answers.none_code).sum()),
        macro_f1=rounded(macro_f1(codes, true, len(answers.classes)), 4) if right.known else None,
        calibration_error=error_of(one.probs),
        calibrated_error=None if one.calibrated is None else error_of(one.calibrated),
    )


def _agreement(first: _Answers, second: _Answers) -> Agreement:
    """How often two give the same answer where both answered."""
    both = first.answered & second.answered
    one, other = first.codes[both], second.codes[both]
    same = share(int((one == other).sum()), int(both.sum()))
    beyond_chance = kappa(one, other) if same.known else None
    return Agreement(first.row.engine, second.row.engine, estimated(same), rounded(beyond_chance, 4))


def _differences(known: Sequence[_Known], everyone: Sequence[_Answers], answers: AnswerSet) -> list[Difference]:
    """The images on which they differ, those with the smallest share of right answers first."""
    found = []
    for row, image in enumerate(known):
        here = [one for one in everyone if one.answered[row]]
        if len({int(one.codes[row]) for one in here}) > 1:
            right = sum(int(one.codes[row]) == image.truth for one in here)
            found.append((right / len(here), row, here))
    found.sort(key=lambda entry: entry[:2])
    return [
        Difference(
            image_id=known[row].image.id,
            content_hash=known[row].image.content_hash,
            truth=known[row].label,
            answers=[_said(one, row, answers) for one in here],
        )
        for _, row, here in found[:MOST_DIFFERENCES]
    ]


def _said(one: _Answers, row: int, answers: AnswerSet) -> Said:
    code, probs = int(one.codes[row]), one.probs[row]
    label = answers.decode(code) or Outcome.ABSTAINED.value
    probability = float(probs[code]) if label in answers.classes and not np.isnan(probs).any() else None
    return Said(one.row.engine, label, rounded(probability, 4))
