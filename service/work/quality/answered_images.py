"""The newest answered images as the rules of second answers see them: who said what, and what was predicted before.

In: a project. Out: its standing answers, with the images that one person alone has answered, the pairs of first and
second answers, and how often each annotator errs. Both `overlap` and `next_action` ask here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from db.repositories.labels import decisions
from db.repositories.reviews import annotations as answers
from db.repositories.reviews import overlaps
from db.repositories.reviews.annotations import VoteRow
from db.repositories.reviews.overlaps import Asked
from db.views.project_history import LONGEST_S
from db.views.undecided import Undecided, UndecidedState, undecided
from labeling.answers import is_none
from labeling.estimates import Estimate
from labeling.project import Project
from labeling.quality.annotators.anchoring import anchoring
from labeling.review.answer_errors import Pair, levelled, usual_error
from labeling.review.next_action import correction_teaches, second_answer
from labeling.review.overlap import BY_DOUBT, Answered, error_rates, wrong
from labeling.types import ImageId, ReviewId
from service.labels.resolution import Standing, standing_of
from service.work.pool.predicted import contradicted, first_answers, likeliest, predicted_before

__all__ = ["AnsweredImages", "read_answered", "said_when_asked"]

NEWEST = 2_000
"""So many of the newest answered reviews are considered."""


@dataclass(frozen=True)
class AnsweredImages:
    """`standing` and `asked` are of images about which no lead has decided; `compared` are all, decided ones too."""

    project: Project
    standing: Mapping[ImageId, Standing]
    compared: tuple[Standing, ...]
    asked: Mapping[ReviewId, Asked]
    predicted: Mapping[ImageId, Sequence[float]]
    pulls: Mapping[int, float]
    undecided: Mapping[ReviewId, Undecided]

    @cached_property
    def alone(self) -> dict[ImageId, Answered]:
        """The images that one person answered, and that nobody else is asked about yet."""
        return {
            image: self._answered(image, one)
            for image, one in self.standing.items()
            if len(one.said) == 1 and one.review_id in self.asked and self.asked[one.review_id].wanted == 1
        }

    @cached_property
    def rates(self) -> dict[int, float]:
        """How often each annotator errs, by how often they differ from others."""
        return error_rates(said_when_asked(one) for one in self.standing.values())

    @cached_property
    def pairs(self) -> list[Pair]:
        """First and second answers to images asked twice by doubt; not where the first kept a shown pre-label.

        Who keeps one may not have judged the image, so such an answer says little of how often people err.
        """
        return [pair for pair, kept in self._twice if not kept]

    @property
    def repeated(self) -> int:
        """How many of the newest second answers in a row said what the first had said, of what is asked by doubt."""
        return sum(1 for _ in takewhile(lambda one: one[0].first == one[0].second, self._twice))

    @property
    def seconds(self) -> list[float]:
        """How long each answer took, as far as Label Studio knows; at most ten minutes."""
        votes = (vote for one in self.compared for vote in one.votes)
        return [min(vote.lead_time_s, LONGEST_S) for vote in votes if vote.lead_time_s]

    def prediction(self, image: ImageId) -> tuple[float, ...]:
        """What was predicted of it before it was answered, with a last place for "none of these"; empty: nothing."""
        probs = self.predicted.get(image, ())
        return (*(p * (1 - self._none) for p in probs), self._none) if len(probs) else ()

    @cached_property
    def error(self) -> Estimate:
        """How often people err, by the pairs."""
        return usual_error(self.pairs, len(self.project.config.answers.labels))

    @cached_property
    def doubted(self) -> dict[ImageId, float]:
        """How likely the label of each image with one answer is wrong; never of the random stream or an audit."""
        classes, usual = len(self.project.config.answers.labels), self.error.value
        rates = levelled(self.rates, usual)
        return {
            image: wrong(one, rates.get(one.annotator, usual), classes, self.pulls.get(one.annotator))
            for image, one in self.alone.items()
            if one.kind in BY_DOUBT
        }

    def worth_of_second(self, teaches: float) -> NDArray[np.float64]:
        """Wrong labels that a second answer about each of these corrects, for each answer that it takes: (M,).

        `teaches` is what one more label teaches, as `next_action.label_teaches`.
        """
        classes, error = len(self.project.config.answers.labels), self.error.value
        found = [(now, second_answer(now, error, classes)) for now in self.doubted.values()]
        per_answer = np.array([(now - one.wrong_after) / one.answers for now, one in found])
        return per_answer * (1 + correction_teaches(teaches, error, classes))

    @cached_property
    def _twice(self) -> list[tuple[Pair, bool]]:
        """The newest second answer first, each with whether the first answer kept a shown pre-label."""
        found = []
        for one in self.compared:
            said = said_when_asked(one)
            if one.kind in BY_DOUBT and len(said) > 1:
                first, second = sorted((v for v in one.votes if v.annotator_id in said), key=_when)[:2]
                code = self.project.config.answers.code
                two = code(said[first.annotator_id]), code(said[second.annotator_id])
                pair = Pair(*two, self.prediction(first.image_id))
                found.append((second.updated_at, one.review_id, pair, first.answer.keeps(first.shown)))
        found.sort(key=lambda one: one[:2], reverse=True)
        return [(pair, kept) for _, _, pair, kept in found]

    @cached_property
    def _none(self) -> float:
        """How likely an image is none of the classes: no engine or classifier speaks of it."""
        said_none = sum(any(map(is_none, one.said.values())) for one in self.standing.values())
        return (said_none + 1) / (len(self.standing) + len(self.project.config.answers.labels))

    def _answered(self, image: ImageId, one: Standing) -> Answered:
        [(annotator, said)] = one.said.items()
        accepted = any(vote.answer.keeps(vote.shown) for vote in one.votes)
        code = self.project.config.answers.code(said)
        return Answered(one.review_id, one.kind, annotator, code, accepted, self.prediction(image))


def read_answered(session: Session, project: Project, revision: str | None) -> AnsweredImages:
    """Of the newest answered reviews; `revision` is the first engine's."""
    images = overlaps.answered_lately(session, project.id, NEWEST)
    votes = answers.votes(session, images)
    everything = standing_of(votes, project.config.answers)
    decided = decisions.in_force(session, list(everything))
    standing = {image: one for image, one in everything.items() if image not in decided}
    doubted = {
        one.review_id: one
        for one in undecided(session, project)
        if one.state is UndecidedState.LEAD and one.review_id is not None
    }
    predicted = predicted_before(session, project, revision, images)
    return AnsweredImages(
        project=project,
        standing=standing,
        compared=tuple(everything.values()),
        asked=overlaps.states(session, [*(one.review_id for one in standing.values()), *doubted]),
        predicted=predicted,
        pulls=_pulls(project, votes, predicted),
        undecided=doubted,
    )


def said_when_asked(one: Standing) -> dict[int, str]:
    """Without the answers of re-reviews: of those only what contradicts a label stands here."""
    again = {vote.annotator_id for vote in one.votes if vote.re_reviewed is not None}
    return {who: said for who, said in one.said.items() if who not in again}


def _when(vote: VoteRow) -> tuple[datetime, int]:
    return vote.updated_at, vote.annotation_id


def _pulls(
    project: Project, votes: Sequence[VoteRow], predicted: Mapping[ImageId, Sequence[float]]
) -> dict[int, float]:
    """How far a shown pre-label pulls each person, where that is known; nobody is pushed away by one."""
    found = anchoring(contradicted(first_answers(votes), likeliest(project, predicted)))
    return {who: max(0.0, pull.value) for who, pull in found.people.items() if pull.known}
