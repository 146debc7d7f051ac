"""The probe and the agent against a real llama.cpp server with a real, very small language model that sees no pictures.

What the model believes is not tested, only that whatever it says becomes a label of the set, or none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest
from PIL import Image
from pydantic import SecretStr
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from labeling.adapters.endpoints import EndpointClient, chat_model
from labeling.adapters.probing import probe_chat
from labeling.prelabel.agent import ChatBackend
from labeling.prelabel.backends import Abilities, BackendEngine
from labeling.prelabel.calls import Endpoint, Price
from labeling.prelabel.engine import EngineOrder, Item, check_look
from labeling.types import EngineUse, LabelClass, Outcome
from tests.scripted_endpoint import MemoryBook, closed_port

SERVER = Path(__file__).parents[1] / "llama_server.py"
LABELS = (LabelClass("cat", "a small furry animal"), LabelClass("car", "a thing with wheels"))
ORDER = EngineOrder(LABELS, "Label what the text is about.", EngineUse("agent:here/m", sends=("text",)), "here/m", 1)


@pytest.fixture(scope="module")
def llama() -> Iterator[Endpoint]:
    port = closed_port()
    with subprocess.Popen([sys.executable, str(SERVER), str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening")
        yield Endpoint("here", f"http://127.0.0.1:{port}/v1", price=Price(), timeout_s=120, local=True)
        process.kill()


@pytest.fixture(scope="module")
def client(llama: Endpoint) -> EndpointClient:
    return EndpointClient(llama, SecretStr(""), MemoryBook(), "m", None)


@pytest.fixture(scope="module")
def abilities(client: EndpointClient) -> Abilities:
    return probe_chat(client, "Probe 1.")


def agent(client: EndpointClient, abilities: Abilities) -> BackendEngine:
    url = client.endpoint.url
    backend = ChatBackend(
        ORDER, abilities, client, lambda wire: chat_model(wire, url, "m", abilities), Price(), perf_counter
    )
    return BackendEngine(backend)


def item(text: str, opinion: tuple[float, ...] | None = None) -> Item:
    return Item(Image.new("RGB", (8, 8)), text, text, opinion=opinion)


def test_the_probe_finds_what_this_server_can_do(abilities: Abilities) -> None:
    assert abilities == Abilities(
        images=False, json_schema=True, top_logprobs=20, tools=False, usage=True, context=abilities.context
    )
    assert abilities.context >= 2_048


def test_items_get_a_label_of_the_set_or_a_person_and_the_second_time_from_memory(
    client: EndpointClient, abilities: Abilities
) -> None:
    engine = agent(client, abilities)
    items = [item("A red car on the road."), item("The cat sleeps.", opinion=(0.6, 0.4))]

    first = check_look(engine.look(items), items=2, classes=2).prelabels
    second = engine.look(items).prelabels

    for one in first:
        assert (one.outcome is Outcome.LABEL) == (one.answer in ORDER.classes)
        assert one.answer is not None or one.evidence.question or one.outcome is Outcome.NONE_OF_THESE
        assert one.evidence.tokens_in > 0 and one.duration_s > 0
    assert [(one.answer, one.probs, one.evidence.reason) for one in second] == [
        (one.answer, one.probs, one.evidence.reason) for one in first
    ]
    assert all(one.evidence.cached for one in second)


def test_the_letters_of_a_real_model_are_a_distribution(client: EndpointClient, abilities: Abilities) -> None:
    answer = {"action": "answer", "reason": "wheels", "label": "car", "question": "", "confidence": "high"}

    def turn(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(json.dumps({"next": answer}))])

    backend = ChatBackend(ORDER, abilities, client, lambda wire: FunctionModel(turn), Price(), perf_counter)

    found = backend.judge(item("A lorry with six wheels."))

    notes = json.loads(found.evidence.raw)
    assert sum(notes["letters"].values()) == pytest.approx(1, abs=1e-3)
    assert list(notes["letters"]) == ["cat", "car", "none of these", "unsure"]
    assert 0 < notes["mass"] <= 1 + 1e-6
    assert sum(found.probs) == pytest.approx(1 if found.answer else 0)
