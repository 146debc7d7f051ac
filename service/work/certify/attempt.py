"""Tries a certificate when the sample has a planned size, and appends what came of it, a refusal too.

In: the terms in force, the champion, the set with its sample. Out: one row an attempt, and the images that it accepts.
Each planned size is tried once, whoever asks and however often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.repositories.certificates import certificates, sets
from db.repositories.certificates.certificates import Accepted, Excluded, NewCertificate, Terms
from db.repositories.projects import projects
from db.repositories.versions import versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from labeling.certify.band import errors_allowed
from labeling.certify.finished import finished
from labeling.certify.plan import Look, due_look, level_of, schedule
from labeling.certify.scan import AtRank, Scan, scan
from labeling.certify.score import surest_first
from labeling.project import CertificateTerms, Project
from labeling.promote.judgement import Sample
from labeling.types import ImageId, ProjectId
from service.logs import get_logger
from service.work.certify.accept_rule import Excluding, exclusions, reasons_of
from service.work.certify.people import levels, read_gold, subtracted
from service.work.certify.scored import Scored, frame_score, out_of_fold, score_pool
from service.work.certify.sets import SetFacts, TheSet, read_set_facts, set_of
from service.work.wiring import Parts

__all__ = ["Outcome", "attempt", "certify_set", "planned_by"]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the arithmetic came to: images down to `rank`, `wrong` of the `sampled` above it, `accepted` rows of the
    pool with their ranks. `shown` holds what a page shows of it."""

    rank: int
    sampled: int
    wrong: int
    accepted: NDArray[np.int64]
    ranks: NDArray[np.int64]
    shown: Mapping[str, Any]


