"""Blind re-reviews of labels: which of their answers may make a label, what each came to, and how a lead asks for more.

In: answers, decisions, re-reviews. Out: outcomes, and requests that the worker follows. A label stays as it is, and is
used as before, until two blind answers contradict it or a lead decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from db.repositories.labels.decisions import Decision
from db.repositories.people import audit
from db.repositories.reviews import re_reviews
from db.repositories.reviews.annotations import VoteRow
from db.repositories.reviews.re_reviews import ReReview
from db.views import project_stats
from labeling.answers import AnswerSet
from labeling.errors import Conflict, Invalid
from labeling.estimates import MIN_LABELS
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from labeling.review.consensus import Vote, cast
from labeling.review.re_reviews import Outcome, outcome_of
from labeling.types import Actor, ImageId, LabelSource, ReviewId, ReviewKind
from service.jobs.jobs import Jobs

__all__ = ["AT_ONCE", "ReReviewed", "Requested", "ask_for_more", "counted_votes", "outcomes"]

AT_ONCE = 1_000
"""So many may be asked for with one request."""


@dataclass(frozen=True, slots=True)
class ReReviewed:
    """What became of one re-review. `outcome` None: nobody but who gave the label has answered yet.

    `said` is the label that each other person gave; `others` counts all other people who answered, those who could not
    tell among them; `people` are all who ever answered about the image. `decided`: by a lead since it was chosen.
    """

    of: ReReview
    said: Mapping[int, str]
    others: int
    people: frozenset[int]
    decided: bool
    outcome: Outcome | None

    @property
    def is_corrected(self) -> bool:
        """Whether the label was found wrong and does not stand any more."""
        return self.outcome is Outcome.WRONG and self.of.now != self.of.value

    @property
    def in_dispute(self) -> bool:
        """Whether an answer contradicts the label, and neither a third answer nor a lead has decided yet."""
        return self.outcome is Outcome.OPEN and bool(self.said) and not self.decided


@dataclass(frozen=True, slots=True)
class Requested:
    """How many re-reviews are wanted in all, how many were asked so far, and how many this request added."""

    wanted: int
    asked: int
    new: int


def counted_votes(votes: Iterable[VoteRow], known: AnswerSet) -> list[VoteRow]:
    """The votes that labels follow from.

    Those of a re-review count only once two people contradict the label, and then as answers to the review that gave
    it: so the label keeps its kind, and with it what it may be used for. Who gave the label counts once.
    """
    every = list(votes)
    by_review: dict[ReviewId, list[VoteRow]] = defaultdict(list)
    for vote in every:
        if vote.re_reviewed is not None:
            by_review[vote.review_id].append(vote)
    counted = [vote for vote in every if vote.re_reviewed is None]
    givers = _givers(counted)
    for some in by_review.values():
        label, others = some[0].re_reviewed or "", _others(some, givers)
        said = _cast(others, known)
        if said and outcome_of(label, said.values()) is Outcome.WRONG:
            counted += [replace(v, review_id=v.given_in or v.review_id, kind=v.given_as or v.kind) for v in others]
    return counted


def outcomes(
    asked: Sequence[ReReview], votes: Iterable[VoteRow], decided: Mapping[ImageId, Decision], known: AnswerSet
) -> list[ReReviewed]:
    """What became of these re-reviews.

    Parameters
    ----------
    asked : sequence of ReReview
        As stored.
    votes : iterable of VoteRow
        All current answers about their images.
    decided : mapping
        The decisions in force of these images; only those made since the label was chosen count.
    known : AnswerSet
        What may be answered.
    """
    every = [vote for vote in votes if vote.kind is not ReviewKind.GOLD]
    givers = _givers(every)
    people: dict[ImageId, set[int]] = defaultdict(set)
    by_review: dict[ReviewId, list[VoteRow]] = defaultdict(list)
    for vote in every:
        people[vote.image_id].add(vote.annotator_id)
        by_review[vote.review_id].append(vote)
    return [
        _outcome(one, _others(by_review[one.review_id], givers), people[one.image_id], decided.get(one.image_id), known)
        for one in asked
    ]


def ask_for_more(session: Session, jobs: Jobs, project: Project, more: int, by: Actor) -> Requested:
    """Ask for so many more re-reviews; the worker chooses the labels. While a request waits, another adds nothing.

    Invalid for a number out of range, Conflict where there are too few labels, or none is left to re-review.
    """
    if not 1 <= more <= AT_ONCE:
        raise Invalid(f"Ask for 1 to {AT_ONCE} re-reviews at a time.")
    asked, wanted = re_reviews.count_asked(session, project.id), re_reviews.wanted(session, project.id)
    labels = sum(one.count for one in project_stats.labels_now(session, project.id) if one.source != LabelSource.GOLD)
    if labels < MIN_LABELS:
        raise Conflict(
            f"The share of wrong labels needs {MIN_LABELS} labels, and there are {labels}. Label more first."
        )
    if asked >= labels:
        raise Conflict(f"All {asked} labels are re-reviewed already, or are being re-reviewed.")
    if wanted > asked:
        return Requested(wanted, asked, 0)
    new = min(more, labels - asked)
    re_reviews.want(session, project.id, asked + new, by)
    audit.record(
        session, by.author, "re-reviews", project.config.name, {"more": new, "reason": by.reason}, by.now, project.id
    )
    jobs.ask(session, JobName.INSPECT, project.id, Trigger.HAND)
    return Requested(asked + new, asked, new)


def _outcome(
    one: ReReview, others: Sequence[VoteRow], people: set[int], decision: Decision | None, known: AnswerSet
) -> ReReviewed:
    said = _cast(others, known)
    since = decision.value if decision is not None and decision.at >= one.since else None
    label = since if since is not None and known.is_label(since) else None
    answered = others or since is not None or one.ended
    outcome = outcome_of(one.value, said.values(), label) if answered else None
    count = len({vote.annotator_id for vote in others})
    return ReReviewed(one, said, count, frozenset(people), since is not None, outcome)


def _givers(votes: Iterable[VoteRow]) -> dict[ImageId, set[int]]:
    """Who answered about each image outside re-reviews: their answers to a re-review of it are not independent."""
    givers: dict[ImageId, set[int]] = defaultdict(set)
    for vote in votes:
        if vote.re_reviewed is None and vote.kind is not ReviewKind.GOLD:
            givers[vote.image_id].add(vote.annotator_id)
    return givers


def _others(votes: Iterable[VoteRow], givers: Mapping[ImageId, set[int]]) -> list[VoteRow]:
    return [vote for vote in votes if vote.annotator_id not in givers.get(vote.image_id, ())]


def _cast(votes: Iterable[VoteRow], known: AnswerSet) -> dict[int, str]:
    return cast((Vote(vote.annotator_id, vote.answer, vote.updated_at) for vote in votes), known)
