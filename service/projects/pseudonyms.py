"""How an annotator is named to others: by name, or where the policy says so by a pseudonym.

In: a project, an annotator's number and name. Out: words. A pseudonym stays the same for as long as the project
lives, differs from project to project, and cannot be turned back without the project's salt.
"""

from __future__ import annotations

import hashlib
import hmac

from labeling.project import Project

LENGTH = 4


def shown_name(project: Project, annotator_id: int, name: str) -> str:
    """The name, or where `policy.team.pseudonyms` is set a word such as "annotator 3F2A"."""
    if not project.config.policy.team.pseudonyms:
        return name
    digest = hmac.new(project.salt.encode(), f"annotator:{annotator_id}".encode(), hashlib.sha256).hexdigest()
    return f"annotator {digest[:LENGTH].upper()}"
