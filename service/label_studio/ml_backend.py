"""The address at which Label Studio finds a project's predictions: printed by the command line, checked by the web.

In: our signing secret and a project. Out: a path that nobody can guess, or the project that a token names. Label Studio
sends no secret with these requests, so the proof is part of the path. It is derived as the webhook's secret is, and a
rotated secret stays valid as long as it is among those in use.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from labeling.errors import NotFound
from labeling.types import ProjectId
from service.label_studio.proofs import is_one_of, project_proof

_TOKEN = re.compile(r"([1-9][0-9]{0,14})-[0-9a-f]{64}")


def path_of(signing_secret: str, project_id: ProjectId) -> str:
    """What follows our own address in the field "Backend URL" of Label Studio."""
    return f"/ml/{token_of(signing_secret, project_id)}"


def token_of(signing_secret: str, project_id: ProjectId) -> str:
    """The project's number, and the proof that we made this address.

    >>> token_of("s" * 32, ProjectId(7))[:2]
    '7-'
    """
    return f"{project_id}-{project_proof(signing_secret, 'ml backend', project_id)}"


def project_in(signing: Sequence[str], token: str) -> ProjectId:
    """The project that a token names; NotFound, after the same time, for whatever is no token of ours."""
    found = _TOKEN.fullmatch(token)
    project_id = ProjectId(int(found[1]) if found else 0)
    genuine = is_one_of([token_of(secret, project_id) for secret in signing], token)
    if not genuine or found is None:
        raise NotFound("There is no such address. `hardcase backend PROJECT` prints the right one.")
    return project_id
