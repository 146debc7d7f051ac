"""The figure `agreement`: how far people agree with each other, and engines with people, and who confuses what.

In: current answers that count. Out: one figure. Answers to blind reviews stand apart from those that saw a pre-label:
whoever saw it is not independent of the engine, so engines are compared with blind answers only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.engines import engines_in_force, prelabels
from db.repositories.engines.engines_in_force import Stage
from db.repositories.engines.prelabels import Said
from db.repositories.people import annotators
from db.repositories.projects import projects
from db.repositories.reviews.annotations import VoteRow
from db.session import reading, transaction
from db.views import label_audit
from db.views.figures import keep
from labeling.answers import MISSING, AnswerSet
from labeling.project import Project
from labeling.quality.annotators.interrater import agreement, alpha_by_class, cohen, disagreements, observed
from labeling.types import ProjectId
from service.figures.agreement import (
    Agreement,
    Among,
    Annotator,
    Cell,
    Confused,
    OneClass,
    Pair,
    People,
    Picture,
    WithEngine,
)
from service.figures.estimates import known
from service.figures.figures import is_current, write
from service.projects.pseudonyms import shown_name
from service.work.pool.votes import read_votes
from service.work.wiring import Parts

__all__ = ["PART", "refresh_agreement"]

PART = ":agreement"
FORMAT = "2"
MOST_PAIRS = 60
MOST_CELLS = 24
MOST_IMAGES = 6


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the figure rests on, read in one transaction; `people` names who answered."""

    project: Project
    votes: list[VoteRow]
    people: dict[int, str]
    engines: list[tuple[Stage, list[Said]]]


@dataclass(frozen=True, slots=True)
class _Table:
    """Row i of `answers` (N, R) speaks of `images[i]`, column j of `people[j]`; `MISSING` where there is no answer."""

    images: list[int]
    people: list[int]
    answers: NDArray[np.int64]


