"""The certificate's step: audit, terms, ends, the look that is due, delivery. Asked for after answers and verdicts.

In: a project. Out: counts. Without a target in its policy, and with no certificate from before, nothing happens.
"""

from __future__ import annotations

from labeling.types import ProjectId
from service.work.certify.attempt import attempt
from service.work.certify.audit import ask_audit, count_audit
from service.work.certify.delivery import deliver, end_what_ended, keep_terms, take_back
from service.work.wiring import Parts

__all__ = ["certify", "withdraw"]


def certify(parts: Parts, project_id: ProjectId, *, tries: bool = True) -> dict[str, int]:
    """Everything that is due now, in this order: a label that is delivered belongs to a certificate that stands.

    Not `tries`: no look is tried, for a version is fitted first.
    """
    counted = count_audit(parts, project_id)
    before = withdraw(parts, project_id)
    tried = attempt(parts, project_id) if tries else {"tried": 0, "accepted": 0}
    given = deliver(parts, project_id)
    left = take_back(parts, project_id) if tried["accepted"] else {"taken_back": 0}
    asked = ask_audit(parts, project_id)
    return {**counted, **before, **tried, **given, **asked, "taken_back": before["taken_back"] + left["taken_back"]}


def withdraw(parts: Parts, project_id: ProjectId) -> dict[str, int]:
    """Keep the terms, and take back what no certificate stands behind any more; nothing new is accepted."""
    kept = keep_terms(parts, project_id)
    ended = end_what_ended(parts, project_id)
    return {**kept, **ended, **take_back(parts, project_id)}
