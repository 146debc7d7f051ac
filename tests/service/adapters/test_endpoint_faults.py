"""Row 20 of the faults: whatever an endpoint does, an image gets a label of the set, or a person with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from labeling.adapters.endpoints.chat_models import chat_model
from labeling.adapters.endpoints.client import MAX_BODY, EndpointClient
from labeling.errors import EndpointSilent, EndpointUnavailable, HardcaseError, Invalid
from labeling.prelabel.endpoints.agent import ChatBackend
from labeling.prelabel.endpoints.backends import Abilities, BackendEngine
from labeling.prelabel.endpoints.decide import DecideBackend
from labeling.prelabel.endpoints.endpoint import Endpoint, Price
from labeling.prelabel.engine import EngineOrder, Item
from labeling.project import EngineUse, LabelClass
from labeling.types import Outcome, Prelabel
from tests.scripted_endpoint import Answer, MemoryBook, ScriptedEndpoint, answering, called, closed_port, said

ORDER = EngineOrder((LabelClass("cat"), LabelClass("dog")), "", EngineUse("agent:here/m"), "here/m")
TOOLS = Abilities(images=True, json_schema=True, tools=True, usage=True)
TURNS = Abilities(images=True, json_schema=True, usage=True)
PRICE = Price(input_per_m=1_000_000, output_per_m=2_000_000)
GOOD = {"reason": "ears", "label": "cat", "question": "", "confidence": "high"}
ANSWERED = called(("answer", GOOD))


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with answering(lambda path, body: ANSWERED) as running:
        yield running


def client(url: str, book: MemoryBook | None = None, **more: Any) -> EndpointClient:
    known = Endpoint("here", url, price=more.pop("price", PRICE), timeout_s=more.pop("timeout_s", 5.0), **more)
    return EndpointClient(known, SecretStr("a key"), book or MemoryBook(), "m", None)


def engine(one: EndpointClient, abilities: Abilities = TOOLS, order: EngineOrder = ORDER) -> BackendEngine:
    def model(wire: Any) -> Any:
        return chat_model(wire, one.endpoint.url, "m", abilities)

    return BackendEngine(ChatBackend(order, abilities, one, model, one.endpoint.price, lambda: 0.0), at_once=2)


def look(one: BackendEngine) -> Prelabel:
    return one.look([Item(Image.new("RGB", (64, 64), "red"), "a text", "key")]).prelabels[0]


def test_an_answer_is_a_label_with_its_tokens_and_its_price(endpoint: ScriptedEndpoint) -> None:
    found = look(engine(client(endpoint.url)))

    path, body, headers = endpoint.asked[0]
    assert (found.answer, found.outcome) == ("cat", Outcome.LABEL)
    assert (found.evidence.tokens_in, found.evidence.tokens_out, found.cost_micro) == (100, 20, 140)
    assert (path, headers["authorization"]) == ("/chat/completions", "Bearer a key")
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.0, 400)


def test_the_same_image_again_is_answered_from_memory_and_costs_nothing(endpoint: ScriptedEndpoint) -> None:
    one = engine(client(endpoint.url))
    look(one)

    again = look(one)

    assert (again.answer, again.cost_micro, again.evidence.cached) == ("cat", 0, True)
    assert endpoint.count == 1


@pytest.mark.parametrize("more", [{"headers": {"X-Route": "b"}}, {"query": {"version": "2"}}], ids=["header", "query"])
def test_a_header_or_query_that_may_choose_another_model_is_asked_anew(
    endpoint: ScriptedEndpoint, more: dict[str, Any]
) -> None:
    book = MemoryBook()
    look(engine(client(endpoint.url, book)))

    again = look(engine(client(endpoint.url, book, **more)))

    assert (again.evidence.cached, endpoint.count) == (False, 2)


@pytest.mark.parametrize(
    "reply",
    [
        said(None, refusal="I will not."),
        said("I cannot help with that."),
        said("The label is cat."),
        said(""),
        called(("answer", GOOD | {"label": "boat"})),
        called(("answer", GOOD | {"label": "cat, dog"})),
        called(("answer", GOOD), ("answer", GOOD | {"label": "dog"})),
        called(("answer", '{"reason": "", "label": "cat", "label": "dog", "question": "", "confidence": "low"}')),
        called(("answer", '{"label": ')),
        called(("delete_everything", {"path": "/"})),
        Answer("<html>a page</html>"),
        Answer('"cat"'),
        Answer("[]"),
        Answer("{}"),
        Answer('{"choices": []}'),
        Answer('{"choices": [{"message": {"content": 7}}]}'),
        Answer('{"error": {"message": "broken"}}'),
        Answer("[" * 100_000),
        Answer(json.dumps({"choices": [{"message": {"content": "x" * 10 * MAX_BODY}}]})),
        Answer('{"error": {"message": "content filter"}}', status=400),
        Answer("no", status=422),
    ],
    ids=[
        "refusal", "refusal in words", "free text", "nothing", "unknown label", "two labels in one", "two answers",
        "a label twice", "half an answer", "unknown tool", "a page", "a string", "a list", "an empty object",
        "no choices", "other types", "an error with 200", "deep", "10 MB", "filtered", "422",
    ],
)  # fmt: skip
@pytest.mark.parametrize("abilities", [TOOLS, TURNS], ids=["tools", "turns"])
def test_an_answer_that_cannot_be_used_goes_to_a_person_with_a_reason(
    endpoint: ScriptedEndpoint, reply: Answer, abilities: Abilities
) -> None:
    endpoint.script = lambda path, body: reply

    found = look(engine(client(endpoint.url), abilities))

    assert (found.outcome, found.answer, found.probs) == (Outcome.ABSTAINED, None, ())
    assert found.evidence.reason.startswith("failed: ")
    assert len(found.evidence.reason) <= 400
    assert found.evidence.question
    assert endpoint.count <= 2


def test_an_answer_without_a_usage_is_charged_at_its_bound(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda path, body: Answer(json.dumps(json.loads(ANSWERED.body) | {"usage": None}))
    book = MemoryBook()

    found = look(engine(client(endpoint.url, book)))

    assert found.cost_micro == book.questions[0].bound_micro > 400


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_a_refusal_for_now_is_raised_and_nothing_is_sent_twice(endpoint: ScriptedEndpoint, status: int) -> None:
    endpoint.script = lambda path, body: Answer("busy", status, {"retry-after": "7"})

    with pytest.raises(EndpointUnavailable) as raised:
        look(engine(client(endpoint.url)))

    assert not isinstance(raised.value, EndpointSilent)
    assert (raised.value.facts["retry_after"], raised.value.facts["status"]) == (7.0, status)
    assert endpoint.count == 1


@pytest.mark.parametrize("reply", [replace(ANSWERED, hang=True), replace(ANSWERED, cut=True)], ids=["hangs", "cut"])
def test_an_answer_that_does_not_come_is_silence_and_not_asked_for_again(
    endpoint: ScriptedEndpoint, reply: Answer
) -> None:
    endpoint.script = lambda path, body: reply
    one = engine(client(endpoint.url, timeout_s=0.3))

    for _ in range(2):
        with pytest.raises(EndpointSilent):
            look(one)

    assert endpoint.count == 1


def test_an_endpoint_that_is_not_there_is_unavailable_and_not_silent() -> None:
    with pytest.raises(EndpointUnavailable, match="Is it running") as raised:
        look(engine(client(f"http://127.0.0.1:{closed_port()}/v1")))

    assert not isinstance(raised.value, EndpointSilent)


@pytest.mark.parametrize(
    ("status", "words"), [(301, "final address"), (307, "final address"), (401, "key"), (403, "key"), (404, "path")]
)
def test_a_wrong_endpoint_stops_the_run_with_the_way_out(endpoint: ScriptedEndpoint, status: int, words: str) -> None:
    endpoint.script = lambda path, body: Answer("{}", status, {"location": endpoint.url + "/elsewhere"})

    with pytest.raises(Invalid, match=words):
        look(engine(client(endpoint.url)))

    assert [path for path, _, _ in endpoint.asked] == ["/chat/completions"]


def test_neither_proxies_nor_keys_of_the_environment_are_used(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/other")

    found = look(engine(client(endpoint.url)))

    assert found.answer == "cat"
    assert endpoint.asked[0][2]["authorization"] == "Bearer a key"
    assert not [name for name in endpoint.asked[0][2] if name.startswith(("openai", "x-stainless"))]


def test_an_idempotency_key_names_the_question_where_the_endpoint_honours_one(endpoint: ScriptedEndpoint) -> None:
    book = MemoryBook()

    look(engine(client(endpoint.url, book, idempotency_key=True)))

    assert endpoint.asked[0][2]["idempotency-key"] == book.questions[0].key


def test_what_is_left_of_a_budget_is_never_passed_and_the_refusal_is_raised(endpoint: ScriptedEndpoint) -> None:
    class Spent(MemoryBook):
        def ask(self, question: Any, send: Callable[[], Any]) -> Any:
            from labeling.errors import OverBudget

            raise OverBudget()

    with pytest.raises(HardcaseError, match="budget"):
        look(engine(client(endpoint.url, Spent())))

    assert endpoint.count == 0


def test_the_bound_of_a_look_is_above_the_bounds_of_all_its_questions(endpoint: ScriptedEndpoint) -> None:
    answers = [
        called(("look_closer", {"left": 0, "top": 0, "right": 0.5, "bottom": 0.5})),
        called(("classifier_opinion", {})),
        called(("look_closer", {"left": 0.5, "top": 0, "right": 1, "bottom": 0.5})),
        ANSWERED,
    ]
    endpoint.script = lambda path, body: answers[endpoint.count - 1]
    book, item = MemoryBook(), Item(Image.new("RGB", (900, 700), "red"), "words " * 300, "key", prediction=(0.9, 0.1))
    one = engine(client(endpoint.url, book))

    found = one.look([item]).prelabels[0]

    assert found.answer == "cat"
    assert len(book.questions) == 4
    assert one.bound_micro(item) >= sum(question.bound_micro for question in book.questions)
    assert one.likely_micro(item) <= one.bound_micro(item)


def decider(one: EndpointClient, path: Any) -> BackendEngine:
    return BackendEngine(DecideBackend(ORDER, Abilities(images=True, decides=path), one, PRICE, lambda: 0.0))


def shares(cat: float, dog: float, none: float, unsure: float) -> dict[str, float]:
    return {"cat": cat, "dog": dog, "none of these": none, "unsure": unsure}


def decided(path: str, found: dict[str, float]) -> Answer:
    usage = {"input_tokens": 300, "output_tokens": 0}
    if path == "/systemone":
        return Answer(json.dumps({"answers": {"label": {"type": "choice", "probabilities": found}}, "usage": usage}))
    listed = [{"value": name, "probability": value} for name, value in found.items()]
    return Answer(json.dumps({"answers": [{"type": "choice", "probabilities": listed}], "usage": usage}))


@pytest.mark.parametrize("path", ["/decisions", "/systemone"])
def test_a_decision_gives_a_probability_for_each_label(endpoint: ScriptedEndpoint, path: str) -> None:
    endpoint.script = lambda asked, body: decided(asked, shares(0.2, 0.6, 0.1, 0.1))

    found = look(decider(client(endpoint.url), path))

    assert (found.answer, found.probs) == ("dog", pytest.approx((0.25, 0.75)))
    assert found.evidence.confidence_from == "the endpoint's probabilities"
    assert (found.evidence.tokens_in, found.cost_micro) == (300, 300)
    assert endpoint.asked[0][0] == path
    assert "a text" in json.dumps(endpoint.asked[0][1])


@pytest.mark.parametrize("path", ["/decisions", "/systemone"])
@pytest.mark.parametrize(
    ("found", "outcome"),
    [(shares(0.1, 0.1, 0.7, 0.1), Outcome.NONE_OF_THESE), (shares(0.1, 0.1, 0.1, 0.7), Outcome.ABSTAINED)],
)
def test_a_decision_for_no_label_is_none(
    endpoint: ScriptedEndpoint, path: str, found: dict[str, float], outcome: Outcome
) -> None:
    endpoint.script = lambda asked, body: decided(asked, found)

    decision = look(decider(client(endpoint.url), path))

    assert (decision.outcome, decision.answer, decision.probs) == (outcome, None, ())


@pytest.mark.parametrize("path", ["/decisions", "/systemone"])
@pytest.mark.parametrize(
    "found",
    [{"cat": 1.0}, shares(0.5, 0.6, -0.1, 0), shares(0, 0, 0, 0), shares(float("nan"), 0, 0, 0), {"boat": 1.0}],
)
def test_numbers_that_are_no_probabilities_of_the_labels_are_no_answer(
    endpoint: ScriptedEndpoint, path: str, found: dict[str, float]
) -> None:
    endpoint.script = lambda asked, body: decided(asked, found)

    decision = look(decider(client(endpoint.url), path))

    assert (decision.outcome, decision.answer, decision.probs) == (Outcome.ABSTAINED, None, ())
    assert decision.evidence.reason.startswith("failed: ")


def test_a_decision_that_is_declined_is_no_answer(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda asked, body: Answer('{"answers": [{"type": "refusal", "name": null}]}')

    decision = look(decider(client(endpoint.url), "/decisions"))

    assert decision.outcome is Outcome.ABSTAINED
