"""The address under which Label Studio finds a project's predictions: told by the command line, checked by the web.

In: our signing secret and a project. Out: a path that nobody can guess, or the project that a token names. Label Studio
sends no secret of its own along with these requests, so the proof stands in the path. It is derived, as the webhook's
secret is: checking it needs no database, and a rotated secret stays good as long as it is among those in use.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from labeling.errors import Invalid, NotFound
from labeling.types import ProjectId

_TOKEN = re.compile(r"([1-9][0-9]{0,14})-[0-9a-f]{64}")


def path_of(signing_secret: str, project_id: ProjectId) -> str:
    """What stands after our own address in the field "Backend URL" of Label Studio."""
    return f"/ml/{token_of(signing_secret, project_id)}"


def token_of(signing_secret: str, project_id: ProjectId) -> str:
    """The project's number, and the proof that we gave this address away.

    >>> token_of("s" * 32, ProjectId(7))[:2]
    '7-'
    """
    if not signing_secret:
        raise Invalid("There is no signing secret yet. Run `hardcase init`.")
    key = hashlib.sha256(b"hardcase ml backend\0" + signing_secret.encode()).digest()
    return f"{project_id}-{hmac.new(key, str(project_id).encode(), 'sha256').hexdigest()}"


def project_in(signing: Sequence[str], token: str) -> ProjectId:
    """The project that a token names; NotFound, after the same time, for whatever is no token of ours."""
    found = _TOKEN.fullmatch(token)
    project_id = ProjectId(int(found[1]) if found else 0)
    genuine = False
    for secret in signing:  # all are tried, so that the time taken tells nothing
        expected = token_of(secret, project_id)
        genuine |= hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))
    if not genuine or found is None:
        raise NotFound("There is no such address. `hardcase backend PROJECT` tells the right one.")
    return project_id
