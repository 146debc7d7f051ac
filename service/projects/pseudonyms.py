"""The displayed name of an annotator: the real name or, if the policy says so, a pseudonym.

In: a project, an annotator's number and name. Out: a name. A pseudonym never changes within a project, is different in
every project, and cannot be reversed without the project's salt.
"""

from __future__ import annotations

import hashlib
import hmac

from labeling.project import Project

LENGTH = 4


def shown_name(project: Project, annotator_id: int, name: str) -> str:
    """The name or, if `policy.team.pseudonyms` is set, a pseudonym such as "annotator 3F2A"."""
    if not project.config.policy.team.pseudonyms:
        return name
    digest = hmac.new(project.salt.encode(), f"annotator:{annotator_id}".encode(), hashlib.sha256).hexdigest()
    return f"annotator {digest[:LENGTH].upper()}"
