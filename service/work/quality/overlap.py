"""Asks another person where somebody could not tell, where that changes a label's odds, or where gold would come of it.

In: the newest answers, what was predicted of the images before, and the policy. Out: facts that more people are wanted;
the next `review` sends them to Label Studio. Nobody is waited for who does not take part now: then a lead decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.certificates import certificates
from db.repositories.engines import engines_in_force
from db.repositories.labels import soft_labels
from db.repositories.projects import projects
from db.repositories.reviews import overlaps
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from db.views import figures
from labeling.jobs import JobName, Trigger
from labeling.project import AUTO, Project
from labeling.review.kinds import Use, kinds_for, may_use
from labeling.review.next_action import seconds_worth_asking
from labeling.review.overlap import BY_DOUBT, choose, second_answers, second_answers_by_worth
from labeling.types import Actor, ImageId, ProjectId, ReviewId, ReviewKind
from service.figures.figures import stored
from service.figures.next_action import NextAction
from service.labels.resolution import Standing
from service.work.pool.champion import version_predictions
from service.work.quality.answered_images import AnsweredImages, read_answered
from service.work.wiring import Parts

__all__ = ["PART", "ask_another_person"]

PART = ":overlap"
RANKED = ":next_action"
"""What the ranking of actions was made of is kept under this."""
AUTHOR = "policy"
LATELY = timedelta(days=1)
"""Who has answered within this time takes part."""
MOST_WAITING = 200
"""So many doubtful images at most wait for another person at a time; new questions must not wait behind them."""
FOR_GOLD = "gold of agreement"
IN_DOUBT = 2
"""So many people are asked about an image that nobody can tell; then a lead decides."""
CERTIFYING = 2
"""So many people must agree about a certifying answer, where the terms want more than one."""
_ADJUDICATED = frozenset({ReviewKind.AUDIT})
"""Kinds of which a conflict goes to a lead at once."""


@dataclass(frozen=True, slots=True)
class _Facts:
    project: Project
    fingerprint: str
    people: set[int]
    answered: AnsweredImages
    against_version: frozenset[ImageId]
    """Images of the stream about which people say something else than the version that may be certified."""
    budget: int
    gold: int
    certifying_after: int | None


def ask_another_person(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Want another person for what is worth it, within the policy; nothing while no answer has changed."""
    facts = _read(parts, project_id)
    if facts is None:
        return {"overlap": 0}
    several = len(facts.people) > 1
    second, certifying = dict.fromkeys(_second(facts) if several else (), 2), _certifying(facts) if several else {}
    third = _third(facts)
    with transaction(parts.database) as session:
        now = parts.now()
        wanted = overlaps.want(session, _in_doubt(facts), Actor(AUTHOR, "nobody could tell", now))
        wanted += overlaps.want(session, second, Actor(AUTHOR, "doubt", now))
        wanted += overlaps.want(session, certifying, Actor(AUTHOR, "not what the version says", now))
        wanted += overlaps.want(session, third, Actor(AUTHOR, "people disagree", now))
        wanted += overlaps.want(session, _for_gold(facts), Actor(AUTHOR, FOR_GOLD, now))
        figures.keep(session, project_id, [], facts.fingerprint, now, part=PART)
        if wanted:
            parts.jobs.ask(session, JobName.REVIEW, project_id, Trigger.ANSWERED)
    return {"overlap": wanted}


def _read(parts: Parts, project_id: ProjectId) -> _Facts | None:
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        people = overlaps.people_since(session, project_id, parts.now() - LATELY)
        revision = engines_in_force.first_revision(session, project_id)
        here = ".".join(map(str, sorted(people)))
        fingerprint = f"{project.config_version}-{here}-{soft_labels.fingerprint(session, project_id, revision)}"
        certified = _version_to_certify(session, project)
        fingerprint += "" if certified is None else f"-{certified.id}"
        if project.config.policy.overlap.share == AUTO:
            fingerprint += f"-{figures.kept_fingerprint(session, project_id, RANKED)}"
        if fingerprint == figures.kept_fingerprint(session, project_id, PART):
            return None
        answered = read_answered(session, project, revision)
        more = (
            _budget(session, project, answered),
            _gold_budget(session, project),
            _certifying_after(session, project),
        )
    against = _against(parts, project, certified, answered.standing)
    return _Facts(project, fingerprint, people, answered, against, *more)


def _version_to_certify(session: Session, project: Project) -> Version | None:
    return versions.champion(session, project.id) if project.config.policy.certificate else None


def _against(
    parts: Parts, project: Project, version: Version | None, standing: Mapping[ImageId, Standing]
) -> frozenset[ImageId]:
    said = None if version is None else version_predictions(parts, version)
    stream = [image for image, one in standing.items() if one.kind is ReviewKind.RANDOM]
    if said is None or not stream:
        return frozenset()
    rows = said.rows_of(np.array(stream, np.int64))
    classes, predicted = project.config.classes, said.fitted[rows].argmax(axis=1)
    return frozenset(
        image
        for image, row, at in zip(stream, rows, predicted, strict=True)
        if row >= 0 and classes[at] != standing[image].value
    )


