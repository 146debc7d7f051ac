"""People err: on how many given gold images people agree with a wrong label of the version, and what that takes off.

In: a version with its pool and rule, given gold, the answers to it. Out: what an attempt spends of its level on gold,
and the human-error term of what it accepted. No certifying answer decides which gold counts, but by the rank.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.repositories.queries import gold
from db.repositories.reviews import annotations as ledger
from db.repositories.reviews.annotations import VoteRow
from db.session import reading
from labeling.answers import AnswerSet
from labeling.certify.human_error import ENOUGH_GOLD, human_error
from labeling.project import CertificateTerms, Project
from labeling.types import ImageId, ReviewKind
from service.work.certify.accept_rule import Excluding
from service.work.certify.scored import Scored
from service.work.certify.sets import SetFacts
from service.work.wiring import Parts

__all__ = ["Gold", "levels", "read_gold", "subtracted"]

THREE = 3


@dataclass(frozen=True, slots=True)
class Gold:
    """Given gold that people answered and that the set could hold: `scores` (G,), and where people agree on an error.

    `agreed_wrong` (G,): the version is wrong, and people decided for its label; or they differ and one of them gave it.
    """

    scores: NDArray[np.float64]
    agreed_wrong: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scores)


def read_gold(
    parts: Parts, project: Project, scored: Scored, terms: CertificateTerms, facts: SetFacts, excluding: Excluding
) -> Gold:
    """The gold of the terms; none where they name no share of delta for it."""
    if not terms.gold:
        return Gold(np.empty(0), np.empty(0, bool))
    with reading(parts.database) as session:
        given = {image: one.value for image, one in gold.answers(session, project.id).items() if not one.made_from}
        votes = ledger.votes(session, list(given))
    said = _answers(votes, project.config.answers)
    pool, classes = scored.pool, project.config.classes
    images = [image for image in given if len(said.get(image, ())) >= terms.people]
    rows = pool.rows_of(np.array(images, np.int64))
    rows = _one_a_group(pool.group_ids, rows[rows >= 0])
    outside = np.isin(pool.group_ids[rows], list(facts.shadows)) | (pool.group_ids[rows] > facts.until)
    excluded = np.any([which[rows] for which in excluding.values()], axis=0)
    rows = rows[~outside & ~excluded]
    names = [ImageId(int(image)) for image in pool.image_ids[rows]]
    predicted = [classes[position] for position in scored.predicted[rows].tolist()]
    wrong = [
        _agree_on_error(one, given[image], said[image], terms.people)
        for image, one in zip(names, predicted, strict=True)
    ]
    return Gold(scored.scores[rows], np.array(wrong, bool))


def levels(terms: CertificateTerms, level: float, found: Gold) -> tuple[float, float]:
    """What the scan spends of a level and what the human-error term does; with too little gold nothing is subtracted.

    >>> levels(CertificateTerms(precision=0.9, gold=0.25), 0.1, Gold(np.zeros(300), np.zeros(300, bool)))
    (0.07500000000000001, 0.025)
    """
    share = level * terms.gold
    return (level - share if len(found) >= ENOUGH_GOLD else level), share


def subtracted(found: Gold, score: float | None, accepted: int, delta: float, lower: float | None) -> dict[str, Any]:
    """The human-error term of `accepted` images that score at least `score`, as it is kept with an attempt."""
    if score is None or lower is None or not delta:
        return {}
    above = found.scores >= score
    term = human_error(int(np.count_nonzero(found.agreed_wrong[above])), int(above.sum()), accepted, delta)
    return {**asdict(term), "relative": term.relative, "bound": term.bound(lower)}


def _answers(votes: Iterable[VoteRow], known: AnswerSet) -> Mapping[ImageId, Sequence[str]]:
    """What people said of each gold image, the first first, each person's newest answer."""
    by_image: dict[ImageId, dict[int, tuple[Any, str]]] = defaultdict(dict)
    for vote in votes:
        said = vote.answer.single
        if vote.kind is ReviewKind.GOLD and said is not None and known.is_label(said):
            by_image[vote.image_id][vote.annotator_id] = (vote.updated_at, said)
    return {image: [said for _, said in sorted(some.values())] for image, some in by_image.items()}


def _agree_on_error(predicted: str, truth: str, said: Sequence[str], people: int) -> bool:
    """Whether people, asked as for a certifying image, give the version's wrong label; who differ might have."""
    if predicted == truth:
        return False
    asked = said[:people]
    if len(set(asked)) > 1:
        asked = said[:THREE]  # as for a certifying image: a third person, else a lead
    most, count = Counter(asked).most_common(1)[0]
    return most == predicted if 2 * count > len(asked) else predicted in asked


def _one_a_group(group_ids: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(group_ids[rows], return_index=True)
    return rows[first]
