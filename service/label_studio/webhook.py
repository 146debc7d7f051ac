"""The address and the secret of a project's webhook: made by the worker, checked by the web process.

The secret is derived from our signing secret and the project, so that checking it needs no database. Only a digest of
it is stored, by which a change is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from labeling.types import ProjectId
from service.label_studio.proofs import is_one_of, project_proof

HEADER = "X-Hardcase-Secret"


def path_of(project_id: ProjectId) -> str:
    """Where Label Studio sends the events of this project."""
    return f"/webhooks/label-studio/{project_id}"


def secret_of(signing_secret: str, project_id: ProjectId) -> str:
    """What Label Studio must send along with every event of this project."""
    return project_proof(signing_secret, "webhook", project_id)


def is_secret(signing: Sequence[str], project_id: ProjectId, given: str) -> bool:
    """Whether one of the signing secrets made this project's secret; takes the same time whatever is given."""
    return is_one_of([secret_of(secret, project_id) for secret in signing], given)


def digest_of(secret: str) -> str:
    """A name for a secret, from which the secret cannot be found."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
