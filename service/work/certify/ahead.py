"""The next planned size: whether the sample has reached it, and which version it rests on.

In: a project with terms and a version in use. Out: what an attempt needs, and three rules. An attempt rests on the
labels that are there when the sample has its size, so one version is fitted and judged then; later ones wait until it
was tried, for how long second answers take depends on what the certifying answers were. But while training labels say
that nothing would be accepted, and the reserve can lose another query's part, the loop goes on as before. And
while a certificate stands that no planned size can follow, no version takes its place by itself: with the version the
certificate would end for good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from db.repositories.certificates import certificates, sets
from db.repositories.certificates.certificates import Terms
from db.repositories.projects import projects
from db.repositories.reviews import overlaps
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading
from labeling.certify.plan import PATIENCE, Look, due_look, last_look, level_of, schedule, sizes_left
from labeling.label_sets.columns import columns_of
from labeling.project import CertificateTerms, Project, Stop
from labeling.promote.judgement import Sample
from labeling.types import ProjectId
from service.work.certify.accept_rule import Excluding, exclusions
from service.work.certify.coverage import coverage_of
from service.work.certify.scored import Scored, frame_score, out_of_fold, score_pool
from service.work.certify.sets import SetFacts, TheSet, read_set_facts, set_of
from service.work.wiring import Parts

__all__ = ["Ahead", "awaits_attempt", "awaits_verdict", "keeps_version", "read_ahead", "wants_version"]

AT_WORK = timedelta(minutes=15)
"""Who has answered within this time is at work."""
MAY_WAIT = 3 / 4
"""A look waits until so much is lost of what the reserve can lose before it holds the sample no more."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What the next attempt would rest on. `wanted` are the terms in force, `lowest` the frame's score, `chosen` is v.

    `excluding`: whom the accept rule excludes. `planned` are the sizes that were not tried and could accept something,
    or the one that is left where the reserve is used up before. `waits`: it would accept nothing by training labels,
    and more can be learnt first. `reached_at`: when the first of them had all first answers, or a tenth more than it
    needs; None before, and while it waits.
    """

    project: Project
    terms: Terms
    wanted: CertificateTerms
    champion: Version
    tried: int
    planned: tuple[Look, ...]
    chosen: int
    facts: SetFacts
    scored: Scored
    lowest: float | None
    excluding: Excluding
    found: TheSet
    waits: bool
    reached_at: datetime | None

    @property
    def due(self) -> Look | None:
        """The look that may be tried now."""
        if self.waits:
            return None
        return due_look(self.planned, self.tried, self.found.closed, used_up=self.facts.used_up)


def read_ahead(parts: Parts, project_id: ProjectId, *, early: bool = False) -> Ahead | None:
    """What the next attempt would rest on; None without terms, without a version, and after the last planned size.

    Also None where fewer images were asked about than it needs, unless `early`: then nothing is scored.
    """
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        terms, champion = certificates.terms_in_force(session, project_id), versions.champion(session, project_id)
        if terms is None or terms.terms is None or champion is None:
            return None
        if columns_of(champion.classes, project.config) is not None:
            return None  # it was fitted on another label set
        tried = certificates.last_tried(session, terms.id)
        if tried >= terms.terms.sizes:
            return None
        facts = read_set_facts(session, project, terms, parts.now())
        if len(facts.asked) < (1 if facts.used_up else terms.terms.planned_sizes[tried]) and not early:
            return None
        chosen = 1 + sets.choices_since(session, project_id, terms.at, Sample.STREAM)
        answers = sets.first_answers(session, project_id)
    scored, frame = score_pool(parts, project, champion), terms.terms.frame
    lowest = frame_score(frame, scored, out_of_fold(parts, project, scored)) if frame else None
    excluding = exclusions(parts, project, scored, terms.terms)
    found = set_of(project, scored, facts, lowest, excluding)
    planned = sizes_left(terms.terms, tried, len(found.groups))
    if facts.used_up and len(found.asked) < planned[0].size:
        if not 0 < len(found.asked) < len(found.groups):
            return None
        left = schedule(terms.terms.first_size, terms.terms.sizes, terms.terms.delta)[tried:]
        planned = (last_look(left, len(found.asked)),)
    times = [answers.get(int(group)) for group in found.groups[found.asked]]
    reached_at = _reached_at(times, planned[0].size)
    waits = reached_at is not None and _waits(parts, project, terms.terms, planned, chosen, facts, scored, found)
    return Ahead(
        project,
        terms,
        terms.terms,
        champion,
        tried,
        planned,
        chosen,
        facts,
        scored,
        lowest,
        excluding,
        found,
        waits,
        None if waits else reached_at,
    )


def _waits(
    parts: Parts,
    project: Project,
    terms: CertificateTerms,
    planned: tuple[Look, ...],
    chosen: int,
    facts: SetFacts,
    scored: Scored,
    found: TheSet,
) -> bool:
    """Whether the largest size that the sample has would accept nothing by training labels, and can wait.

    That needs a promise of precision, a reserve that can lose another query's part, and no rule that ends the
    questions: such a rule may read certifying answers, and which version is tried must not follow from them.
    """
    if terms.precision is None:
        return False
    policy, look = project.config.policy, [one for one in planned if one.size <= len(found.asked)][-1]
    held, lost = np.count_nonzero(found.reserve), len(facts.shadows & set(facts.order.ids.tolist()))
    losing = policy.query_size * facts.share
    if facts.used_up or policy.stop != Stop() or lost + losing > MAY_WAIT * (held + lost - look.size):
        return False
    known = out_of_fold(parts, project, scored)
    coverage = coverage_of(terms, look, level_of(look, versions=chosen), scored, known, found)
    return coverage is not None and coverage.upper == 0


def wants_version(parts: Parts, project_id: ProjectId) -> bool:
    """Whether the sample has reached a planned size and no version was fitted since then."""
    since = _since_reached(parts, project_id)
    return since is not None and not since


def awaits_verdict(parts: Parts, project_id: ProjectId) -> bool:
    """Whether the version that was fitted since then is not judged yet, or the newest where none was."""
    since = _since_reached(parts, project_id)
    if since is None:
        return False
    with reading(parts.database) as session:
        first = since[0] if since else versions.newest(session, project_id)
        return first is not None and not versions.promotions(session, project_id, first.id)


def awaits_attempt(parts: Parts, project_id: ProjectId) -> bool:
    """Whether the sample has its size and the attempt is near, so that nobody is asked what it may accept.

    For second answers people wait only while several are at work, and not for a lead.
    """
    ahead = read_ahead(parts, project_id)
    if ahead is None or ahead.reached_at is None:
        return False
    if ahead.due is not None:
        return True
    first = ahead.found.asked[: ahead.planned[0].size]
    waiting = ahead.found.groups[first[~ahead.found.closed[: len(first)]]]
    with reading(parts.database) as session:
        asked = not sets.open_groups(session, project_id).isdisjoint(waiting.tolist())
        return asked and len(overlaps.people_since(session, project_id, parts.now() - AT_WORK)) > 1


def keeps_version(parts: Parts, project_id: ProjectId) -> bool:
    """Whether the newest version is not to be judged now: an attempt or a certificate rests on the one in use."""
    with reading(parts.database) as session:
        standing, newest = certificates.standing(session, project_id), versions.newest(session, project_id)
    ahead = read_ahead(parts, project_id, early=bool(standing))
    if ahead is None or newest is None:
        return bool(standing)
    if (since := _fitted_since(parts, ahead)) is not None:
        return bool(since) and newest.number > since[0].number
    return bool(standing) and int(np.count_nonzero(ahead.found.reserve)) < ahead.planned[0].size


def _since_reached(parts: Parts, project_id: ProjectId) -> list[Version] | None:
    ahead = read_ahead(parts, project_id)
    return None if ahead is None else _fitted_since(parts, ahead)


def _fitted_since(parts: Parts, ahead: Ahead) -> list[Version] | None:
    """The versions since the sample had its size, oldest first; None before."""
    if ahead.reached_at is None:
        return None
    with reading(parts.database) as session:
        return [one for one in versions.everyone(session, ahead.project.id) if one.created_at > ahead.reached_at]


def _reached_at(times: list[datetime | None], size: int) -> datetime | None:
    """When the sample had its size; `times` of the first answers, None where there is none, in the order of the
    stream."""
    first = [at for at in times[:size] if at is not None]
    if len(first) == size:
        return max(first)
    enough, answered = math.ceil(PATIENCE * size), sorted(at for at in times if at is not None)
    return answered[enough - 1] if len(answered) >= enough else None
