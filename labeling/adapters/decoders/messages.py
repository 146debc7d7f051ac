"""What the worker and a decoding process say to each other over pipes: a length, a JSON head, then plain bytes.

In: values. Out: the same values on the other side. The bytes of an image are never inside the JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from labeling.ingest.headers import Limits
from labeling.types import ImageChecks

__all__ = ["Answer", "Order", "Findings", "framed", "parsed_answer", "parsed_order", "read_head"]

_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Order:
    """How many bytes of a file follow, its limits, and how much processor time it may take."""

    size: int
    limits: Limits
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is kept of an image but its pixels; of those `shown_bytes` follow."""

    content_hash: str
    fingerprint: bytes
    checks: ImageChecks
    format: str
    width: int
    height: int
    media_type: str
    shown_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order: an image, or why there is none. `retire`: the process is large now and ends.

    `fault` is the traceback of a mistake of ours, for the log.
    """

    findings: Findings | None
    reason: str
    retire: bool
    fault: str = ""


def framed(value: Order | Answer) -> bytes:
    """The head as it is sent."""
    body = json.dumps(asdict(value), default=lambda raw: base64.b64encode(raw).decode()).encode()
    return len(body).to_bytes(_LENGTH, "big") + body


def read_head(read: Callable[[int], bytes]) -> dict[str, Any] | None:
    """The next head by a function that reads exactly so many bytes; None where nothing comes any more."""
    length = read(_LENGTH)
    if len(length) < _LENGTH:
        return None
    head: dict[str, Any] = json.loads(read(int.from_bytes(length, "big")))
    return head


def parsed_order(head: dict[str, Any]) -> Order:
    """An order as it was sent."""
    return Order(head["size"], Limits(**head["limits"]), head["cpu_s"])


def parsed_answer(head: dict[str, Any]) -> Answer:
    """An answer as it was sent."""
    found = head["findings"]
    if found is None:
        return Answer(None, head["reason"], head["retire"], head["fault"])
    found["checks"] = ImageChecks(**found["checks"])
    found["fingerprint"] = base64.b64decode(found["fingerprint"])
    return Answer(Findings(**found), "", head["retire"])
