"""Models that reason, in the forms that vLLM, llama.cpp, Ollama, Azure, Gemini and servers without a parser answer in.

The forms are written after those servers' documentation and the reports about them; a real llama.cpp
server that reasons is in `tests/e2e/test_agent_real_server.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

import pytest
from PIL import Image
from pydantic import SecretStr

from labeling.adapters.endpoints.chat_models import chat_model
from labeling.adapters.endpoints.client import EndpointClient
from labeling.adapters.endpoints.probing import probe_chat
from labeling.errors import EndpointUnavailable, Invalid
from labeling.prelabel.endpoints.agent import ChatBackend
from labeling.prelabel.endpoints.backends import Abilities, BackendEngine
from labeling.prelabel.endpoints.endpoint import Endpoint, Price
from labeling.prelabel.engine import EngineOrder, Item
from labeling.project import EngineUse, LabelClass
from labeling.types import Outcome, Prelabel
from tests.scripted_endpoint import Answer, MemoryBook, ScriptedEndpoint, answering

ORDER = EngineOrder((LabelClass("cat"), LabelClass("dog")), "", EngineUse("agent:here/m"), "here/m")
ANSWER = {"reason": "ears", "label": "cat", "question": "", "confidence": "high"}
NEEDS = 700
"""Tokens that these models think before they answer."""
THOUGHTS = "Okay, the user shows me a picture. I see it."

Form = Callable[[str, bool], tuple[dict[str, Any], dict[str, Any]]]
"""From an answer, and whether it was cut before it began, to a message and what its usage adds."""


def in_field(name: str) -> Form:
    def form(answer: str, cut: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"content": None if cut else answer, name: THOUGHTS}, {}

    return form


def in_tags(answer: str, cut: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"content": f"<think>{THOUGHTS}" if cut else f"<think>{THOUGHTS}</think>\n\n{answer}"}, {}


def without_a_parser(answer: str, cut: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The chat template wrote the first mark."""
    return {"content": THOUGHTS if cut else f"{THOUGHTS}\n</think>\n\n{answer}"}, {}


def azure(answer: str, cut: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The thoughts are counted and not shown."""
    details = {"reasoning_tokens": 60 if cut else NEEDS, "accepted_prediction_tokens": 0, "audio_tokens": 0}
    message = {"content": "" if cut else answer, "refusal": None, "annotations": []}
    return message, {"completion_tokens_details": details}


def gemini(answer: str, cut: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The thoughts are in the total alone, and a cut answer has no content at all."""
    return {} if cut else {"content": answer}, {"thoughts": 60 if cut else NEEDS}


FORMS: Mapping[str, Form] = {
    "vLLM": in_field("reasoning"),
    "llama.cpp": in_field("reasoning_content"),
    "Ollama": in_field("reasoning"),
    "tags": in_tags,
    "no parser": without_a_parser,
    "Azure": azure,
    "Gemini": gemini,
}


def server(form: Form, needs: int = NEEDS) -> Callable[[str, dict[str, Any]], Answer]:
    """Sees pictures, keeps to schemas, and answers only where there is room for its thoughts."""

    def script(path: str, body: dict[str, Any]) -> Answer:
        if not body:
            return Answer('{"data": []}')
        cut = (body.get("max_tokens") or body.get("max_completion_tokens")) < needs
        message, more = form(_answer(body), cut)
        thoughts = more.pop("thoughts", 0)
        seen = json.dumps(body["messages"]).count("data:image")
        usage = {"prompt_tokens": 100 + 80 * seen, "completion_tokens": 20, **more}
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"] + thoughts
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "length" if cut else "stop"}
        head = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        return Answer(json.dumps({**head, "choices": [choice], "usage": usage}))

    return script


def _answer(body: dict[str, Any]) -> str:
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    if "next" in schema.get("properties", {}):
        return json.dumps({"next": {"action": "answer", **ANSWER}})
    if schema:
        return json.dumps({"word": schema["properties"]["word"]["enum"][0]})
    return f"colour {crc32(json.dumps(body['messages']).encode())}"


def client(url: str, **more: Any) -> EndpointClient:
    known = Endpoint("here", url, price=more.pop("price", Price()), **more)
    return EndpointClient(known, SecretStr(""), MemoryBook(), "m", None)