def _certifying_after(session: Session, project: Project) -> int | None:
    """The review after which those of the stream certify, where two people must agree; None: nowhere."""
    held = certificates.terms_in_force(session, project.id)
    return None if held is None or held.terms is None or held.terms.people < CERTIFYING else held.newest_review


def _budget(session: Session, project: Project, found: AnsweredImages) -> int:
    """How many more of the doubtful may be asked twice."""
    policy = project.config.policy.overlap
    if policy.people < 2:
        return 0
    several, waiting = overlaps.count_asked(session, project.id, BY_DOUBT)
    answered = overlaps.count_answered(session, project.id, BY_DOUBT)
    since = overlaps.count_answered_since(session, project.id, BY_DOUBT)
    counts = {"answered": answered, "several": several, "since": since, "repeated": found.repeated}
    if policy.share == AUTO:
        due = second_answers_by_worth(_worth_asking(session, project, found), compared=len(found.pairs), **counts)
    else:
        due = second_answers(policy.share, **counts)
    return min(due, MOST_WAITING - waiting)


def _worth_asking(session: Session, project: Project, found: AnsweredImages) -> int:
    """For how many images a second answer is worth more than that about a new image; 0 before actions are ranked."""
    ranked = stored(session, project.id, NextAction)
    if ranked is None:
        return 0
    return seconds_worth_asking(found.worth_of_second(ranked.label_teaches), [ranked.new_answer])


def _gold_budget(session: Session, project: Project) -> int:
    """How many more images may be asked of several people so that gold comes of them: `gold.rate` of those answered."""
    policy = project.config.policy.gold
    if policy.from_consensus < 2:
        return 0
    answered = overlaps.count_answered(session, project.id, kinds_for(Use.TRAIN))
    return int(policy.rate * answered) - overlaps.count_noted(session, project.id, FOR_GOLD)


def _for_gold(facts: _Facts) -> dict[ReviewId, int]:
    """As many people as gold wants, where all so far saw no pre-label and agree; the oldest first, whatever they are.

    Never by doubt: gold of easy images alone would judge nobody.
    """
    wanted = facts.project.config.policy.gold.from_consensus
    fit = sorted(
        one.review_id
        for one in facts.answered.standing.values()
        if may_use(one.kind, Use.TRAIN)
        and one.value is not None
        and one.confidence == 1
        and all(vote.blind and vote.re_reviewed is None for vote in one.votes)
        and len(one.said) < wanted <= len(facts.people | one.said.keys())
        and one.review_id in facts.answered.asked
        and facts.answered.asked[one.review_id].wanted < wanted
    )
    return dict.fromkeys(fit[: max(0, facts.gold)], wanted)


def _in_doubt(facts: _Facts) -> dict[ReviewId, int]:
    """One more for each image that nobody could tell yet and that somebody is left for; the others are a lead's."""
    return {
        review: facts.answered.asked[review].people + 1
        for review, one in facts.answered.undecided.items()
        if review in facts.answered.asked and len(one.people) < IN_DOUBT and facts.people - one.people
    }


def _certifying(facts: _Facts) -> dict[ReviewId, int]:
    """A second person for what the random stream holds against the version: a slip of one would count as its error."""
    asked = facts.answered.asked
    single = [facts.answered.standing[image] for image in facts.against_version]
    return {
        one.review_id: asked[one.review_id].people + 1
        for one in sorted(single, key=lambda one: one.review_id)
        if len(one.said) == 1
        and one.review_id in asked
        and not asked[one.review_id].open
        and asked[one.review_id].people <= IN_DOUBT  # those who could not tell are counted, and said nothing against it
        and facts.people - one.said.keys()
    }


def _second(facts: _Facts) -> list[ReviewId]:
    found, after = facts.answered, facts.certifying_after
    alone = list(found.alone.values())
    certifying = {
        one.review_id for one in alone if after is not None and one.kind is ReviewKind.RANDOM and one.review_id > after
    }
    return choose(
        alone,
        found.rates,
        answers=len(facts.project.config.answers.labels),
        budget=facts.budget,
        pulls=found.pulls,
        certifying=certifying,
    )


def _third(facts: _Facts) -> dict[ReviewId, int]:
    """One more for each conflict that the policy and the team have somebody left for; the others are a lead's."""
    return {
        one.review_id: facts.answered.asked[one.review_id].people + 1
        for one in facts.answered.standing.values()
        if one.said
        and one.value is None
        and one.kind not in _ADJUDICATED
        and one.review_id in facts.answered.asked
        and not facts.answered.asked[one.review_id].open
        and len(one.said) < facts.project.config.policy.overlap.people
        and facts.people - {vote.annotator_id for vote in one.votes}
    }
