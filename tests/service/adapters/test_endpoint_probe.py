"""The probe of an endpoint finds what is there, and what servers leave out without a word."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import pytest
from pydantic import SecretStr

from labeling.adapters.endpoints.client import EndpointClient
from labeling.adapters.endpoints.probing import probe_chat, probe_decide
from labeling.errors import EndpointUnavailable, Invalid
from labeling.prelabel.endpoints.backends import Abilities
from labeling.prelabel.endpoints.endpoint import Endpoint, Price
from tests.scripted_endpoint import Answer, MemoryBook, answering, called, said


def client(url: str, book: MemoryBook | None = None) -> EndpointClient:
    return EndpointClient(Endpoint("here", url, price=Price()), SecretStr(""), book or MemoryBook(), "m", None)


def pictures(body: Any) -> list[str]:
    return [part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url"]


def able(path: str, body: dict[str, Any]) -> Answer:
    """A server that can do everything."""
    if path == "/models":
        return Answer(json.dumps({"data": [{"id": "other"}, {"id": "m", "max_model_len": 32_768}]}))
    if "response_format" in body:
        word = body["response_format"]["json_schema"]["schema"]["properties"]["word"]["enum"][0]
        return said(json.dumps({"word": word}))
    if "tools" in body:
        return called(("note", {"word": "x"}))
    answer = said(f"picture {crc32(''.join(pictures(body)).encode())}", tokens=(100 + 80 * len(pictures(body)), 3))
    if "logprobs" not in body:
        return answer
    listed = [{"token": str(n), "logprob": -1.0} for n in range(body["top_logprobs"])]
    said_so = json.loads(answer.body)
    said_so["choices"][0]["logprobs"] = {"content": [{"top_logprobs": listed}]}
    return Answer(json.dumps(said_so))


def silent_about_its_limits(path: str, body: dict[str, Any]) -> Answer:
    """A server that answers 200 to everything and takes in nothing but the words."""
    return said("A fine picture.", tokens=(100, 3))


def test_a_server_that_can_do_everything_is_seen_to() -> None:
    with answering(able) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert found == Abilities(
        images=True, json_schema=True, top_logprobs=20, tools=True, usage=True, context=32_768, limit_key="max_tokens"
    )


def test_what_a_server_ignores_without_a_word_is_no_ability() -> None:
    with answering(silent_about_its_limits) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert found == Abilities(usage=True)


def test_a_picture_that_costs_tokens_but_changes_no_answer_is_not_seen() -> None:
    def blind(path: str, body: dict[str, Any]) -> Answer:
        return said("red", tokens=(100 + 80 * len(pictures(body)), 3)) if body else Answer("{}")

    with answering(blind) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert not found.images


def test_a_server_that_fails_on_a_picture_does_not_see_and_is_asked_about_the_rest() -> None:
    def failing(path: str, body: dict[str, Any]) -> Answer:
        return Answer("no pictures", 500) if body and pictures(body) else able(path, body)

    with answering(failing) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert (found.images, found.json_schema, found.top_logprobs) == (False, True, 20)


def test_a_server_that_takes_another_name_for_the_length_and_no_temperature_is_asked_so() -> None:
    def modern(path: str, body: dict[str, Any]) -> Answer:
        if "max_tokens" in body or "temperature" in body:
            return Answer('{"error": {"message": "unsupported"}}', 400)
        return able(path, body)

    with answering(modern) as running:
        found = probe_chat(client(running.url), "Probe 1.")

    assert (found.limit_key, found.temperature, found.images) == ("max_completion_tokens", False, True)


@pytest.mark.parametrize(("status", "error"), [(401, Invalid), (404, Invalid), (503, EndpointUnavailable)])
def test_an_endpoint_that_does_not_answer_the_plainest_question_is_an_error(
    status: int, error: type[Exception]
) -> None:
    with answering(lambda path, body: Answer("{}", status)) as running, pytest.raises(error):
        probe_chat(client(running.url), "Probe 1.")


def test_an_endpoint_that_goes_away_meanwhile_is_an_error_and_no_finding() -> None:
    def going(path: str, body: dict[str, Any]) -> Answer:
        return able(path, body) if body and not pictures(body) else Answer("", 429)

    with answering(going) as running, pytest.raises(EndpointUnavailable):
        probe_chat(client(running.url), "Probe 1.")


def test_a_later_probe_asks_anew() -> None:
    book = MemoryBook()
    with answering(able) as running:
        probe_chat(client(running.url, book), "Probe 1.")
        first = running.count

        probe_chat(client(running.url, book), "Probe 2.")

        assert running.count == 2 * first


@pytest.mark.parametrize("path", ["/decisions", "/systemone"])
@pytest.mark.parametrize("sees", [True, False])
def test_a_deciding_endpoint_is_found_by_its_path(path: str, sees: bool) -> None:
    def deciding(asked: str, body: dict[str, Any]) -> Answer:
        if asked != path:
            return Answer("{}", 404 if path == "/systemone" else 501)
        seen = "".join(part["data_base64"] for part in body.get("assets", {}).values()) or json.dumps(body.get("input"))
        red = 0.2 + crc32(seen.encode()) / 2**33 if sees else 0.4
        found = {"red": red, "blue": 1 - red}
        listed = [{"value": name, "probability": value} for name, value in found.items()]
        answers = {"label": {"probabilities": found}} if path == "/systemone" else [{"probabilities": listed}]
        tokens = 100 + 80 * ("assets" in body or "input_image" in seen)
        return Answer(json.dumps({"answers": answers, "usage": {"input_tokens": tokens, "output_tokens": 0}}))

    with answering(deciding) as running:
        found = probe_decide(client(running.url), "Probe 1.")

    assert found == Abilities(images=sees, usage=True, decides=path)


def test_a_chat_endpoint_is_no_deciding_one() -> None:
    with answering(lambda path, body: Answer("{}", 404)) as running, pytest.raises(Invalid, match="kind: chat"):
        probe_decide(client(running.url), "Probe 1.")
