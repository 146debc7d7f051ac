"""The probe and the agent against a real llama.cpp server with a real, very small language model that sees no pictures.

What the model believes is not tested, only that whatever it says becomes a label of the set, or none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
from PIL import Image
from pydantic import SecretStr
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from labeling.adapters.endpoints.chat_models import chat_model
from labeling.adapters.endpoints.client import EndpointClient
from labeling.adapters.endpoints.probing import probe_chat
from labeling.prelabel.endpoints.agent import ChatBackend
from labeling.prelabel.endpoints.backends import Abilities, BackendEngine
from labeling.prelabel.endpoints.endpoint import Endpoint, Price
from labeling.prelabel.endpoints.reasoning import spoken
from labeling.prelabel.engine import EngineOrder, Item, check_look
from labeling.project import EngineUse, LabelClass
from labeling.types import Outcome
from tests.scripted_endpoint import MemoryBook, closed_port

pytestmark = pytest.mark.timeout(600)  # on a machine that is busy otherwise, a real model is slow
SERVER = Path(__file__).parents[1] / "llama_server.py"
LABELS = (LabelClass("cat", "a small furry animal"), LabelClass("car", "a thing with wheels"))
ORDER = EngineOrder(LABELS, "Label what the text is about.", EngineUse("agent:here/m", sends=("text",)), "here/m", 1)


@contextmanager
def serving(*more: str) -> Iterator[Endpoint]:
    port = closed_port()
    command = [sys.executable, str(SERVER), str(port), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("listening")
            yield Endpoint("here", f"http://127.0.0.1:{port}/v1", price=Price(), timeout_s=120, local=True)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def llama() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


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
    return Item(Image.new("RGB", (8, 8)), text, text, prediction=opinion)


def test_the_probe_finds_what_this_server_can_do(abilities: Abilities) -> None:
    assert abilities == Abilities(
        images=False,
        json_schema=True,
        top_logprobs=20,
        tools=False,
        usage=True,
        context=abilities.context,
        cut=abilities.cut,
    )
    assert abilities.context >= 2_048


@pytest.mark.parametrize("opinion", [None, (0.6, 0.4)], ids=["answers at once", "may ask the classifier"])
def test_an_item_gets_a_label_of_the_set_or_a_person_and_the_second_time_from_memory(
    client: EndpointClient, abilities: Abilities, opinion: tuple[float, ...] | None
) -> None:
    engine = agent(client, abilities)
    one = item("A red car on the road.", opinion)

    first = check_look(engine.look([one]), items=1, classes=2).prelabels[0]
    second = engine.look([one]).prelabels[0]

    assert (first.outcome is Outcome.LABEL) == (first.answer in ORDER.classes)
    assert first.answer is not None or first.evidence.question or first.outcome is Outcome.NONE_OF_THESE
    assert first.evidence.tokens_in > 0 and first.duration_s > 0
    assert (second.answer, second.probs, second.evidence.reason) == (first.answer, first.probs, first.evidence.reason)
    assert second.evidence.cached and not first.evidence.cached


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


def test_a_real_server_that_reasons_is_probed_with_its_thoughts_apart_and_labels() -> None:
    with serving("reasons") as endpoint:
        known = replace(endpoint, timeout_s=400, max_tokens=100, extra_body={"thinking_budget_tokens": 5})
        one = EndpointClient(known, SecretStr(""), MemoryBook(), "m", None)
        found = probe_chat(one, "Probe 1.")
        label = check_look(agent(one, found).look([item("A red car on the road.")]), items=1, classes=2).prelabels[0]

    assert (found.reasons, found.json_schema, found.top_logprobs) == (True, True, 0)
    assert found.settings == known.settings != endpoint.settings
    assert (label.outcome is Outcome.LABEL) == (label.answer in ORDER.classes)
    assert not label.evidence.reason.startswith("failed")


def test_a_real_server_stops_reasoning_when_the_endpoint_says_so() -> None:
    question = b'{"model": "m", "messages": [{"role": "user", "content": "Name a colour."}], "max_tokens": 8}'
    with serving("reasons") as endpoint:
        quiet = replace(endpoint, reasoning_effort="none")
        thinking, silent = (
            spoken(EndpointClient(one, SecretStr(""), MemoryBook(), "m", None).post("/chat/completions", question).body)
            for one in (endpoint, quiet)
        )

    assert (thinking.reasoned, thinking.content) == (True, "")
    assert (silent.reasoned, bool(silent.content)) == (False, True)
