"""The audit: a few of the accepted images a day, drawn by chance and asked blind, against the promise.

In: a certificate that stands. Out: reviews of the kind `audit`, and a row for each result. An image counts when two
people agree about it or a lead has decided, and not before those that were drawn before it: so nothing counts that may
still change, and what is answered late is not left out. From 1 / delta on the certificate is suspended for good.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile

import numpy as np

from db.repositories.certificates import audits, certificates
from db.repositories.certificates.audits import Audited, Result
from db.repositories.certificates.certificates import Certificate
from db.repositories.projects import projects
from db.repositories.queries import queries
from db.repositories.queries.queries import NewQuery, NewReview
from db.repositories.versions import versions
from db.session import reading, transaction
from labeling.certify.audit import audited
from labeling.jobs import Trigger
from labeling.types import ImageId, ProjectId, ReviewKind
from service.work.wiring import Parts

__all__ = ["ask_audit", "count_audit"]

DELTA = 0.05
"""The audit's own: a certificate that keeps its promise is ever suspended in so many of all cases."""
EVERY = timedelta(days=1)
STRATEGY = "audit"
REASON = "drawn by chance from what the certificate accepted"


def ask_audit(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Ask about the images of today, once a day while a certificate stands."""
    with reading(parts.database) as session:
        project, standing = projects.by_id(session, project_id), certificates.standing(session, project_id)
    wanted = project.config.policy.certificate
    if not standing or wanted is None or not wanted.audit:
        return {"audits": 0}
    one = standing[-1]
    parts.failpoint("certify.before_audit")
    with transaction(parts.database) as session:
        versions.lock(session, project_id)
        before = audits.asked(session, project_id, one.id, one.at)
        if before and parts.now() - before[-1].asked_at < EVERY:
            return {"audits": 0}
        rng = np.random.default_rng([project.config.policy.seed % 2**63, one.id, len(before)])
        drawn = rng.permutation(audits.can_be_drawn(session, one.id))[: wanted.audit]
        if not len(drawn):
            return {"audits": 0}
        new = NewQuery(
            project_id=project_id,
            number=queries.next_number(session, project_id),
            strategy=STRATEGY,
            seed=project.config.policy.seed,
            version_id=one.version_id,
            pool_size=one.accepted,
            trigger=Trigger.SCHEDULE,
        )
        share = len(drawn) / one.accepted
        reviews = [
            NewReview(
                ImageId(int(image)), ReviewKind.AUDIT, True, share, float(place), secrets.token_urlsafe(24), None,
                reason=REASON,
            )
            for image, place in zip(drawn, rng.random(len(drawn)), strict=True)
        ]  # fmt: skip
        _, asked = queries.add_query(session, new, reviews, parts.now())
    parts.failpoint("certify.after_audit")
    return {"audits": asked}


def count_audit(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Note what the audit comes to by now; a certificate that it speaks against ends."""
    suspended = 0
    with reading(parts.database) as session:
        standing = certificates.standing(session, project_id)
    for one in standing:
        with reading(parts.database) as session:
            known = list(takewhile(lambda of: of.said is not None, audits.asked(session, project_id, one.id, one.at)))
            before = audits.newest(session, one.id)
        wrong = sum(of.said != of.value for of in known)
        if not known or (before is not None and (before.images, before.wrong) == (len(known), wrong)):
            continue
        result = _result(one, known, wrong)
        parts.failpoint("certify.before_count")
        with transaction(parts.database) as session:
            versions.lock(session, project_id)
            audits.keep(session, one.id, result, parts.now())
            if result.suspended:
                why = f"suspended by its audit: {wrong} of {len(known)} audited labels were wrong"
                suspended += certificates.end(session, one.id, why, parts.now())
        parts.failpoint("certify.after_count")
    return {"suspended": suspended}


def _result(one: Certificate, known: Sequence[Audited], wrong: int) -> Result:
    found = audited(len(known), wrong, one.accepted, _promised(one), DELTA)
    evidence = None if math.isinf(found.evidence) else found.evidence
    return Result(found.images, found.wrong, evidence, found.suspended, found.lower, found.detectable)


def _promised(one: Certificate) -> float:
    """The precision of the accepted labels that the promise rests on."""
    if one.terms.finished is None:
        return one.terms.precision or 1.0
    return max(1e-9, 1 - one.terms.finished * one.size / one.accepted)
