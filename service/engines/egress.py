"""What may leave the house: which endpoints may be asked at all, and a line in the log for every question that is.

In: an endpoint of endpoints.yaml, the settings. Out: nothing, or a refusal before any socket is opened. Invariant: the
log names fields and their sizes, never what stood in them.
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
    """The endpoint, if it may be asked here.

    Raises
    ------
    Denied
        When this installation is local-only and the endpoint is not said to be in the house.
    """
    if settings.local_only and not endpoint.local:
        raise Denied(
            f"{endpoint.name!r} is outside the house and HARDCASE_LOCAL_ONLY is set. Name another engine; or, if it "
            "does stand in the house, an administrator writes `local: true` beside it in endpoints.yaml."
        )
    return endpoint


def check_target(settings: Settings, name: str, local: bool) -> None:
    """Denied where this installation is local-only and a target of messages is not said to be in the house."""
    if settings.local_only and not local:
        raise Denied(
            f"{name} is outside the house and HARDCASE_LOCAL_ONLY is set, so it is told nothing. Where it does stand "
            "in the house, an administrator writes `local: true` beside it in messages.yaml."
        )


def is_in_the_house(host: str) -> bool:
    """Whether a host is a loopback or private address, written as a number, or `localhost`."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def log_sending(endpoint: Endpoint, model: str, body: bytes) -> None:
    """One line about a question that leaves now."""
    event = "asked an endpoint" if endpoint.local else "sent out of the house"
    log.info(event, endpoint=endpoint.name, model=model, body_bytes=len(body), **sizes_of(body))


def sizes_of(body: bytes) -> dict[str, int]:
    """The fields of a request with the characters in each; pictures are counted, with the bytes of their base64.

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
    """All words in a value, without those that only say what it is."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("role", "type"):
                yield from _texts(inner)
