"""Tries a certificate when the sample has a planned size, and appends what came of it, a refusal too.

In: the terms in force, the champion, the set with its sample. Out: one row an attempt, and the images that it accepts.
Each planned size is tried once, whoever asks and however often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.repositories.certificates import certificates
from db.repositories.certificates.certificates import Accepted, Excluded, NewCertificate
from db.repositories.projects import projects
from db.repositories.versions import versions
from db.session import transaction
from labeling.certify.band import errors_allowed
from labeling.certify.finished import finished
from labeling.certify.plan import Look, level_of
from labeling.certify.scan import AtRank, Scan, scan
from labeling.certify.score import surest_first
from labeling.label_sets.changes import is_same_set
from labeling.project import CertificateTerms
from labeling.types import ImageId, ProjectId
from service.logs import get_logger
from service.work.certify.accept_rule import reasons_of
from service.work.certify.ahead import Ahead, read_ahead
from service.work.certify.people import levels, read_gold, subtracted
from service.work.certify.scored import Scored
from service.work.certify.sets import TheSet
from service.work.wiring import Parts

__all__ = ["Outcome", "attempt", "certify_set"]

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
    """Try the look that is due, if one is; {"tried": 1 if one was, "accepted": images that it accepts}."""
    ahead = read_ahead(parts, project_id)
    look = None if ahead is None else ahead.due
    if ahead is None or look is None:
        return {"tried": 0, "accepted": 0}
    level = level_of(look, versions=ahead.chosen)
    gold = read_gold(parts, ahead.project, ahead.scored, ahead.wanted, ahead.facts, ahead.excluding)
    of_scan, of_gold = levels(ahead.wanted, level, gold)
    outcome = certify_set(ahead.wanted, ahead.scored, ahead.found, look.size, of_scan)
    report = _report(ahead, outcome, look.size)
    report["people"] = subtracted(gold, report["score"], len(outcome.accepted), of_gold, report.get("lower"))
    return _write(parts, ahead, look, level, outcome, report)


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


def _report(ahead: Ahead, outcome: Outcome, size: int) -> dict[str, Any]:
    accepted, found = outcome.accepted, ahead.found
    return {
        **outcome.shown,
        "score": float(ahead.scored.scores[accepted].min()) if len(accepted) else None,
        "frame_score": ahead.lowest,
        "scale": asdict(ahead.scored.scale),
        "outside": dict(found.outside),
        "until_group": ahead.facts.until,
        "missing": int(np.count_nonzero(~found.closed[:size])),
        "excluded": {why: int(np.count_nonzero(which[found.rows])) for why, which in ahead.excluding.items()},
        "why": "" if len(accepted) else _refusal(outcome),
    }


def _refusal(outcome: Outcome) -> str:
    n, wrong = outcome.shown["sample"], outcome.shown["errors"]
    of = f"of {n} sampled images of the set the version had {wrong} wrong"
    if not outcome.shown["size"] - n:
        return f"{of}, and people have labelled all others of the set."
    return f"{of}: with so many answers no part of the set can be shown to keep the promise."


def _write(
    parts: Parts, ahead: Ahead, look: Look, level: float, outcome: Outcome, report: dict[str, Any]
) -> dict[str, int]:
    project, champion, scored = ahead.project, ahead.champion, ahead.scored
    classes, images = project.config.classes, scored.pool.image_ids
    accepted = [
        Accepted(ImageId(int(images[row])), classes[int(scored.predicted[row])], int(rank), float(scored.scores[row]))
        for row, rank in zip(outcome.accepted, outcome.ranks, strict=True)
    ]
    left_out = [Excluded(ImageId(int(images[row])), why) for row, why in reasons_of(ahead.excluding, ahead.found.rows)]
    new = NewCertificate(
        terms_id=ahead.terms.id,
        look=look.number,
        version_id=champion.id,
        size=int(outcome.shown["size"]),
        sampled=int(outcome.shown["sample"]),
        rank=outcome.rank,
        wrong=outcome.wrong,
        accepted=len(accepted),
        delta=level,
        versions=ahead.chosen,
        report=report,
    )
    parts.failpoint("certify.before_write")
    with transaction(parts.database) as session:
        versions.lock(session, project.id)
        now = versions.champion(session, project.id)
        if now is None or now.id != champion.id:
            return {"tried": 0, "accepted": 0}  # the next job tries this look with the version that is in use by then
        if not is_same_set(projects.by_id(session, project.id).config, project.config):
            return {"tried": 0, "accepted": 0}  # the label set was changed meanwhile, and the terms begin anew
        written = certificates.add(session, project.id, new, accepted, left_out, parts.now())
    parts.failpoint("certify.after_write")
    log.info("certified", project=project.id, look=look.number, accepted=len(accepted), certificate=written)
    return {"tried": int(bool(written)), "accepted": len(accepted) if written else 0}
