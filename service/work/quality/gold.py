"""Makes gold of labels that enough people agree on, where the policy wants that; such an image goes on training.

In: current answers that count. Out: labels of source gold, with the answers that they were made from, so that those who
gave them are not judged by them. They keep the review that they came from, and so what they may be used for. Only what
could have been trained on is taken, and only from the pool: labels of the random stream measure versions. A blind
re-review may speak against gold and makes none: gold of what was suspicious would be harder than what people answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from db.repositories.labels import decisions, labels
from db.repositories.labels.labels import NewLabel
from db.repositories.projects import projects
from db.repositories.queries import gold
from db.repositories.reviews.annotations import VoteRow
from db.session import reading, transaction
from db.views import label_audit
from labeling.answers import AnswerSet
from labeling.project import Project
from labeling.review.kinds import Use, may_use
from labeling.types import ImageId, LabelSource, ProjectId
from service.work.pool.votes import read_votes
from service.work.wiring import Parts

__all__ = ["make_gold"]

AUTHOR = "policy"
REASON = "people agree"


def make_gold(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Append gold labels where `policy.gold.from_consensus` people agree and nobody disagrees."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        found = _agreed(parts, session, project) if project.config.policy.gold.from_consensus else []
    if not found:
        return {}
    with transaction(parts.database) as session:
        held = labels.current_of(session, [label.image_id for label in found])
        new = [label for label in found if label.image_id in held and held[label.image_id].value == label.value]
        new = [label for label in new if held[label.image_id].source is LabelSource.PEOPLE]
        return {"gold": labels.append(session, project_id, new, parts.now())}


def _agreed(parts: Parts, session: Session, project: Project) -> list[NewLabel]:
    by_image: dict[ImageId, list[VoteRow]] = defaultdict(list)
    for vote in read_votes(parts, session, project.id):
        if vote.viewed:  # who never viewed the image says nothing of it
            by_image[vote.image_id].append(vote)
    known = gold.answers(session, project.id)
    wanted = project.config.policy.gold.from_consensus
    answers = project.config.answers
    candidates = [
        (image, votes) for image, votes in by_image.items() if image not in known and _is_sure(votes, wanted, answers)
    ]
    pool = _not_reserved(session, project.id)
    decided = decisions.in_force(session, [image for image, _ in candidates])
    return [_gold(image, votes) for image, votes in candidates if image in pool and image not in decided]


def _is_sure(votes: Sequence[VoteRow], wanted: int, answers: AnswerSet) -> bool:
    """Enough people say the same outside re-reviews, not led to it by a pre-label; nobody says anything else."""
    said = {vote.answer for vote in votes}
    if len(said) != 1 or not all(may_use(vote.kind, Use.TRAIN) for vote in votes):
        return False
    [only] = said
    free = {vote.annotator_id for vote in votes if vote.re_reviewed is None and not only.keeps(vote.shown)}
    return answers.is_label(only.single) and len(free - {0}) >= wanted


def _not_reserved(session: Session, project_id: ProjectId) -> set[ImageId]:
    return {one.image_id for one in label_audit.held_labels(session, project_id) if not one.reserved}


def _gold(image: ImageId, votes: Iterable[VoteRow]) -> NewLabel:
    rows = list(votes)
    evidence = {"annotations": [vote.annotation_id for vote in rows], "people": len({v.annotator_id for v in rows})}
    asked = [vote for vote in rows if vote.re_reviewed is None]
    newest = max(asked, key=lambda vote: (vote.updated_at, vote.annotation_id))
    return NewLabel(image, newest.answer.single, LabelSource.GOLD, AUTHOR, REASON, newest.review_id, evidence)
