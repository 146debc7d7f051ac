"""Compare engines on images whose labels people gave blind, or that are gold: the test that users run with their model.

In: a project and engines by name. Out: a report with figures for each engine and for the champion, how often they
agree, and the images about which they differ. Nothing is stored but the report: these images are never trained on, and
a prelabel that the loop did not ask for must not change what the loop shows.
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
from db.repositories.versions import versions
from db.session import reading
from db.views import engine_stats, figures
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
from service.figures.estimates import known as estimated
from service.figures.estimates import rounded
from service.work.engine_reports.dry_run import Progress, answers_of, currency_of, let_look, load, opener, why_not
from service.work.pool.training_set import evaluation_examples
from service.work.prelabel.inference import Looked
from service.work.wiring import Parts

__all__ = ["CHAMPION", "compare"]

CHAMPION = "champion"
MOST_DIFFERENCES = 24

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Known:
    """An image with its true label, and the code of that."""

    image: PendingImage
    group_id: int
    truth: int
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class _Voice:
    """What one engine, or the champion, said of N images; NaN rows of `probs` (N, K) are absent."""

    row: Row
    heard: npt.NDArray[np.bool_]
    said: Classes
    probs: npt.NDArray[np.float64]
    calibrated: npt.NDArray[np.float64] | None = None


def compare(parts: Parts, project: Project, engines: Sequence[str], *, limit: int, progress: Progress) -> Comparison:
    """Let engines look at up to `limit` labelled images, drawn at random and the same each time, and compare them."""
    with reading(parts.database) as session:
        known = _drawn(_known(session, project), limit, project.config.policy.seed)
        champion = _champion(session, project, known)
    voices = [_ask(parts, project, name, known, progress) for name in engines] + ([champion] if champion else [])
    truth = np.array([one.truth for one in known], np.int64)
    groups = np.array([one.group_id for one in known], np.int64)
    heard, answers = [voice for voice in voices if voice.heard.any()], project.config.answers
    return Comparison(
        images=len(known),
        classes=list(project.config.classes),
        currency=currency_of(project),
        engines=[_row(voice, truth, groups, answers) for voice in voices],
        agreement=[_agreement(first, second) for first, second in combinations(heard, 2)],
        differences=_differences(known, heard, answers),
    )


def _known(session: Session, project: Project) -> list[_Known]:
    """Blind evaluation labels of the hold-out, then gold; one image a group."""
    answers = project.config.answers
    labels = {example.image_id: (example.group_id, example.label) for example in evaluation_examples(session, project)}
    groups = {group for group, _ in labels.values()}
    for given in engine_stats.gold(session, project.id):
        group = given.group_id or -given.image_id  # without a group yet: one of its own
        if group not in groups:
            groups.add(group)
            labels[given.image_id] = (group, given.label)
    images = engine_stats.by_ids(session, project.id, list(labels))
    return [_Known(one, labels[one.id][0], answers.code(labels[one.id][1]), labels[one.id][1]) for one in images]


def _drawn(known: Sequence[_Known], limit: int, seed: int) -> list[_Known]:
    order = np.random.default_rng(seed).permutation(len(known))[:limit]
    return [known[i] for i in sorted(order)]


def _ask(parts: Parts, project: Project, name: str, known: Sequence[_Known], progress: Progress) -> _Voice:
    """An engine's voice: what it said of these images before, and what it says of the others now."""
    answers = project.config.answers
    try:
        engine = load(parts, project, name)
        open_items = opener(parts, project, name, engine)
    except (HardcaseError, ImportError, RuntimeError) as error:
        return _voice(known, {}, answers, Row(engine=name, error=str(error)[:1_000]))
    with reading(parts.database) as session:
        before = engine_stats.stored(session, engine.revision, [one.image.id for one in known])
        calibration = calibrations.newest(session, project.id, engine.revision)
    new = [one.image for one in known if one.image.id not in before]
    looked = let_look(engine, new, open_items, project, progress, name)
    said = before | {image: _kept(prelabel) for image, prelabel in answers_of(looked).items()}
    voice = _voice(known, said, answers, _spent(name, engine, said, looked, reused=len(before)))
    if calibration is None:
        return voice
    stated = [said[one.image.id].stated if one.image.id in said else "" for one in known]
    return replace(voice, calibrated=_calibrated(voice, stated, read_terms(calibration.terms)))


def _calibrated(voice: _Voice, stated: Sequence[str], terms: Terms) -> npt.NDArray[np.float64]:
    """Its probabilities (N, K) as the terms read them; where it only names a class, by what it states."""
    named = calibrated_answers(voice.said, stated, terms, voice.probs.shape[1])
    absent = np.isnan(voice.probs).any(axis=1, keepdims=True)  # (N, 1)
    return np.where(absent, named, calibrated(voice.probs, terms))


def _kept(prelabel: Prelabel) -> StoredPrelabel:
    stated = stated_in(prelabel.evidence.raw)
    return StoredPrelabel(
        prelabel.probs, prelabel.outcome, prelabel.answer, prelabel.duration_s, prelabel.cost_micro, stated
    )