def look(one: EndpointClient, abilities: Abilities) -> Prelabel:
    def model(wire: Any) -> Any:
        return chat_model(wire, one.endpoint.url, "m", abilities)

    limit = one.endpoint.answer_tokens(reasons=abilities.reasons)
    engine = BackendEngine(ChatBackend(ORDER, abilities, one, model, one.endpoint.price, lambda: 0.0, limit))
    return engine.look([Item(Image.new("RGB", (64, 64), "red"), "a text", "key")]).prelabels[0]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_model_that_reasons_is_probed_with_room_and_then_labels(form: Form) -> None:
    with answering(server(form)) as running:
        one = client(running.url)
        found = probe_chat(one, "Probe 1.")
        label = look(one, found)

    assert found == Abilities(images=True, json_schema=True, usage=True, reasons=True)
    assert (label.answer, label.outcome, label.evidence.reason) == ("cat", Outcome.LABEL, "ears")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_room_that_the_file_gives_is_what_is_asked_with(form: Form) -> None:
    with answering(server(form, needs=9_000)) as running:
        found = probe_chat(client(running.url, max_tokens=10_000), "Probe 1.")
        limits = {body.get("max_tokens") for _, body, _ in running.asked if body}

    assert (found.images, found.reasons, limits) == (True, True, {60, 10_000})


@pytest.mark.parametrize("form", [FORMS[name] for name in FORMS if name != "no parser"])
def test_a_model_that_needs_more_than_it_gets_says_what_to_raise(form: Form) -> None:
    with answering(server(form, needs=20_000)) as running, pytest.raises(Invalid, match="max_tokens.*reasoning_effort"):
        probe_chat(client(running.url), "Probe 1.")


def test_a_model_that_thinks_and_then_says_nothing_of_itself_is_asked_about_the_rest() -> None:
    def form(answer: str, cut: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"content": answer if "{" in answer else "", "reasoning_content": THOUGHTS}, {}

    with answering(server(form)) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert (found.reasons, found.images, found.json_schema, found.cut) == (True, False, True, "")


def test_a_picture_that_takes_more_thought_than_there_is_room_for_is_named_as_cut() -> None:
    form = server(FORMS["vLLM"])

    def script(path: str, body: dict[str, Any]) -> Answer:
        return form(path, {**body, "max_tokens": 60} if "data:image" in json.dumps(body) else body)

    with answering(script) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert (found.images, found.json_schema, found.cut) == (False, True, "images")


def test_a_model_that_only_talks_much_is_no_model_that_reasons() -> None:
    def script(path: str, body: dict[str, Any]) -> Answer:
        return server(lambda answer, cut: ({"content": "Well, " * 20}, {}), needs=9_999)(path, body)

    with answering(script) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert (found.reasons, found.cut) == (False, "images, json_schema, tools")


def test_a_model_that_talks_much_and_slowly_is_probed_all_the_same() -> None:
    talking = server(lambda answer, cut: ({"content": "Well, " * 20 if cut else answer}, {}), needs=9_999)

    def script(path: str, body: dict[str, Any]) -> Answer:
        return replace(talking(path, body), hang=body.get("max_tokens", 0) > 60)

    with answering(script) as running:
        found = probe_chat(client(running.url, timeout_s=0.5), "Probe 1.")

    assert (found.reasons, found.usage) == (False, True)


def test_an_answer_that_is_cut_says_so_and_goes_to_a_person() -> None:
    able = Abilities(images=True, json_schema=True, usage=True, reasons=True)
    with answering(server(FORMS["llama.cpp"], needs=9_000)) as running:
        label = look(client(running.url), able)

    assert (label.outcome, label.answer) == (Outcome.ABSTAINED, None)
    assert "cut after 4,096 tokens" in label.evidence.reason and "max_tokens" in label.evidence.reason


def test_thoughts_that_only_the_total_counts_are_paid_for() -> None:
    price = Price(input_per_m=1_000_000, output_per_m=2_000_000)
    with answering(server(FORMS["Gemini"])) as running:
        one = client(running.url, price=price)
        reply = one.post("/chat/completions", json.dumps({"messages": [], "max_tokens": 4_096}).encode())

    assert (reply.tokens_in, reply.tokens_out) == (100, 20 + NEEDS)
    assert reply.cost_micro == 100 + 2 * (20 + NEEDS)


def asked_with(running: ScriptedEndpoint) -> tuple[str, dict[str, Any], dict[str, str]]:
    return running.asked[-1]


