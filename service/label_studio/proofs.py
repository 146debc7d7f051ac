"""Proofs that we made an address or a secret: derived from our signing secret, so that checking them needs no database.

In: a signing secret, a purpose, a project. Out: a proof; or whether a given text is one of the expected proofs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from labeling.errors import Invalid
from labeling.types import ProjectId


def key_for(secret: str, purpose: str) -> bytes:
    """The key that the signing secret gives for one purpose; Invalid without a secret."""
    if not secret:
        raise Invalid("There is no signing secret yet. Run `hardcase init`.")
    return hashlib.sha256(f"hardcase {purpose}\0{secret}".encode()).digest()


def project_proof(secret: str, purpose: str, project_id: ProjectId) -> str:
    """HMAC-SHA256 of the project's number, in hex."""
    return hmac.new(key_for(secret, purpose), str(project_id).encode(), "sha256").hexdigest()


def is_one_of(expected: Sequence[str], given: str) -> bool:
    """Whether one of these was given; all are compared, so that the time taken is always the same."""
    received = given.encode("utf-8", "replace")
    return sum(hmac.compare_digest(one.encode(), received) for one in expected) > 0
