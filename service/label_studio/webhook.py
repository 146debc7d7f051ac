"""The address and the secret of a project's webhook: made by the worker, checked by the web process.

The secret is derived, HMAC(our signing secret, project), so that checking it needs no database at all; what is
stored of it is only a digest that tells when it changed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from labeling.errors import Invalid
from labeling.types import ProjectId

HEADER = "X-Hardcase-Secret"


def path_of(project_id: ProjectId) -> str:
    """Where Label Studio sends the events of this project."""
    return f"/webhooks/label-studio/{project_id}"


def secret_of(signing_secret: str, project_id: ProjectId) -> str:
    """What Label Studio must send along with every event of this project."""
    if not signing_secret:
        raise Invalid("There is no signing secret yet. Run `hardcase init`.")
    key = hashlib.sha256(b"hardcase webhook\0" + signing_secret.encode()).digest()
    return hmac.new(key, str(project_id).encode(), "sha256").hexdigest()


def is_secret(signing: Sequence[str], project_id: ProjectId, given: str) -> bool:
    """Whether one of the signing secrets made this project's secret; takes the same time whatever is given."""
    genuine = False
    for secret in signing:  # all are tried, so that the time taken tells nothing
        expected = secret_of(secret, project_id)
        genuine |= hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return genuine


def digest_of(secret: str) -> str:
    """Names a secret without giving it away."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