def attempt(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Try the look that is due, if one is; {"accepted": images that it accepts}."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        terms, champion = certificates.terms_in_force(session, project_id), versions.champion(session, project_id)
        if terms is None or terms.terms is None or champion is None:
            return {"accepted": 0}
        tried = max(
            (one.look for one in certificates.everyone(session, project_id) if one.terms_id == terms.id), default=0
        )
        facts = read_set_facts(session, project, terms)
        chosen = 1 + sets.choices_since(session, project_id, terms.at, Sample.STREAM)
    planned = planned_by(terms.terms)
    ahead = next((look for look in planned if look.number > tried), None)
    if ahead is None or len(facts.asked) < ahead.size:
        return {"accepted": 0}
    scored = score_pool(parts, project, champion)
    lowest = _frame(parts, project, scored, terms.terms)
    excluding = exclusions(parts, project, scored, terms.terms)
    found = set_of(project, scored, facts, lowest, excluding)
    look = due_look(planned, tried, found.decided | found.excluded[found.asked])
    if look is None:
        return {"accepted": 0}
    level = level_of(look, versions=chosen)
    gold = read_gold(parts, project, scored, terms.terms, facts, excluding)
    of_scan, of_gold = levels(terms.terms, level, gold)
    outcome = certify_set(terms.terms, scored, found, look.size, of_scan)
    report = _report(terms.terms, scored, found, facts, outcome, lowest, excluding, look.size)
    report["people"] = subtracted(gold, report["score"], len(outcome.accepted), of_gold, report.get("lower"))
    excluded = reasons_of(excluding, found.rows)
    return _write(parts, project, terms, champion, look, level, chosen, scored, outcome, excluded, report)


def planned_by(terms: CertificateTerms) -> tuple[Look, ...]:
    """When these terms are tried."""
    return schedule(terms.first_size, terms.sizes, terms.delta)


def certify_set(terms: CertificateTerms, scored: Scored, found: TheSet, size: int, level: float) -> Outcome:
    """Accept what the promise allows, at this level, with the first `size` answers as the sample."""
    rows, sampled, right, audited, excluded = found.cut(size)
    order, ends = surest_first(np.where(excluded, -np.inf, scored.scores[rows]))
    sampled, right, audited, excluded = sampled[order], right[order], audited[order], excluded[order]
    if terms.finished is not None:
        result = finished(sampled, right[sampled], terms.finished, level, ends)
        rank, wrong, m = result.rank, result.wrong, result.sampled
        shown: dict[str, Any] = {"found_at_most": result.found_at_most, "for_people": result.for_people}
    else:
        scanned = scan(sampled, right[sampled], terms.precision or 1.0, level, ends)
        best = _without_audited(scanned, audited)
        rank, wrong, m = (best.rank, best.wrong, best.sampled) if best else (0, 0, 0)
        shown = {
            "level": scanned.level,
            "lower": best.lower if best else None,
            "rows": [asdict(r) for r in scanned.rows],
        }
    at = np.flatnonzero(~sampled[:rank] & ~audited[:rank])
    shown |= {
        "size": len(rows),
        "sample": int(np.count_nonzero(sampled)),
        "errors": int(np.count_nonzero(sampled & ~right & ~excluded)),
    }
    return Outcome(rank, m, wrong, rows[order[at]], at + 1, shown)


def _without_audited(scanned: Scan, audited: NDArray[np.bool_]) -> AtRank | None:
    """The loosest rank, of those that are listed, at which the promise holds of what is delivered.

    Audited images have a label by people: they are not delivered, and all errors may be among the others.
    """
    before = np.concatenate([[0], np.cumsum(audited)])
    for one in sorted(filter(None, (scanned.accepted, *scanned.rows)), key=lambda row: -row.rank):
        left = one.unsampled - int(before[one.rank])
        if one.most_wrong is not None and left > 0 and one.most_wrong <= errors_allowed(left, scanned.precision):
            return one if one.passes else None
    return None


def _frame(parts: Parts, project: Project, scored: Scored, terms: CertificateTerms) -> float | None:
    return frame_score(terms.frame, scored, out_of_fold(parts, project, scored)) if terms.frame else None


def _report(
    terms: CertificateTerms,
    scored: Scored,
    found: TheSet,
    facts: SetFacts,
    outcome: Outcome,
    lowest: float | None,
    excluding: Excluding,
    size: int,
) -> dict[str, Any]:
    missing = ~found.decided[:size] & ~found.excluded[found.asked[:size]]
    score = float(scored.scores[outcome.accepted].min()) if len(outcome.accepted) else None
    return {
        **outcome.shown,
        "score": score,
        "frame_score": lowest,
        "scale": asdict(scored.scale),
        "outside": dict(found.outside),
        "until_group": facts.until,
        "missing": int(np.count_nonzero(missing)),
        "excluded": {why: int(np.count_nonzero(which[found.rows])) for why, which in excluding.items()},
        "why": "" if len(outcome.accepted) else _refusal(terms, outcome),
    }


def _refusal(terms: CertificateTerms, outcome: Outcome) -> str:
    n, wrong = outcome.shown["sample"], outcome.shown["errors"]
    of = f"of {n} sampled images of the set the version had {wrong} wrong"
    if not outcome.shown["size"] - n:
        return f"{of}, and people have labelled all others of the set."
    return f"{of}: with so many answers no part of the set can be shown to keep the promise."


def _write(
    parts: Parts,
    project: Project,
    terms: Terms,
    champion: Version,
    look: Look,
    level: float,
    chosen: int,
    scored: Scored,
    outcome: Outcome,
    excluded: Sequence[tuple[int, str]],
    report: dict[str, Any],
) -> dict[str, int]:
    classes, images = project.config.classes, scored.pool.image_ids
    accepted = [
        Accepted(ImageId(int(images[row])), classes[int(scored.predicted[row])], int(rank), float(scored.scores[row]))
        for row, rank in zip(outcome.accepted, outcome.ranks, strict=True)
    ]
    left_out = [Excluded(ImageId(int(images[row])), why) for row, why in excluded]
    new = NewCertificate(
        terms_id=terms.id,
        look=look.number,
        version_id=champion.id,
        size=int(outcome.shown["size"]),
        sampled=int(outcome.shown["sample"]),
        rank=outcome.rank,
        wrong=outcome.wrong,
        accepted=len(accepted),
        delta=level,
        versions=chosen,
        report=report,
    )
    parts.failpoint("certify.before_write")
    with transaction(parts.database) as session:
        versions.lock(session, project.id)
        now = versions.champion(session, project.id)
        if now is None or now.id != champion.id:
            return {"accepted": 0}  # the next job tries this look with the version that is in use by then
        written = certificates.add(session, project.id, new, accepted, left_out, parts.now())
    parts.failpoint("certify.after_write")
    log.info("certified", project=project.id, look=look.number, accepted=len(accepted), certificate=written)
    return {"accepted": len(accepted) if written else 0}
