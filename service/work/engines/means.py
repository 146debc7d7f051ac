"""What an engine is made with: what this installation provides, and how its project uses it.

In: a project, the settings, the database. Out: plain values; nothing is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from labeling.project import EngineUse, Policy, Project
from labeling.types import ProjectId
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Means:
    """What this installation provides for an engine. Without a database no endpoint can be asked."""

    settings: Settings
    project_id: ProjectId
    database: sa.Engine | None = None
    policy: Policy = field(default_factory=Policy)


def first_use(project: Project) -> EngineUse:
    """How the project uses its first engine."""
    policy = project.config.policy
    return policy.first_use
