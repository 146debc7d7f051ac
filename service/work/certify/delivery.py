"""Labels of certificates: delivered while one stands, taken back when it has ended, and terms kept as facts.

In: a project. Out: rows of labels with the source `certificate`, appended some hundreds at a time. Each step may run
twice, and ends where there is nothing left to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from db.repositories.certificates import certificates, sets
from db.repositories.certificates.certificates import Accepted, Certificate, Terms
from db.repositories.labels import labels
from db.repositories.labels.labels import NewLabel
from db.repositories.projects import projects
from db.repositories.queries import stream
from db.repositories.versions import versions
from db.session import reading, transaction
from labeling.label_sets.changes import is_same_set
from labeling.project import Project
from labeling.types import LabelSource, ProjectId
from service.labels.resolution import resolve_labels
from service.work.pool.random_stream import order_of
from service.work.wiring import Parts

__all__ = ["deliver", "end_what_ended", "keep_terms", "take_back"]

AT_ONCE = 500
AUTHOR = "certificate"


def keep_terms(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Note the policy's terms where they are new: from here on only younger answers certify."""
    with reading(parts.database) as session:
        project = projects.by_id(session, project_id)
        if not _are_new(session, certificates.terms_in_force(session, project_id), project):
            return {"terms": 0}
    parts.failpoint("certify.before_terms")
    with transaction(parts.database) as session:
        versions.lock(session, project_id)
        project = projects.by_id(session, project_id)
        if not _are_new(session, certificates.terms_in_force(session, project_id), project):
            return {"terms": 0}
        found = stream.read_stream(session, project_id)
        certificates.add_terms(
            session,
            project_id,
            project.config.policy.certificate,
            config_version=project.config_version,
            newest_review=sets.newest_review(session, project_id),
            cursor=order_of(found).cursor,
            now=parts.now(),
        )
    parts.failpoint("certify.after_terms")
    return {"terms": 1}


def end_what_ended(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Append the ends of certificates whose version or terms are not in force any more."""
    with reading(parts.database) as session:
        if not certificates.standing(session, project_id):
            return {"ended": 0}
    parts.failpoint("certify.before_end")
    with transaction(parts.database) as session:
        versions.lock(session, project_id)
        terms, champion = certificates.terms_in_force(session, project_id), versions.champion(session, project_id)
        ended = 0
        for one in certificates.standing(session, project_id):
            why = _why_ended(one, terms, None if champion is None else champion.number)
            ended += bool(why) and certificates.end(session, one.id, why, parts.now())
    parts.failpoint("certify.after_end")
    return {"ended": ended}


def take_back(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Take back labels of certificates that ended, the riskiest first, and those that people contradict or confirm.

    Their images can be asked about again, and the project's strategy ranks them by its own doubt.
    """
    taken = 0
    while True:
        with transaction(parts.database) as session:
            project = projects.by_id(session, project_id)
            resolve_labels(session, project, certificates.answered_meanwhile(session, project_id), parts.now())
            found = certificates.to_take_back(session, project_id, AT_ONCE)
            gone = [
                NewLabel(
                    image, None, LabelSource.CERTIFICATE, AUTHOR, f"certificate {one} ended: {why}",
                    evidence={"certificate": one},
                )
                for image, one, why in found
            ]  # fmt: skip
            taken += labels.append(session, project_id, gone, parts.now())
        parts.failpoint("certify.after_taking_back")
        if len(found) < AT_ONCE:
            return {"taken_back": taken}


def deliver(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Give what a standing certificate accepted its labels; an image that somebody labelled meanwhile keeps that."""
    delivered = 0
    with reading(parts.database) as session:
        standing = certificates.standing(session, project_id)
    for one in standing:
        while True:
            with transaction(parts.database) as session:
                versions.lock(session, project_id)
                if not _stands(session, project_id, one):
                    break
                found = certificates.to_deliver(session, one.id, AT_ONCE)
                delivered += labels.append(session, project_id, _labels(one, found), parts.now())
            parts.failpoint("certify.after_delivery")
            if len(found) < AT_ONCE:
                break
    return {"delivered": delivered}


def _are_new(session: Session, held: Terms | None, project: Project) -> bool:
    """Whether the policy's terms are others, or speak of another label set, than those that were noted."""
    wanted = project.config.policy.certificate
    if held is None or held.terms != wanted:
        return wanted is not None or held is not None
    then = projects.as_configured(session, project.id, held.config_version).config
    return wanted is not None and not is_same_set(then, project.config)


def _why_ended(one: Certificate, terms: Terms | None, champion: int | None) -> str:
    if terms is None or terms.id != one.terms_id:
        return "its terms were changed in the project file"
    if champion != one.version:
        return f"version {one.version} is not in use any more"
    return ""


def _stands(session: Session, project_id: ProjectId, one: Certificate) -> bool:
    """Whether it promises something in this transaction: nothing has ended it, though that may not be written yet."""
    terms, champion = certificates.terms_in_force(session, project_id), versions.champion(session, project_id)
    there = any(other.id == one.id for other in certificates.standing(session, project_id))
    return there and not _why_ended(one, terms, None if champion is None else champion.number)


def _labels(one: Certificate, accepted: Sequence[Accepted]) -> list[NewLabel]:
    reason = f"accepted by certificate {one.id}: {one.terms.words}"
    return [
        NewLabel(
            image.image_id, image.value, LabelSource.CERTIFICATE, AUTHOR, reason,
            evidence={
                "certificate": one.id, "version": one.version, "rank": image.rank, "score": round(image.score, 6)
            },
        )
        for image in accepted
    ]  # fmt: skip
