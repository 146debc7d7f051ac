"""From answers to labels: the label that follows from an image's answers is compared with the label in force.

In: images whose answers may have changed. Out: labels appended where they differ, and soft labels. A lead's decision
overrides every answer, and gold overrides what people answer. A blind re-review changes no label before two people
contradict it. Where nobody could tell, a row says so, unless a label
stands that came with the image. The result depends on the stored facts only, so doing it
again, or in another order, changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from db.repositories.labels import decisions, labels, soft_labels
from db.repositories.labels.decisions import Decision
from db.repositories.labels.labels import DISPUTED, OPEN, UNDECIDED, Label, NewLabel
from db.repositories.labels.soft_labels import SoftLabel
from db.repositories.projects import projects
from db.repositories.reviews import annotations as answers
from db.repositories.reviews.annotations import VoteRow
from labeling.answers import Answer, AnswerSet
from labeling.project import Project
from labeling.review.consensus import Vote, cast, consensus, shares
from labeling.review.kinds import blind_always
from labeling.types import ImageId, LabelSource, ReviewId, ReviewKind
from service.labels.re_reviews import counted_votes

__all__ = ["CROWDLAB", "MAJORITY", "Standing", "may_weigh", "resolve_labels", "standing_of"]

AUTHOR = "annotators"
MAJORITY, CROWDLAB = "majority", "crowdlab"
ENOUGH = 0.5
"""A consensus whose confidence is not above this is replaced by the majority."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What people answered about an image: the result of the review answered last; `value` None where there is none.

    `said` is the label that each person gave; it is empty where nobody could tell. `soft` is the share of each answer,
    or the probability by `method`, with that of "unsure" for those who could not tell.
    """

    value: str | None
    kind: ReviewKind
    review_id: ReviewId
    votes: tuple[VoteRow, ...]
    said: Mapping[int, str]
    soft: Mapping[str, float]
    confidence: float
    method: str = MAJORITY

    @property
    def annotation_ids(self) -> tuple[int, ...]:
        return tuple(vote.annotation_id for vote in self.votes)

    @property
    def answered_at(self) -> datetime:
        """When the last label was given; where there is none, the last answer."""
        given = [vote.updated_at for vote in self.votes if vote.annotator_id in self.said]
        return max(given or [vote.updated_at for vote in self.votes])

    @property
    def reason(self) -> str:
        """Why there is no value, where there is none."""
        return DISPUTED if self.said else UNDECIDED

    @property
    def evidence(self) -> dict[str, Any]:
        """What is kept with a label: the answers that it was made from, and its confidence."""
        return {
            "annotations": list(self.annotation_ids),
            "method": self.method,
            "confidence": round(self.confidence, 4),
            "soft": {answer: round(share, 6) for answer, share in self.soft.items()},
        }


def may_weigh(method: str, people: int) -> bool:
    """Whether a method that weighs may decide where so many people gave a label.

    CROWDLAB not between two: there the classifier would, and a tenth of a point more of the labels were wrong
    (`bench.consensus`, 5 % wrong answers).
    """
    return people > (2 if method == CROWDLAB else 1)


def resolve_labels(session: Session, project: Project, image_ids: Sequence[ImageId], now: datetime) -> int:
    """Append the labels that these images lack; return how many. The label set is that of this transaction."""
    wanted = sorted(set(image_ids))
    project = (wanted and projects.even_deleted(session, project.id)) or project
    standing = standing_of(answers.votes(session, wanted), project.config.answers)
    standing = _with_soft_labels(session, project, wanted, standing, now)
    held = labels.current_of(session, wanted)
    given = labels.newest_not_by_people(session, wanted)
    decided = decisions.in_force(session, wanted)
    found = [
        _decided(decided[image], held.get(image), standing.get(image))
        if image in decided
        else _due(image, standing.get(image), held.get(image), given.get(image))
        for image in wanted
    ]
    return labels.append(session, project.id, [label for label in found if label is not None], now)


def standing_of(votes: Iterable[VoteRow], known: AnswerSet) -> dict[ImageId, Standing]:
    """What people answered about each image by majority; a review in which somebody could tell comes before others."""
    by_review: dict[ReviewId, list[VoteRow]] = defaultdict(list)
    for vote in counted_votes(votes, known):
        if vote.kind is not ReviewKind.GOLD:  # its answers measure annotators, not images
            by_review[vote.review_id].append(vote)
    standing: dict[ImageId, Standing] = {}
    for _, rows in sorted(by_review.items()):
        found = _of_review(rows, known)
        before = standing.get(rows[0].image_id)
        if before is None or _rank(before) <= _rank(found):
            standing[rows[0].image_id] = found
    return standing


def _rank(one: Standing) -> tuple[bool, datetime]:
    return bool(one.said), one.answered_at


def _of_review(rows: Sequence[VoteRow], known: AnswerSet) -> Standing:
    votes = [Vote(v.annotator_id, v.answer, v.updated_at) for v in rows]
    said, soft = cast(votes, known), shares(votes, known)
    value = consensus(votes, known)
    confidence = max(soft.get(answer, 0.0) for answer in said.values()) if said else 0.0
    return Standing(value, rows[0].kind, rows[0].review_id, tuple(rows), said, soft, confidence)


def _with_soft_labels(
    session: Session, project: Project, wanted: Sequence[ImageId], standing: Mapping[ImageId, Standing], now: datetime
) -> dict[ImageId, Standing]:
    """Each with the value of the policy's method where that was computed from these answers; else with the shares."""
    held, method = soft_labels.of(session, wanted), project.config.policy.consensus
    fits = {
        image
        for image, one in standing.items()
        if (soft := held.get(image)) and soft.method == method and set(soft.annotations) == set(one.annotation_ids)
    }
    new = [_soft(image, one) for image, one in standing.items() if image not in fits]
    new = [one for one in new if held.get(one.image_id) != one]
    soft_labels.keep(session, project.id, new, [image for image in held if image not in standing], now)
    return {image: _weighed(one, held[image]) if image in fits else one for image, one in standing.items()}


