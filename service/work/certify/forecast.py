"""The dry run: what the next look may accept, and which answers it still needs. No certifying answer is read as right
or wrong.

In: a project with a target and a version. Out: sizes of set and sample, counted along the stream, and a forecast of the
accepted share from training labels that were predicted without their fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from db.repositories.certificates import certificates, sets
from db.repositories.projects import projects
from db.repositories.versions import versions
from db.session import reading
from labeling.certify.dry_run import Coverage
from labeling.certify.plan import Look, last_look, level_of, most_to_show, schedule, sizes_left, stream_answers
from labeling.errors import Conflict
from labeling.project import CertificateTerms
from labeling.promote.judgement import Sample
from labeling.types import ProjectId
from service.labels.certificates import nothing_planned
from service.work.certify.accept_rule import exclusions
from service.work.certify.coverage import coverage_of
from service.work.certify.people import levels, read_gold
from service.work.certify.scored import frame_score, out_of_fold, score_pool
from service.work.certify.sets import TheSet, read_set_facts, set_of
from service.work.wiring import Parts

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known before look `look` with `planned` sampled images, at level `delta`, by the version in use.

    The set has `size` images, `answered` of them sampled and answered. `missing` more answers of the stream are needed;
    None where the reserve does not hold so many. `coverage` None: not yet known, with fewer than 30 training labels.
    `reachable`: the highest precision that this look could show if no sampled image were wrong; None where that is the
    target or more.
    """

    version: int
    look: int
    planned: int
    delta: float
    size: int
    answered: int
    missing: int | None
    labels: int
    coverage: Coverage | None
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
    look = _next(wanted, tried, found)
    level = level_of(look, versions=chosen)
    of_scan, _ = levels(wanted, level, read_gold(parts, project, scored, wanted, facts, excluding))
    coverage = coverage_of(wanted, look, of_scan, scored, known, found)
    reachable = _reachable(wanted, len(found.groups), look.size, of_scan)
    answered = int(np.count_nonzero(found.decided))
    missing = stream_answers(found.reserve, int(np.count_nonzero(facts.order.drawn)), look.size)
    return Forecast(
        version=champion.number,
        look=look.number,
        planned=look.size,
        delta=level,
        size=len(found.groups),
        answered=answered,
        missing=missing,
        labels=len(known.scores),
        coverage=coverage,
        reachable=reachable,
        words=_words(look.size, found, answered, missing, coverage, reachable),
    )


def _next(terms: CertificateTerms, tried: int, found: TheSet) -> Look:
    """The attempt that comes next: with the whole reserve where that holds fewer than a planned size needs."""
    look, held = sizes_left(terms, tried, len(found.groups))[0], int(np.count_nonzero(found.reserve))
    if not 0 < held < min(look.size, len(found.groups)):
        return look
    return last_look(schedule(terms.first_size, terms.sizes, terms.delta)[tried:], held)


def _reachable(terms: CertificateTerms, size: int, planned: int, level: float) -> float | None:
    """The most that a look without a wrong image can show, where that is less than the target."""
    if terms.precision is None or planned >= size:
        return None
    most = most_to_show(size, planned, level)
    return most if most < terms.precision else None


def _words(
    planned: int, found: TheSet, answered: int, missing: int | None, coverage: Coverage | None, reachable: float | None
) -> str:
    of = f"The set has {len(found.groups)} images; of {planned} sampled ones that are needed {answered} are answered."
    if planned == np.count_nonzero(found.reserve):
        of += " The reserve holds no more of the set, and later queries may take some: more images bring more."
    if reachable is not None:
        of += (
            f" With so many, none of them wrong, at most {100 * reachable:.1f} % can be shown: it will accept nothing."
        )
    if missing is None:
        return f"{of} The reserve does not hold so many: bring more images."
    more = f"{of} About {missing} more answers of the stream bring them."
    if coverage is None:
        return f"{more} What it will accept is not yet known."
    if not coverage.upper:
        return (
            f"{more} By training labels the version in use would have nothing accepted: it is tried with one that "
            "knows more, while the reserve can spare it."
        )
    return (
        f"{more} It may accept {coverage.median:.0%} of the others ({coverage.lower:.0%} to {coverage.upper:.0%} in 9 "
        f"of 10 samples): a forecast from training labels, which are harder than the set.".replace("%", " %")
    )
