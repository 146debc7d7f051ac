"""What endpoints.yaml may add to the requests to an endpoint: fields of the body, headers, a query string.

In: what the file has. Out: the same, checked. Invariant: nothing that decides what is asked or what it costs, and no
secret: those stand in the environment, and the file names the variable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from labeling.adapters.endpoints.sent_along import REFERENCE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_LONGEST = 4_000
_MOST_BYTES = 20_000
_SECRET = re.compile(r"auth|key|token|secret|passw|cookie|credential|signature|^(code|sig)$", re.IGNORECASE)
_SECRET_FIELD = re.compile(r"api.?key|access.?token|authorization|secret|passw|cookie|credential", re.IGNORECASE)
_VARIABLE = "\0"
"""Stands for a reference where the file's own text is checked."""
_LIKE_A_KEY = re.compile(r"(^|[\s:;,=\0])(sk-|eyJ|(bearer|basic)\s+)[^\s\0]|[A-Za-z0-9_-]{32,}", re.IGNORECASE)
_BY_REFERENCE = re.compile(r"([A-Za-z-]{1,20} +)?\0[^A-Za-z0-9]*")
"""How a secret may stand in the file: a word such as Bearer, and nothing but signs beside references."""
_HEADERS_OF_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "idempotency-key"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
_FIELDS_OF_OURS = {
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "Write `max_tokens` beside `extra_body`."),
    "reasoning_effort": "Write `reasoning_effort` beside `extra_body`.",
    **dict.fromkeys(("n", "best_of", "stream", "stream_options"), "One whole answer is asked for."),
    **dict.fromkeys(
        ("model", "messages", "tools", "tool_choice", "functions", "function_call", "response_format", "logprobs"),
        "hardcase writes it, by what the probe found.",
    ),
    **dict.fromkeys(("top_logprobs", "seed", "input", "questions", "state", "assets"), "hardcase writes it."),
}


def _plain_fields(fields: dict[str, Any]) -> dict[str, Any]:
    for name in fields:
        if name in _FIELDS_OF_OURS:
            raise ValueError(f"`{name}` cannot be set here. {_FIELDS_OF_OURS[name]}")
    for name in _names_in(fields):
        if _SECRET_FIELD.search(name):
            raise ValueError(
                f"`{name}` seems to be a secret, which must not be in a body. Write it as a header: ${{NAME}}"
            )
    try:
        written = json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError("it must hold what JSON can hold: write dates in quotes, and finite numbers") from error
    if REFERENCE.search(written):
        raise ValueError("no variable of the environment is put into a body; write it as a header")
    if len(written) > _MOST_BYTES:
        raise ValueError(f"it is longer than {_MOST_BYTES:,} characters")
    return fields


def _names_in(value: Any) -> Iterator[str]:
    """Every name in nested content."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names_in(inner)


def _headers(values: dict[str, str]) -> dict[str, str]:
    for name in values:
        if name.lower() in _HEADERS_OF_OURS:
            raise ValueError(f"the header `{name}` cannot be set: hardcase writes it. Leave it out")
    if len({name.lower() for name in values}) < len(values):
        raise ValueError("a header is given twice; capital and small letters are the same. Leave one out")
    return _named(values)


def _named(values: dict[str, str]) -> dict[str, str]:
    """Names and values that may be sent, each secret as the name of a variable; the message has no value in it."""
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"`{name[:100]}` is no name: letters, digits, `-`, `_` and `.`")
        if not value or len(value) > _LONGEST or not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of `{name}` is empty, too long, or has a character that cannot be sent")
        if "${" in REFERENCE.sub("", value):
            raise ValueError(f"the value of `{name}` has `${{` without a name after it; write ${{NAME}}")
        if _holds_a_secret(name, value):
            beside = "What stands beside `${...}` in" if REFERENCE.search(value) else "The value of"
            raise ValueError(
                f"{beside} `{name}` seems to be a secret, which must not be in this file. Put the whole value into the "
                f"environment, and write the variable's name: `{name}: ${{MY_VARIABLE}}`. Or keep a key: "
                "`hardcase endpoint key NAME`, with `key_header`"
            )
    return values


def _holds_a_secret(name: str, value: str) -> bool:
    """Whether it seems to, in what the file itself says: the values of variables are not in it."""
    written = REFERENCE.sub(_VARIABLE, value)
    secret = _SECRET.search(name) is not None and not _BY_REFERENCE.fullmatch(written)
    return secret or _LIKE_A_KEY.search(written) is not None


def _as_text(value: Any) -> Any:
    """Versions are mostly dates, which YAML reads as such, or numbers."""
    return str(value) if isinstance(value, date | int) and not isinstance(value, bool) else value


def _texts(values: Any) -> Any:
    return {name: _as_text(value) for name, value in values.items()} if isinstance(values, dict) else values


def _header_name(name: str) -> str:
    if name:
        _headers({name: "${KEY}"})
    return name


Body = Annotated[dict[str, Any], AfterValidator(_plain_fields)]
Headers = Annotated[dict[str, str], BeforeValidator(_texts), AfterValidator(_headers)]
Query = Annotated[dict[str, str], BeforeValidator(_texts), AfterValidator(_named)]
Version = Annotated[str, BeforeValidator(_as_text)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