def _soft(image: ImageId, one: Standing) -> SoftLabel:
    evidence = one.evidence
    return SoftLabel(image, MAJORITY, one.value, evidence["confidence"], evidence["soft"], one.annotation_ids)


def _weighed(standing: Standing, soft: SoftLabel) -> Standing:
    """With the value of the soft label, where it may be used.

    Not where too few people gave a label, nor for an answer that nobody gave, nor for blind kinds: engines, and the
    quality estimated from them, must not affect the labels that measure engines.
    """
    enough = may_weigh(soft.method, len(standing.said))
    allowed = enough and soft.value in standing.soft and not blind_always(standing.kind)
    if soft.method == MAJORITY or not allowed or soft.confidence <= ENOUGH:
        return standing
    return replace(standing, value=soft.value, soft=soft.probs, confidence=soft.confidence, method=soft.method)


def _decided(decision: Decision, held: Label | None, standing: Standing | None) -> NewLabel | None:
    """The label of a decision; it keeps the review, and so the kind, of what it corrects."""
    if held is not None and held.decision_id == decision.id:
        return None
    review_id = held.review_id if held is not None else None
    if review_id is None and standing is not None:
        review_id = standing.review_id
    evidence = {"decision": decision.id, "kind": decision.kind}
    value = Answer.one(decision.value).single
    return NewLabel(decision.image_id, value, LabelSource.PEOPLE, decision.author, decision.reason, review_id, evidence)


def _due(image: ImageId, standing: Standing | None, held: Label | None, given: Label | None) -> NewLabel | None:
    """The label to append for one image; None where the one in force is right."""
    if held is not None and held.source is LabelSource.GOLD and held.value is not None:
        return None
    by_people = held if held is not None and held.source is LabelSource.PEOPLE else None
    came = given is not None and given.value is not None
    if standing is not None and (standing.said or not came):
        return _answered(image, standing, held, by_people)
    if by_people is None or _is_withdrawn(by_people):
        return None
    gone = "answer withdrawn" if by_people.decision_id is None else "decision taken back"
    if given is not None and given.value is not None:
        return NewLabel(image, given.value, given.source, AUTHOR, f"{gone}; the earlier label stands again")
    return NewLabel(image, None, LabelSource.PEOPLE, AUTHOR, gone, by_people.review_id)


def _answered(image: ImageId, standing: Standing, held: Label | None, by_people: Label | None) -> NewLabel | None:
    """What people's answers make of an image; None where the label in force says so already."""
    value, review_id = standing.value, standing.review_id
    if by_people is not None and by_people.decision_id is None:
        same = (by_people.value, by_people.review_id) == (value, review_id)
        if same and (value is not None or by_people.reason == standing.reason):
            return None
    changed = "answered" if held is None or held.value is None else "answer changed"
    reason = changed if value is not None else standing.reason
    return NewLabel(image, value, LabelSource.PEOPLE, AUTHOR, reason, review_id, standing.evidence)


def _is_withdrawn(held: Label) -> bool:
    """Whether a row already says that no answer counts."""
    return held.value is None and held.decision_id is None and held.reason not in OPEN
