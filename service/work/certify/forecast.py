"""The dry run: what the next look may accept, and which answers it still needs. No certifying answer is read as right
or wrong.

In: a project with a target and a version. Out: sizes of set and sample, counted along the stream, and a forecast of how
many images are accepted, from training labels that were predicted without their fold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from db.repositories.certificates import certificates, sets
from db.repositories.projects import projects
from db.repositories.versions import versions
from db.session import reading
from labeling.certify.dry_run import LEAST_LABELS, left_then
from labeling.certify.plan import Look, last_look, level_of, most_to_show, schedule, sizes_left, stream_answers
from labeling.errors import Conflict
from labeling.project import CertificateTerms, Project
from labeling.promote.judgement import Sample
from labeling.types import ProjectId
from service.labels.certificates import nothing_planned
from service.work.certify.accept_rule import exclusions
from service.work.certify.coverage import coverage_of
from service.work.certify.people import levels, read_gold
from service.work.certify.scored import frame_score, out_of_fold, score_pool
from service.work.certify.sets import SetFacts, TheSet, read_set_facts, set_of
from service.work.wiring import Parts

__all__ = ["Forecast", "forecast"]

ROUNDING = 1e-9
MARGIN = 1.25
"""How many images queries take until an attempt is known to a fifth or so (`bench.next_attempt`)."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known before look `look` with `planned` sampled images, at level `delta`, by the version in use.

    The set has `size` images, `answered` of them sampled and answered; `missing` more answers of the stream are needed,
    None where the reserve holds none. Where it does not hold the planned size, `planned` is what it holds. Of the
    `others`, which are not sampled and some of which queries ask about until then, `expected` may be accepted by
    `labels` training labels: mostly too few, because these are harder than the set, and not measured. `at_least` so
    many are in 19 of 20 samples; `at_most`, by the same labels, is no bound (`bench.next_attempt`) and is not shown.
    All three None: not yet known, with fewer than 30 training labels. `reachable`: the highest precision that this look
    could show if no sampled image were wrong; None where that is the target or more.
    """

    version: int
    look: int
    planned: int
    delta: float
    size: int
    answered: int
    missing: int | None
    labels: int
    others: int
    expected: int | None
    at_least: int | None
    at_most: int | None
    reachable: float | None
    words: str


def forecast(parts: Parts, project_id: ProjectId) -> Forecast:
    """What the next look may come to.

    Raises
    ------
    Conflict
        Without a target, before the worker has noted it, without a version, and after the last planned size.
    """
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        held, champion = certificates.terms_in_force(session, project_id), versions.champion(session, project_id)
        wanted = project.config.policy.certificate
        if wanted is None:
            raise Conflict("The project file names no target. Add `policy.certificate`, such as `precision: 0.95`.")
        if held is None or held.terms != wanted:
            raise Conflict(
                "The worker has not noted these terms yet. Start it with `hardcase up`, or wait for its sweep."
            )
        if champion is None:
            raise Conflict(
                "There is no version in use yet: a certificate needs one. It comes with the first promotion."
            )
        tried = certificates.last_tried(session, held.id)
        if tried >= wanted.sizes:
            raise Conflict(nothing_planned(session, project_id, held))
        facts = read_set_facts(session, project, held, parts.now())
        chosen = 1 + sets.choices_since(session, project_id, held.at, Sample.STREAM)
    scored = score_pool(parts, project, champion)
    known = out_of_fold(parts, project, scored)
    excluding = exclusions(parts, project, scored, wanted)
    found = set_of(project, scored, facts, frame_score(wanted.frame, scored, known), excluding)
    look, short = _next(wanted, tried, found)
    level = level_of(look, versions=chosen)
    of_scan, _ = levels(wanted, level, read_gold(parts, project, scored, wanted, facts, excluding))
    coverage = coverage_of(wanted, look, of_scan, scored, known, found)
    others = max(len(found.groups) - look.size, 0)
    missing = stream_answers(found.reserve, int(np.count_nonzero(facts.order.drawn)), look.size)
    then = _left_then(project, facts, found, others, look.size, missing or 0)
    made = Forecast(
        version=champion.number,
        look=look.number,
        planned=look.size,
        delta=level,
        size=len(found.groups),
        answered=min(_answered(facts, found), look.size),
        missing=missing,
        labels=len(known.scores),
        others=others,
        expected=None if coverage is None else round(coverage.median * then),
        at_least=None if coverage is None else _at_least(coverage.lower, others, then),
        at_most=None if coverage is None else round(coverage.upper * then),
        reachable=_reachable(wanted, len(found.groups), look.size, of_scan),
        words="",
    )
    waits = wanted.precision is not None and made.at_most == 0
    return replace(made, words=_words(made, short=short, waits=waits))


def _left_then(project: Project, facts: SetFacts, found: TheSet, others: int, planned: int, missing: int) -> int:
    """How many of the others are left when so many more answers of the stream are there."""
    shares, decided = project.config.policy.shares, int(np.count_nonzero(facts.order.decided))
    share = shares.random if decided + missing > shares.random_target else shares.random_first
    held = int(np.count_nonzero(found.reserve)) + len(facts.shadows & set(facts.order.ids.tolist()))
    return left_then(others, planned, missing, held, project.config.policy.query_size, share, facts.share)


def _at_least(share: float, others: int, then: int) -> int:
    """So many images are this share, should queries take `MARGIN` as many until then as is expected."""
    return math.floor(share * max(others - MARGIN * (others - then), 0) + ROUNDING)


def _answered(facts: SetFacts, found: TheSet) -> int:
    """How many sampled images of the set have been answered; that is not what the answers were."""
    known = facts.examples.keys() if facts.adjudicated is None else facts.examples.keys() & facts.adjudicated
    return int(np.count_nonzero(np.isin(found.groups[found.asked], list(known))))


def _next(terms: CertificateTerms, tried: int, found: TheSet) -> tuple[Look, bool]:
    """The attempt that comes next; true with the whole reserve, where that holds fewer than a planned size needs."""
    look, held = sizes_left(terms, tried, len(found.groups))[0], int(np.count_nonzero(found.reserve))
    if not 0 < held < min(look.size, len(found.groups)):
        return look, False
    return last_look(schedule(terms.first_size, terms.sizes, terms.delta)[tried:], held), True


def _reachable(terms: CertificateTerms, size: int, planned: int, level: float) -> float | None:
    """The most that a look without a wrong image can show, where that is less than the target."""
    if terms.precision is None or planned >= size:
        return None
    most = most_to_show(size, planned, level)
    return most if most < terms.precision else None


def _words(one: Forecast, *, short: bool, waits: bool) -> str:
    of = f"The set has {one.size:,} images; of {one.planned:,} sampled ones that are needed {one.answered:,} are"
    of = f"{of} answered."
    if one.reachable is not None:
        shown = f"at most {100 * one.reachable:.1f} % can be shown"
        of += f" With so many, none of them wrong, {shown}: it will accept nothing."
    if one.missing is None:
        return f"{of} The reserve does not hold so many: bring more images."
    if short:
        of += " The reserve holds no more of them, and queries may take some until then: more images bring more."
    asked = "The stream has asked about all of them."
    more = f"{of} {f'About {one.missing:,} more answers of the stream bring them.' if one.missing else asked}"
    if one.expected is None:
        few = f"{one.labels} training labels of {LEAST_LABELS}" if one.others else "no other image is left"
        return f"{more} What it will accept is not yet known: {few}."
    if waits:
        return (
            f"{more} By training labels the version in use would have nothing accepted: it is tried with one that "
            "knows more, while the reserve can spare it."
        )
    at_least = f"; at least {one.at_least:,} in 19 of 20 samples" if one.at_least else ""
    return (
        f"{more} It may accept {one.expected:,} of {one.others:,} others, some of which queries ask about until then"
        f"{at_least}: a forecast from {one.labels:,} training labels, not measured. They are harder than the set, so "
        "mostly more is accepted."
    )
