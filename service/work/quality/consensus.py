"""Weighs people's answers by the policy's method, keeps the soft labels, and lets labels follow them.

In: current answers that count, and what the first engine says of the same images. Out: soft labels, labels where they
differ now, and the figure `consensus`. What may have been fitted on a label does not count for it: only an engine
revision that answers for every image, without examples, counts as an annotator beside people; a prediction is that of
the version that asked about the image, which was fitted before. Where somebody accepted what an engine had
pre-selected, that answer is not independent of it, so no engine counts there; nor does any for blind kinds. CROWDLAB
weighs only images that a classifier had predicted so; of the others, and of all before a first version, the majority
decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from db.repositories.engines import engines_in_force
from db.repositories.labels import soft_labels
from db.repositories.labels.soft_labels import EnginePrediction, SoftLabel
from db.repositories.projects import projects
from db.repositories.reviews import annotations as answers
from db.session import reading, transaction
from db.views import figures
from labeling.answers import AnswerSet
from labeling.jobs import JobName, Trigger
from labeling.loading import loading
from labeling.project import Project
from labeling.quality.annotators.soft_labels import Aggregation, RaterAnswer
from labeling.quality.annotators.soft_labels import SoftLabel as Weighed
from labeling.review.kinds import blind_always
from labeling.slices import batches
from labeling.types import ImageId, ProjectId
from service.figures.agreement import Consensus
from service.figures.figures import is_current, stored, write
from service.labels.resolution import CROWDLAB, MAJORITY, Standing, may_weigh, resolve_labels, standing_of
from service.work.pool.predicted import when_asked
from service.work.pool.votes import read_votes
from service.work.wiring import Parts

__all__ = ["PART", "refresh_consensus", "refresh_large_consensus"]

PART = ":consensus"
BATCH = 500
ENGINE = "engine:"
NOTHING_WEIGHED = "No classifier had predicted an image that three people answered: all labels are by majority."
QUICK_ANSWERS = {MAJORITY: 10**9, CROWDLAB: 20_000, "dawid-skene": 5_000, "glad": 500}
"""With more answers than this a method takes longer than people wait for a page; it is then left to `inspect`."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a consensus rests on, read in one transaction."""

    project: Project
    fingerprint: str
    standing: Mapping[ImageId, Standing]
    engine: str
    engine_answers: Sequence[EnginePrediction]
    predicted: Mapping[ImageId, Sequence[float]]