def _spent(name: str, engine: Engine, said: dict[ImageId, StoredPrelabel], looked: Looked, *, reused: int) -> Row:
    """How the engine came to its answers, and what they took."""
    seconds = [one.duration_s for one in said.values() if one.duration_s > 0]  # an answer from the cache took none
    return Row(
        engine=name,
        error="",
        revision=engine.revision,
        looked=len(looked.seen),
        reused=reused,
        note=why_not(looked),
        seconds=rounded(float(np.median(seconds)), 4) if seconds else None,
        cost_micro=sum(one.cost_micro for one in said.values()),
        spent_now_micro=sum(one.prelabel.cost_micro for one in looked.seen),
    )


def _voice(known: Sequence[_Known], said: Mapping[ImageId, StoredPrelabel], answers: AnswerSet, row: Row) -> _Voice:
    probs = np.full((len(known), len(answers.classes)), np.nan)
    codes = np.full(len(known), MISSING, np.int64)
    for at, one in enumerate(known):
        if (prelabel := said.get(one.image.id)) is not None:
            probs[at] = prelabel.probs or np.nan
            codes[at] = _code(prelabel, answers)
    heard = np.array([one.image.id in said for one in known], bool)
    return _Voice(row, heard, codes, probs)


def _code(prelabel: StoredPrelabel, answers: AnswerSet) -> int:
    """The code of what it named, else its likeliest class."""
    named = Answer.named(prelabel.outcome, prelabel.answer)
    return answers.code(named) if named.choices else int(np.argmax(prelabel.probs))


def _champion(session: Session, project: Project, known: Sequence[_Known]) -> _Voice | None:
    """What the champion predicted of these images; None where there is none, or nothing of it is kept."""
    version = versions.champion(session, project.id)
    if version is None:
        return None
    kept = figures.evidence(session, [one.image.id for one in known], version.id).get(version.id, {})
    said = {ImageId(image): StoredPrelabel(tuple(probs), Outcome.LABEL, None, 0.0, 0) for image, probs in kept.items()}
    row = Row(engine=CHAMPION, error="", revision=f"version {version.number}", reused=len(said))
    return _voice(known, said, project.config.answers, row) if said else None


def _row(voice: _Voice, truth: Classes, groups: Classes, answers: AnswerSet) -> Row:
    """One row of the table. An abstention counts as an error; `answered` is how often it answered at all."""
    heard, rng = voice.heard, np.random.default_rng(0)
    sure = heard & ~np.isnan(voice.probs).any(axis=1)
    said, true = voice.said[heard], truth[heard]
    right = accuracy(said, true)
    error = calibration_error(voice.probs[sure], truth[sure], groups[sure], rng)
    after = None
    if voice.calibrated is not None:
        read = heard & ~np.isnan(voice.calibrated).any(axis=1)
        after = calibration_error(voice.calibrated[read], truth[read], groups[read], rng)
    return msgspec.structs.replace(
        voice.row,
        accuracy=estimated(right),
        answered=estimated(share(int((said != MISSING).sum()), len(said))),
        abstained=int((said == MISSING).sum()),
        none_of_these=int((said == answers.none_code).sum()),
        macro_f1=rounded(macro_f1(said, true, len(answers.classes)), 4) if right.known else None,
        calibration_error=estimated(error),
        calibrated_error=None if after is None else estimated(after),
    )


def _agreement(first: _Voice, second: _Voice) -> Agreement:
    """How often two give the same answer where both were heard."""
    both = first.heard & second.heard
    one, other = first.said[both], second.said[both]
    same = share(int((one == other).sum()), int(both.sum()))
    beyond_chance = kappa(one, other) if same.known else None
    return Agreement(first.row.engine, second.row.engine, estimated(same), rounded(beyond_chance, 4))


def _differences(known: Sequence[_Known], voices: Sequence[_Voice], answers: AnswerSet) -> list[Difference]:
    """The images about which the voices differ, those where fewest are right first."""
    found = []
    for row, one in enumerate(known):
        said = [voice for voice in voices if voice.heard[row]]
        if len({int(voice.said[row]) for voice in said}) > 1:
            right = sum(int(voice.said[row]) == one.truth for voice in said)
            found.append((right / len(said), row, one, said))
    found.sort(key=lambda entry: entry[:2])
    return [
        Difference(
            image_id=one.image.id,
            content_hash=one.image.content_hash,
            truth=one.label,
            answers=[_said(voice, row, answers) for voice in said],
        )
        for _, row, one, said in found[:MOST_DIFFERENCES]
    ]


def _said(voice: _Voice, row: int, answers: AnswerSet) -> Said:
    said, probs = int(voice.said[row]), voice.probs[row]
    label = answers.decode(said) or Outcome.ABSTAINED.value
    probability = float(probs[said]) if label in answers.classes and not np.isnan(probs).any() else None
    return Said(voice.row.engine, label, rounded(probability, 4))