def refresh_agreement(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Compute the figure, unless no answer has changed since it was computed last."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        fingerprint = f"{FORMAT}-{project.config_version}-{label_audit.agreement_fingerprint(session, project_id)}"
        if is_current(session, project_id, fingerprint, Agreement, part=PART):
            return {"agreement": 0}
        facts = _read(parts, session, project)
        found = _compute(session, facts)
    with transaction(parts.database) as session:
        return {"agreement": keep(session, project_id, [write(found)], fingerprint, parts.now(), PART)}


def _read(parts: Parts, session: Session, project: Project) -> _Facts:
    every = read_votes(parts, session, project.id)  # re-reviews ask about the most suspicious labels: not a fair part
    votes = [vote for vote in every if vote.annotator_id and vote.re_reviewed is None]
    blind = {vote.image_id for vote in votes if vote.blind}
    return _Facts(
        project,
        votes,
        {one.id: shown_name(project, one.id, one.name) for one in annotators.everyone(session, project.id)},
        [
            (one, prelabels.said_of(session, blind, one.revision))
            for one in engines_in_force.in_force(session, project.id)
        ],
    )


def _compute(session: Session, facts: _Facts) -> Agreement:
    offered = facts.project.config.answers
    classes = offered.labels
    rng = np.random.default_rng(facts.project.config.policy.seed % 2**63)
    everyone = _table(facts.votes, offered)
    apart = {blind: _table([vote for vote in facts.votes if vote.blind is blind], offered) for blind in (True, False)}
    return Agreement(
        people=People(*(_of_people(table, len(classes), rng) for table in (everyone, apart[True], apart[False]))),
        classes=[
            OneClass(label, known(found))
            for label, found in zip(classes, alpha_by_class(everyone.answers, len(classes), rng), strict=True)
            if found is not None
        ],
        pairs=_pairs(everyone, facts.people, classes, rng),
        confusion=_confusion(session, everyone, classes),
        engines=[_of_engine(stage, said, apart[True], offered, rng) for stage, said in facts.engines],
    )


def _of_people(table: _Table, classes: int, rng: np.random.Generator) -> Among:
    found = agreement(table.answers, classes, rng)
    return Among(
        images=found.observed.n,
        people=len(table.people),
        observed=known(found.observed),
        fleiss=known(found.fleiss),
        alpha=known(found.alpha),
    )


def _table(votes: Sequence[VoteRow], offered: AnswerSet) -> _Table:
    """One column a person, one row an image; of several answers of a person about an image the newest counts."""
    newest: dict[tuple[int, int], VoteRow] = {}
    for vote in votes:
        held = newest.get((vote.image_id, vote.annotator_id))
        if held is None or (held.updated_at, held.annotation_id) < (vote.updated_at, vote.annotation_id):
            newest[vote.image_id, vote.annotator_id] = vote
    codes = {at: offered.code(vote.answer) for at, vote in newest.items()}
    cast = {at: code for at, code in codes.items() if code != MISSING}
    images = sorted({image for image, _ in cast})
    people = sorted({person for _, person in cast})
    row, column = {image: i for i, image in enumerate(images)}, {person: j for j, person in enumerate(people)}
    table = np.full((len(images), len(people)), MISSING, np.int64)
    for (image, person), value in cast.items():
        table[row[image], column[person]] = value
    return _Table(images, people, table)


def _pairs(table: _Table, names: Mapping[int, str], classes: Sequence[str], rng: np.random.Generator) -> list[Pair]:
    """Every two people who answered about the same images, those with the most images first."""
    given = table.answers != MISSING
    shared = given.T.astype(np.int64) @ given.astype(np.int64)  # (R, R)
    order = sorted(
        ((i, j) for i, j in combinations(range(len(table.people)), 2) if shared[i, j]), key=lambda at: -shared[at]
    )
    return [_pair(table, i, j, names, classes, rng) for i, j in order[:MOST_PAIRS]]


def _pair(
    table: _Table, i: int, j: int, names: Mapping[int, str], classes: Sequence[str], rng: np.random.Generator
) -> Pair:
    first, second = table.answers[:, i], table.answers[:, j]
    return Pair(
        first=_person(table.people[i], names),
        second=_person(table.people[j], names),
        same=known(observed(np.stack([first, second], axis=1), len(classes))),
        kappa=known(cohen(first, second, rng)),
        disagreements=[
            Cell(
                first=classes[cell.first],
                second=classes[cell.second],
                count=len(cell.rows),
                images=[table.images[row] for row in cell.rows[:MOST_IMAGES]],
            )
            for cell in disagreements(first, second)[:MOST_CELLS]
        ],
    )


def _person(annotator_id: int, names: Mapping[int, str]) -> Annotator:
    return Annotator(annotator_id, names.get(annotator_id, f"annotator {annotator_id}"))


def _confusion(session: Session, table: _Table, classes: Sequence[str]) -> list[Confused]:
    """The classes that people confuse: on how many images somebody said one and somebody else the other."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for image, row in zip(table.images, table.answers, strict=True):
        for pair in combinations(sorted(set(row[row != MISSING].tolist())), 2):
            found[pair].append(image)
    order = sorted(found.items(), key=lambda cell: (-len(cell[1]), cell[0]))[:MOST_CELLS]
    shown = _pictures(session, {image for _, images in order for image in images[-MOST_IMAGES:]})
    return [
        Confused(
            one=classes[one],
            other=classes[other],
            count=len(images),
            images=[shown[image] for image in images[-MOST_IMAGES:] if image in shown],
        )
        for (one, other), images in order
    ]


def _pictures(session: Session, images: Collection[int]) -> dict[int, Picture]:
    """What a page shows of these images; those about which somebody is still asked are left out."""
    asked, places = label_audit.open_images(session, images), label_audit.places(session, images)
    return {
        image: Picture(image, places[image].content_hash, places[image].ls_task_id)
        for image in images
        if image not in asked
    }


def _of_engine(
    stage: Stage, said: Sequence[Said], blind: _Table, offered: AnswerSet, rng: np.random.Generator
) -> WithEngine:
    """An engine against what most people said without any pre-label shown; ties and abstentions are left out."""
    named: dict[int, int] = {one.image_id: offered.code(offered.label_of(one.named, one.probs)) for one in said}
    people = np.array([_most(row) for row in blind.answers], np.int64)
    engine = np.array([named.get(image, MISSING) for image in blind.images], np.int64)
    both = np.stack([people, engine], axis=1).reshape(-1, 2)
    return WithEngine(
        engine=stage.engine,
        revision=stage.revision,
        same=known(observed(both, len(offered.labels))),
        kappa=known(cohen(people, engine, rng)),
    )


def _most(row: NDArray[np.int64]) -> int:
    """The class that more than half of the people gave; MISSING where there is none."""
    given = row[row != MISSING]
    if not len(given):
        return MISSING
    counts = np.bincount(given)
    return int(counts.argmax()) if 2 * counts.max() > len(given) else MISSING