def refresh_large_consensus(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """As `refresh_consensus`, however many answers there are."""
    return refresh_consensus(parts, project_id, {})


def refresh_consensus(parts: Parts, project_id: ProjectId, most: Mapping[str, int] = QUICK_ANSWERS) -> dict[str, int]:
    """Weigh the answers again if any has changed, unless there are more of them than `most` says of the method."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        method = project.config.policy.consensus
        revision = engines_in_force.first_revision(session, project_id)
        fingerprint = method
        if method != MAJORITY:
            fingerprint += f"-{revision}-{soft_labels.fingerprint(session, project_id, revision)}"
        if is_current(session, project_id, fingerprint, Consensus, part=PART):
            return {"weighed": 0}
        kept = stored(session, project_id, Consensus)
        if method in most and soft_labels.count_answers(session, project_id) > most[method]:
            return {"weighed": 0}
    if method == MAJORITY:
        return _resolve_all(parts, project, fingerprint)
    if kept is not None and kept.method not in (method, MAJORITY):
        _resolve(parts, project)  # another method's labels, of images that this one may not weigh
    facts = _read(parts, project, fingerprint, revision)
    found = _weigh(facts, method)
    counts = _keep(parts, facts, _soft_labels(facts, found, method))
    with transaction(parts.database) as session:
        quality = {who: round(float(value), 4) for who, value in sorted(found.quality.items())}
        why = NOTHING_WEIGHED if method == CROWDLAB and not found.labels else ""
        figure = write(Consensus(method, len(found.labels), quality, why))
        figures.keep(session, project_id, [figure], fingerprint, parts.now(), part=PART)
    return counts


def _resolve_all(parts: Parts, project: Project, fingerprint: str) -> dict[str, int]:
    """The majority needs no weighing; after another method every label is resolved by it once."""
    images, resolved = _resolve(parts, project)
    with transaction(parts.database) as session:
        figure = write(Consensus(MAJORITY, images, {}))
        figures.keep(session, project.id, [figure], fingerprint, parts.now(), part=PART)
    return {"weighed": 0, "resolved": resolved}


def _resolve(parts: Parts, project: Project) -> tuple[int, int]:
    """How many images have answers, and how many labels differ when all are resolved."""
    with reading(parts.database) as session:
        images = answers.answered_images(session, project.id)
    resolved = 0
    for batch in batches(images, BATCH):
        with transaction(parts.database) as session:
            resolved += resolve_labels(session, project, batch, parts.now())
    return len(images), resolved


def _read(parts: Parts, project: Project, fingerprint: str, revision: str | None) -> _Facts:
    with reading(parts.database) as session:
        standing = standing_of(read_votes(parts, session, project.id), project.config.answers)
        open_to_engines = [image for image, one in standing.items() if not _is_closed_to_engines(one)]
        of_engine = soft_labels.engine_predictions(session, revision, open_to_engines) if revision else []
        predicted = when_asked(session, project, open_to_engines)
    classes = len(project.config.classes)
    predicted = {image: probs for image, probs in predicted.items() if len(probs) == classes}
    return _Facts(project, fingerprint, standing, f"{ENGINE}{revision}", of_engine, predicted)


def _is_closed_to_engines(one: Standing) -> bool:
    """Whether an engine's answer may not count beside these people's: of blind kinds, and where it was accepted."""
    return blind_always(one.kind) or any(vote.answer.keeps(vote.shown) for vote in one.votes)


def _weigh(facts: _Facts, method: str) -> Aggregation:
    """By CROWDLAB only what it may decide has a soft label: a single answer keeps its own."""
    table, known = _table(facts), facts.project.config.answers
    if method == CROWDLAB:
        table = [one for one in table if one.image in facts.predicted]
    if not table:
        return Aggregation({}, {}, {})
    with loading:
        from labeling.quality.annotators.aggregation import aggregate  # a second to load, for who has several answers

    if method != CROWDLAB:
        return aggregate(method, table, known)
    found = aggregate(method, table, known, {int(image): probs for image, probs in facts.predicted.items()})
    said = {int(image): len(one.said) for image, one in facts.standing.items()}
    return replace(found, labels={image: one for image, one in found.labels.items() if may_weigh(method, said[image])})


def _table(facts: _Facts) -> list[RaterAnswer]:
    """The images with several answers: a single one can be weighed against nothing and stays as it is."""
    table = [
        RaterAnswer(image, str(annotator), answer)
        for image, one in facts.standing.items()
        for annotator, answer in one.said.items()
    ]
    known = facts.project.config.answers
    said = ((one.image_id, known.label_of(one.named, one.probs)) for one in facts.engine_answers)
    table += [RaterAnswer(image, facts.engine, answer) for image, answer in said if answer is not None]
    answers_of = Counter(one.image for one in table)
    return [one for one in table if answers_of[one.image] > 1]


def _soft_labels(facts: _Facts, found: Aggregation, method: str) -> list[SoftLabel]:
    return [
        _soft(ImageId(image), facts.standing[ImageId(image)], soft, method, facts.project.config.answers)
        for image, soft in found.labels.items()
    ]


def _soft(image: ImageId, people: Standing, found: Weighed, method: str, known: AnswerSet) -> SoftLabel:
    """What the method found, with the share of those who could not tell kept beside it."""
    doubt = people.soft.get(known.unsure, 0.0)
    probs = {answer: share * (1 - doubt) for answer, share in found.probs.items()}
    probs |= {known.unsure: doubt} if doubt else {}
    rounded = {answer: round(share, 6) for answer, share in probs.items()}
    return SoftLabel(
        image, method, found.value, round(found.confidence * (1 - doubt), 4), rounded, people.annotation_ids
    )


def _keep(parts: Parts, facts: _Facts, soft: Sequence[SoftLabel]) -> dict[str, int]:
    """Write what differs and resolve those labels, a batch a transaction: after a kill it goes on where it was."""
    with reading(parts.database) as session:
        held = soft_labels.of(session, [one.image_id for one in soft])
    new = [one for one in soft if held.get(one.image_id) != one]
    resolved = 0
    for batch in batches(new, BATCH):
        with transaction(parts.database) as session:
            soft_labels.keep(session, facts.project.id, batch, [], parts.now())
            resolved += resolve_labels(session, facts.project, _of_several(facts, batch), parts.now())
    if resolved:
        with transaction(parts.database) as session:
            for job in (JobName.LEARN, JobName.FIGURES):
                parts.jobs.ask(session, job, facts.project.id, Trigger.ANSWERED)
    return {"weighed": len(new), "resolved": resolved}


def _of_several(facts: _Facts, soft: Iterable[SoftLabel]) -> list[ImageId]:
    """The images with an answer by several people: the label of another image does not change with a soft label."""
    return [one.image_id for one in soft if len(facts.standing[one.image_id].said) > 1]