def test_settings_of_the_endpoint_go_with_every_request() -> None:
    environment = {"AZURE_KEY": "s3cret-azure", "SIG": "s3cret-sig"}
    known = Endpoint(
        "azure",
        "",
        price=Price(),
        reasoning_effort="low",
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
        headers={"api-key": "${AZURE_KEY}", "X-Team": "labels"},
        query={"api-version": "2024-10-21", "sig": "${SIG}"},
    )
    with answering(server(FORMS["vLLM"])) as running:
        here = Endpoint(**{**{name: getattr(known, name) for name in known.__slots__}, "url": running.url})
        one = EndpointClient(here, SecretStr("kept-key"), MemoryBook(), "m", None, environment=environment)
        one.post("/chat/completions", b'{"messages": [], "max_tokens": 5000}')
        path, body, headers = asked_with(running)
        one.get("/models", "now")

    assert path == "/chat/completions?api-version=2024-10-21&sig=s3cret-sig"
    assert body == {
        "messages": [],
        "max_tokens": 5_000,
        "reasoning_effort": "low",
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert (headers["api-key"], headers["x-team"]) == ("s3cret-azure", "labels")
    assert headers["authorization"] == "Bearer kept-key"
    assert asked_with(running)[0].startswith("/models?api-version=")
    assert "s3cret" not in repr(here) + here.settings


def test_a_kept_key_goes_in_the_header_that_the_file_names_and_a_header_of_the_file_wins() -> None:
    with answering(server(FORMS["vLLM"])) as running:
        for more in ({"key_header": "api-key"}, {"headers": {"authorization": "Token ${T}"}}):
            known = Endpoint("here", running.url, price=Price(), **more)  # type: ignore[arg-type]
            one = EndpointClient(known, SecretStr("kept"), MemoryBook(), "m", None, environment={"T": "t0ken"})
            one.post("/chat/completions", b'{"messages": [], "max_tokens": 5000}')
        plain, own = running.asked[0][2], running.asked[1][2]

    assert plain["api-key"] == "kept" and "authorization" not in plain
    assert own["authorization"] == "Token t0ken"


@pytest.mark.parametrize("environment", [{}, {"AZURE_KEY": " "}, {"AZURE_KEY": "two\nlines"}])
def test_a_variable_that_is_not_set_is_named_and_its_value_is_not(environment: dict[str, str]) -> None:
    known = Endpoint("azure", "http://127.0.0.1:9/v1", headers={"api-key": "${AZURE_KEY}"})

    with pytest.raises(Invalid, match="AZURE_KEY") as raised:
        EndpointClient(known, SecretStr(""), MemoryBook(), "m", None, environment=environment)

    assert "two" not in raised.value.message


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "The key s3cret-azure is wrong", "code": "401"}},
        [{"error": {"code": 400, "message": "Bad key: s3cret-azure", "status": "INVALID_ARGUMENT"}}],
        {"detail": "Bearer s3cret-azure"},
    ],
    ids=["Azure", "Gemini", "FastAPI"],
)
def test_a_refusal_is_read_in_every_form_and_shows_no_secret(body: Any) -> None:
    with answering(lambda path, asked: Answer(json.dumps(body), 400)) as running:
        known = Endpoint("azure", running.url, price=Price(), headers={"api-key": "${K}"})
        one = EndpointClient(known, SecretStr(""), MemoryBook(), "m", None, environment={"K": "s3cret-azure"})

        with pytest.raises(Invalid, match=r"\*\*\*") as raised:
            one.post("/chat/completions", b'{"messages": []}')

    assert "s3cret" not in raised.value.message


def test_a_refusal_that_names_what_is_no_secret_is_read_whole() -> None:
    body = {"error": {"message": "api-version 2024-10-21 is not supported for labels"}}
    with answering(lambda path, asked: Answer(json.dumps(body), 400)) as running:
        more: dict[str, Any] = {"headers": {"X-Team": "labels"}, "query": {"api-version": "2024-10-21"}}
        known = Endpoint("azure", running.url, price=Price(), **more)
        one = EndpointClient(known, SecretStr("kept-key"), MemoryBook(), "m", None)

        with pytest.raises(Invalid, match="api-version 2024-10-21 is not supported for labels"):
            one.post("/chat/completions", b'{"messages": []}')


def test_a_secret_that_changes_leaves_what_was_answered_in_memory() -> None:
    book = MemoryBook()
    with answering(server(FORMS["vLLM"])) as running:
        for value in ("first-secret", "second-secret"):
            known = Endpoint("here", running.url, price=Price(), query={"key": "${K}"})
            one = EndpointClient(known, SecretStr(""), book, "m", None, environment={"K": value})
            one.post("/chat/completions", b'{"messages": [], "max_tokens": 5000}')

        assert running.count == 1


def test_a_busy_answer_while_there_is_room_to_be_found_is_no_finding() -> None:
    def script(path: str, body: dict[str, Any]) -> Answer:
        return server(FORMS["vLLM"])(path, body) if body.get("max_tokens") == 60 else Answer("", 429)

    with answering(script) as running, pytest.raises(EndpointUnavailable):
        probe_chat(client(running.url), "Probe 1.")
