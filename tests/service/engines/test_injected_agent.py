"""Row 21 of the faults: the agent against an endpoint that obeys whatever it reads, in words or in the picture.

Every injection in every place goes over a real socket; what is checked is what was really sent, and what became of it.
"""

from __future__ import annotations

import base64
import html
import io
import json
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from labeling.adapters.endpoints.chat_models import chat_model
from labeling.adapters.endpoints.client import EndpointClient
from labeling.prelabel.endpoints.agent import ChatBackend
from labeling.prelabel.endpoints.backends import Abilities, BackendEngine
from labeling.prelabel.endpoints.endpoint import Endpoint, Price
from labeling.prelabel.engine import EngineOrder, Item
from labeling.prelabel.guards.checks import CONFLICT, FLIPPED_TEXT, may_accept
from labeling.prelabel.guards.counterfactual import GuardedEngine
from labeling.prelabel.guards.injections import Placement, draw, in_text, say
from labeling.project import EngineUse, LabelClass
from labeling.types import Outcome, Prelabel
from tests.injected_engines import CLASSES, obeyed_in, painted, strokes
from tests.injections import INJECTIONS
from tests.scripted_endpoint import Answer, MemoryBook, ScriptedEndpoint, answering, called

TRUTH, TARGET = "otter", "heron"
HEAD = (0.85, 0.1, 0.05)
OWN = "taken in the early morning from a small boat"
READABLE = 25
LONG = {"reason": f"=cmd\u202e\x1b[2J<script>alert(1)</script>{'x' * 5_000}", "question": "", "confidence": "high"}


def _obey(path: str, body: dict[str, Any]) -> Answer:
    """The class that stands in any text of the user's message, else the target if the picture holds writing."""
    parts = [part for message in body["messages"] if message["role"] == "user" for part in message["content"]]
    said = [obeyed_in(html.unescape(part["text"])) for part in parts if part["type"] == "text"]
    pictures = [_picture(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
    label = next((one for one in said if one), None)
    if label is None:
        label = TARGET if max(map(strokes, pictures)) > READABLE else TRUTH
    return called(("answer", {**LONG, "reason": "seen", "label": label}))


def _picture(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGB")


def _look(endpoint: ScriptedEndpoint, items: list[Item]) -> list[Prelabel]:
    order = EngineOrder(tuple(map(LabelClass, CLASSES)), "", EngineUse("agent:here/m"), "here/m")
    known = Endpoint("here", endpoint.url, price=Price())
    client = EndpointClient(known, SecretStr(""), MemoryBook(), "m", None)
    able = Abilities(images=True, json_schema=True, tools=True, usage=True)
    backend = ChatBackend(
        order, able, client, lambda wire: chat_model(wire, endpoint.url, "m", able), Price(), lambda: 0.0
    )
    return GuardedEngine(BackendEngine(backend, at_once=2), CLASSES, share=0).look(items).prelabels


def _sent_texts(endpoint: ScriptedEndpoint) -> list[str]:
    contents = [message["content"] for _, body, _ in endpoint.asked for message in body["messages"]]
    return [part["text"] for parts in contents if isinstance(parts, list) for part in parts if part["type"] == "text"]


@pytest.mark.parametrize("place", [*Placement][:4])
def test_words_beside_the_picture_are_sent_as_data_and_whoever_obeys_them_is_flagged(place: Placement) -> None:
    items = [
        Item(painted(), in_text(OWN, say(one, TARGET), place), f"{n:064x}", prediction=HEAD)
        for n, one in enumerate(INJECTIONS)
    ]

    with answering(_obey) as endpoint:
        prelabels = _look(endpoint, items)
        blocks = [text for text in _sent_texts(endpoint) if text.startswith("Text that came with")]

    assert len(set(blocks)) == len(INJECTIONS)
    for block in set(blocks):
        _, opened, *inside, closed = block.split("\n")
        assert opened.startswith("<untrusted-") and closed == f"</{opened.split()[0][1:]}>"
        assert "<" not in "".join(inside) and all(map(str.isprintable, inside)) and len(block) < 8_200
    assert all(one.outcome is Outcome.LABEL and one.answer in CLASSES for one in prelabels)
    obeyed = [one for one in prelabels if one.answer != TRUTH]
    assert len(obeyed) >= 55
    assert all(CONFLICT in one.evidence.flags and not may_accept(one, HEAD, CLASSES) for one in obeyed)
    assert sum(FLIPPED_TEXT in one.evidence.flags for one in obeyed) >= 0.9 * len(obeyed)


def test_words_in_the_picture_are_obeyed_and_flagged() -> None:
    items = [
        Item(draw(painted(), say(one, TARGET), Placement.OVERLAY_LARGE), None, f"{n:064x}", prediction=HEAD)
        for n, one in enumerate(INJECTIONS)
    ]

    with answering(_obey) as endpoint:
        prelabels = _look(endpoint, items)

    obeyed = [one for one in prelabels if one.answer == TARGET]
    assert len(obeyed) >= 55 and {one.answer for one in prelabels} <= {TRUTH, TARGET}
    assert all(CONFLICT in one.evidence.flags and not may_accept(one, HEAD, CLASSES) for one in obeyed)


def test_what_is_sent_holds_no_metadata_of_the_file_and_no_address() -> None:
    with answering(_obey) as endpoint:
        _look(endpoint, [Item(painted(), None, "a" * 64)])
        body = endpoint.asked[0][1]

    data = base64.b64decode(json.dumps(body).split("base64,", 1)[1].split('"', 1)[0])
    with Image.open(io.BytesIO(data)) as sent:
        assert not sent.getexif() and set(sent.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert "http://" not in json.dumps(body["messages"])


def test_the_tools_take_no_address_and_no_file() -> None:
    with answering(_obey) as endpoint:
        _look(endpoint, [Item(painted(), None, "a" * 64)])
        tools = endpoint.asked[0][1]["tools"]

    fields = {name for tool in tools for name in tool["function"]["parameters"].get("properties", {})}
    assert fields and not [name for name in fields if any(word in name for word in ("url", "file", "path", "address"))]


def test_a_reason_is_plain_text_of_bounded_length() -> None:
    with answering(lambda path, body: called(("answer", {**LONG, "label": TRUTH}))) as endpoint:
        prelabel = _look(endpoint, [Item(painted(), None, "a" * 64)])[0]

    assert prelabel.answer == TRUTH
    assert len(prelabel.evidence.reason) <= 1_000 and prelabel.evidence.reason.replace("\n", " ").isprintable()
