"""The name of an annotator: on pages the real one, in exports a pseudonym, and the policy may say otherwise for each.

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
    return _pseudonym(project, annotator_id) if project.config.policy.team.pseudonyms else name


def names_are_exported(project: Project) -> bool:
    """Whether exports and releases name people: `policy.team.names_in_exports`, and no pseudonyms everywhere."""
    team = project.config.policy.team
    return team.names_in_exports and not team.pseudonyms


def exported_name(project: Project, annotator_id: int, name: str) -> str:
    """The pseudonym or, if names are exported, the name."""
    return name if names_are_exported(project) else _pseudonym(project, annotator_id)


def _pseudonym(project: Project, annotator_id: int) -> str:
    digest = hmac.new(project.salt.encode(), f"annotator:{annotator_id}".encode(), hashlib.sha256).hexdigest()
    return f"annotator {digest[:LENGTH].upper()}"
