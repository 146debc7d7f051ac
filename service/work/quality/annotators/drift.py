"""Whether annotators are right less often lately than before: answers in, one row an annotator with enough of both out.

An answer is right when it says what gold says, else what most others say of the image. Lately is the last two weeks.
Answers to blind re-reviews are left out, as what they re-review is hard and comes in waves: who had more of them lately
would seem to err more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.repositories.queries import gold
from db.repositories.reviews.annotations import VoteRow
from labeling.project import Project
from labeling.quality.annotators.references import Answer, collect_votes, reference_of
from labeling.quality.drift import fewer_right, holm
from service.figures.drift import Habit, Right
from service.work.pool.votes import read_votes
from service.work.wiring import Parts

__all__ = ["people_over_time"]

LATELY = timedelta(days=14)
ENOUGH = 20
LEVEL = 0.01
FALLEN = 0.1
STILL = 0.05
"""Raised at a corrected p-value under `LEVEL` and a fall of `FALLEN`; stays open under `STILL` and at half the fall."""


def people_over_time(parts: Parts, session: Session, project: Project) -> list[Habit]:
    """All annotators who have at least 20 answers that can be judged, lately and before."""
    known = {image: answer.value for image, answer in gold.answers(session, project.id).items()}
    every = read_votes(parts, session, project.id)
    votes = [vote for vote in every if vote.annotator_id and vote.re_reviewed is None]
    counted = _counted([_answer(vote, known) for vote in votes if vote.answer.single is not None], parts.now() - LATELY)
    enough = {who: (old, new) for who, (old, new) in counted.items() if min(len(old), len(new)) >= ENOUGH}
    found = {who: fewer_right((sum(old), len(old)), (sum(new), len(new))) for who, (old, new) in enough.items()}
    corrected = dict(zip(found, holm([one.p_value for one in found.values()]), strict=True))
    return [
        Habit(
            annotator=who,
            before=Right(round(sum(old) / len(old), 4), len(old)),
            now=Right(round(sum(new) / len(new), 4), len(new)),
            size=round(float(found[who].size), 4),
            p_value=round(float(corrected[who]), 5),
            found=bool(corrected[who] < LEVEL and found[who].size >= FALLEN),
            still=bool(corrected[who] < STILL and found[who].size >= FALLEN / 2),
        )
        for who, (old, new) in sorted(enough.items())
    ]


def _answer(vote: VoteRow, known: dict[Any, str]) -> Answer:
    [said] = vote.answer.choices
    return Answer(vote.annotator_id, vote.image_id, said, vote.updated_at, known=known.get(vote.image_id))


def _counted(given: Iterable[Answer], since: datetime) -> dict[int, tuple[list[bool], list[bool]]]:
    """Per annotator whether each answer was right: those before, and those since."""
    given = list(given)
    votes = collect_votes(given)
    counted: dict[int, tuple[list[bool], list[bool]]] = defaultdict(lambda: ([], []))
    for answer in given:
        reference = reference_of(answer, votes)
        if reference is not None:
            counted[answer.annotator][answer.at >= since].append(answer.said == reference.value)
    return counted
