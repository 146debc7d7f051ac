"""What goes with every request to an endpoint: its key, headers, a query string, and fields of the body.

In: an endpoint as endpoints.yaml has it, its key, and the variables of the environment. Out: what is added to a
request. Invariant: a secret comes from the key or from a variable that is named as `${NAME}`, and from nowhere else; it
is in no message, no `repr` and no hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from labeling.errors import Invalid
from labeling.prelabel.endpoints.endpoint import Endpoint

__all__ = ["REFERENCE", "SentAlong", "sent_along"]

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,100})\}")
_SHORTEST = 6
"""Characters of a secret that is taken out of messages; a shorter one would be found in ordinary words."""


@dataclass(frozen=True, slots=True)
class SentAlong:
    """See `sent_along`. `secrets` are the key and what has a variable in it, as they are sent.

    `written` is the query string and the headers as the file has them, with names of variables.
    """

    secret_headers: Mapping[str, SecretStr]
    secret_query: Mapping[str, SecretStr]
    fields: Mapping[str, Any]
    written: str
    secrets: tuple[SecretStr, ...]

    def headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.secret_headers.items()}

    def query(self) -> dict[str, str] | None:
        return {name: value.get_secret_value() for name, value in self.secret_query.items()} or None

    def added_to(self, body: bytes) -> bytes:
        """The JSON with the fields of this endpoint; the same bytes where it has none."""
        return json.dumps({**json.loads(body), **self.fields}).encode() if self.fields else body

    def without_secrets(self, text: str) -> str:
        """What a server says, without the secrets that it was sent."""
        for value in self.secrets:
            whole = value.get_secret_value()
            for secret in (whole, whole.rpartition(" ")[2]):  # with and without `Bearer`
                text = text.replace(secret, "***") if len(secret) >= _SHORTEST else text
        return text


def sent_along(endpoint: Endpoint, key: SecretStr, environment: Mapping[str, str]) -> SentAlong:
    """What goes with each request to this endpoint.

    Raises
    ------
    Invalid
        When a variable of the environment is named and not set, or its value cannot stand in a header.
    """
    headers = {} if not key.get_secret_value() else _key_header(endpoint, key.get_secret_value())
    given = {name: SecretStr(_filled(endpoint, value, environment)) for name, value in endpoint.headers.items()}
    headers = {name: value for name, value in headers.items() if name.lower() not in {one.lower() for one in given}}
    query = {name: SecretStr(_filled(endpoint, value, environment)) for name, value in endpoint.query.items()}
    fields = ({"reasoning_effort": endpoint.reasoning_effort} if endpoint.reasoning_effort else {}) | dict(
        endpoint.extra_body
    )
    written = f"?{urlencode(endpoint.query)}" if endpoint.query else ""
    written += f"\n{urlencode(sorted(endpoint.headers.items()))}" if endpoint.headers else ""
    filled = [(endpoint.headers, given), (endpoint.query, query)]
    named = [values[name] for texts, values in filled for name, text in texts.items() if REFERENCE.search(text)]
    return SentAlong({**headers, **given}, query, fields, written, (*headers.values(), *named))


def _key_header(endpoint: Endpoint, key: str) -> dict[str, SecretStr]:
    if endpoint.key_header:
        return {endpoint.key_header: SecretStr(key)}
    return {"Authorization": SecretStr(f"Bearer {key}")}


def _filled(endpoint: Endpoint, value: str, environment: Mapping[str, str]) -> str:
    """The value with the variables in the place of their names."""

    def found(reference: re.Match[str]) -> str:
        name = reference.group(1)
        words = environment.get(name, "")
        if not words.strip():
            raise Invalid(
                f"The endpoint {endpoint.name!r} needs the environment variable {name}, which is not set. Set it where "
                "`hardcase up` and the worker are started, or change endpoints.yaml."
            )
        if not (words.isascii() and words.isprintable()):
            raise Invalid(
                f"The environment variable {name}, which the endpoint {endpoint.name!r} needs, holds a line break or a "
                "character that cannot be sent. Set it again."
            )
        return words.strip()

    return REFERENCE.sub(found, value)
