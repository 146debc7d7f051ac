"""What measuring a project costs, in a sentence for whoever makes one; and the end of measuring."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from db.repositories.people import audit
from db.repositories.queries import stream
from labeling.errors import Conflict, Invalid
from labeling.estimates import images_for_certificate
from labeling.project import PLANNED, RESERVED, CertificateTerms, Project
from labeling.types import Actor

__all__ = ["cost_of_measuring", "release_reserve"]

PRECISION, CONFIDENCE = 0.95, 0.9
"""Of a certificate whose cost is named where the project file has no target."""


def cost_of_measuring(project: Project) -> str:
    """How many answers go into measuring, what is kept for it, and what a certificate would need."""
    shares = project.config.policy.shares
    if not shares.random_first and not shares.random:
        return "Nothing is measured: the policy gives no share of the queries to the random stream."
    return (
        f"Measuring: {shares.random_first:.0%} of each query until {shares.random_target} images of the random stream "
        f"are answered, then {shares.random:.0%}; these answers do not teach. {RESERVED:.0%} of the near-duplicate "
        f"groups (at most {PLANNED}) are reserved for it.{_of_certificate(project.config.policy.certificate)}"
    )


def _of_certificate(terms: CertificateTerms | None) -> str:
    """How many answers a precision needs, and at how many these terms try it."""
    tried = "" if terms is None else f" A certificate is tried at {_listed(terms.planned_sizes)} answered images."
    precision, confidence = (terms.precision, terms.confidence) if terms else (PRECISION, CONFIDENCE)
    if precision is None:
        return tried
    one, two = (images_for_certificate(precision, confidence, wrong) for wrong in (1, 2))
    return (
        f" For a certificate that {precision:.0%} of the labels are right, about {one} answered images are needed if "
        f"one of them may be wrong, {two} if two may.{tried}"
    )


def _listed(sizes: Sequence[int]) -> str:
    *first, last = map(str, sizes)
    return f"{', '.join(first)} and {last}" if first else last


def release_reserve(session: Session, project: Project, by: Actor) -> int:
    """End measuring: what is reserved and not drawn may be asked about and learnt from. It cannot be undone.

    Returns how many groups that frees. Invalid without a reason, Conflict where it was released before.
    """
    if not by.reason.strip():
        raise Invalid("Say why measuring ends, with --reason: it cannot be undone.")
    found = stream.read_stream(session, project.id)
    free = [group for group, at in found.positions.items() if at < found.share and group not in found.asked]
    if not stream.reserve(session, project.id, 0.0, stream.count_groups(session, project.id), by):
        raise Conflict("The reserve was released before; measuring has ended.")
    audit.record(session, by.author, "stream.release", project.config.name, {"reason": by.reason}, by.now, project.id)
    return len(free)
