"""Egress: which endpoints and targets may be called, and a log line for every request that is sent to an endpoint.

In: an endpoint or a target, the settings. Out: nothing, or a refusal before any socket is opened. Invariant: the log
names fields and their sizes, never their content.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from labeling.errors import Denied
from labeling.prelabel.endpoints.endpoint import Endpoint
from service.logs import get_logger
from service.settings import Settings

log = get_logger(__name__)


def check_endpoint(settings: Settings, endpoint: Endpoint) -> Endpoint:
    """The endpoint; Denied where this installation is local-only and the endpoint is not declared local."""
    check_target(settings, repr(endpoint.name), endpoint.local, "endpoints.yaml")
    return endpoint


def check_target(settings: Settings, name: str, local: bool, file: str = "messages.yaml") -> None:
    """Denied where this installation is local-only and a target is not declared local."""
    if settings.local_only and not local:
        raise Denied(
            f"{name} is outside and HARDCASE_LOCAL_ONLY is set, so nothing is sent there. Use another one; or, if its "
            f"address is local, an administrator writes `local: true` beside it in {file}."
        )


def is_local_address(host: str) -> bool:
    """Whether a host is a loopback or private address, written as a number, or `localhost`."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def log_sending(endpoint: Endpoint, model: str, body: bytes) -> None:
    """Log one line about a request that is sent now."""
    event = "asked an endpoint" if endpoint.local else "sent to an outside endpoint"
    log.info(event, endpoint=endpoint.name, model=model, body_bytes=len(body), **sizes_of(body))


def sizes_of(body: bytes) -> dict[str, int]:
    """The fields of a request with their numbers of characters; for images their number and base64 bytes.

    >>> sizes_of(b'{"model": "m", "messages": [{"role": "user", "content": "four"}]}')
    {'messages_user_characters': 4, 'model_characters': 1}
    """
    try:
        content = json.loads(body)
    except ValueError:
        return {"unreadable_bytes": len(body)}
    sizes: Counter[str] = Counter()
    for field, value in content.items():
        for message in value if field == "messages" else [value]:
            name = f"messages_{message['role']}" if field == "messages" else field
            for text in _texts(message):
                picture = text.startswith("data:image/")
                sizes[f"{name}_{'picture_bytes' if picture else 'characters'}"] += len(text)
                sizes[f"{name}_pictures"] += picture
    return {name: size for name, size in sorted(sizes.items()) if size}


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, without roles and types."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("role", "type"):
                yield from _texts(inner)
