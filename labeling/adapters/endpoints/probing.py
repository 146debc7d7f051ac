"""The abilities of a model at an endpoint, found by asking it: servers silently ignore what they do not support.

In: a client of the model, and a salt that names the occasion. Out: `Abilities`. Invariant: an ability is what was
confirmed; the first question must be answered, and an endpoint that cannot be reached raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from PIL import Image

from labeling.adapters.endpoints.client import EndpointClient
from labeling.errors import EndpointSilent, EndpointUnavailable, Invalid
from labeling.prelabel.endpoints.backends import Abilities, Recorder
from labeling.prelabel.endpoints.decide import ask_decision
from labeling.prelabel.endpoints.endpoint import Endpoint, Reply
from labeling.prelabel.endpoints.prompt import Part, content_of
from labeling.prelabel.endpoints.reasoning import REASONING_TOKENS, spoken

T = TypeVar("T")

__all__ = ["probe_chat", "probe_decide"]

ODD_WORD = "quillon-57"
TOP = 20
LENGTH = 60
TALK = 1_000
"""Tokens in which a model that seems only to talk much may turn out to have been thinking."""
COLOUR = "Which colour is this picture? Answer with one word."
_WAYS = (("max_tokens", True), ("max_completion_tokens", True), ("max_completion_tokens", False))
_COLOURS = ((220, 20, 20), (20, 20, 220))
_UNABLE = frozenset({500, 501})
"""What servers answer when they are given what they cannot take; other errors of theirs say nothing about it."""
_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "enum": [ODD_WORD]}},
    "required": ["word"],
    "additionalProperties": False,
}
_TOOL = {"type": "function", "function": {"name": "note", "description": "Note a word.", "parameters": _SCHEMA}}
_FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": _SCHEMA}}


def probe_chat(client: EndpointClient, salt: str) -> Abilities:
    """About eight short questions to a chat endpoint; a model that reasons gets room for its thoughts.

    Raises
    ------
    Invalid, EndpointUnavailable
        When it does not answer the plainest of them, or the token limit cuts that answer before it has begun.
    """
    ask, plain = _plain_question(client, salt)
    images, json_schema, tools = _sees(ask, plain), _keeps_schema(ask), _calls_tools(ask)
    found = {"images": images, "json_schema": json_schema, "tools": tools}
    lacking = [name for name, confirmed in found.items() if not confirmed]
    return Abilities(
        images=images,
        json_schema=json_schema,
        tools=tools,
        top_logprobs=_top_logprobs(ask),
        usage=plain.tokens_in > 0,
        temperature=ask.temperature,
        context=_context(client, salt),
        limit_key=ask.limit_key,
        reasons=ask.reasons,
        cut=", ".join(name for name in lacking if name in ask.cut),
        settings=client.endpoint.settings,
    )


def probe_decide(client: EndpointClient, salt: str) -> Abilities:
    """Which of the two forms of decision an endpoint answers, and whether its answer depends on the picture.

    Raises
    ------
    Invalid
        When it answers neither.
    """
    options = {"red": "", "blue": ""}
    question = f"{salt}\nWhich colour is it?"
    paths: tuple[Literal["/decisions"], Literal["/systemone"]] = ("/decisions", "/systemone")
    for path in paths:
        wire = Recorder(client)
        if _attempt(lambda: ask_decision(wire, path, client.model, [question], options)) is None:  # noqa: B023
            continue
        answers = [
            _attempt(lambda: ask_decision(wire, path, client.model, [question, picture], options))  # noqa: B023
            for picture in _pictures()
        ]
        tokens = [reply.tokens_in for reply in wire.replies]
        images = None not in answers and answers[0] != answers[1] and (not tokens[0] or tokens[0] != tokens[1])
        settings = client.endpoint.settings
        return Abilities(images=images, usage=tokens[0] > 0, decides=path, settings=settings)
    raise Invalid(
        f"{client.endpoint.name!r} answers neither /decisions nor /systemone. Is its `url` right? If it is a chat "
        "endpoint, write `kind: chat` into endpoints.yaml and use it as agent:."
    )


class _Asker:
    """Asks one question in chat form; a call gives None when the endpoint cannot take it.

    `cut` collects the abilities whose question got an answer that the token limit ended.
    """

    def __init__(self, client: EndpointClient, salt: str, limit_key: str, temperature: bool) -> None:
        self._client, self._salt, self.limit_key, self.temperature = client, salt, limit_key, temperature
        self.length, self.reasons = LENGTH, False
        self.cut: set[str] = set()

    @property
    def endpoint(self) -> Endpoint:
        return self._client.endpoint

    def send(self, *parts: Part, **more: Any) -> Reply:
        content = content_of([self._salt, *parts])
        body: dict[str, Any] = {"model": self._client.model, "messages": [{"role": "user", "content": content}]}
        settings = {self.limit_key: self.length} | ({"temperature": 0.0} if self.temperature else {})
        return self._client.post("/chat/completions", json.dumps(body | settings | more).encode())

    def __call__(self, ability: str, *parts: Part, **more: Any) -> Reply | None:
        reply = _attempt(lambda: self.send(*parts, **more))
        if reply is not None and spoken(reply.body).cut:
            self.cut.add(ability)
        return reply


def _plain_question(client: EndpointClient, salt: str) -> tuple[_Asker, Reply]:
    """The plainest question, asked in the ways that servers differ in; the first that is answered, with room."""
    refusal: Invalid | None = None
    for limit_key, temperature in _WAYS:
        ask = _Asker(client, salt, limit_key, temperature)
        try:
            reply = ask.send(COLOUR)
            return ask, _with_room(ask, reply)
        except Invalid as error:
            refusal = error
            if error.facts.get("status") not in (400, 422):
                break
    raise refusal or Invalid()


def _with_room(ask: _Asker, reply: Reply) -> Reply:
    """The answer to the plainest question, again with room for thoughts where they were in it or it was cut.

    A server that puts no mark before the thoughts lets nothing be known of them before their end; a model that only
    talks much gets less room, and one that is too slow for that is taken for such a one.
    """
    short = spoken(reply.body)
    if not (short.reasoned or short.cut):
        return reply
    talks, before = not short.reasoned and bool(short.content.strip()), ask.length
    ask.length = ask.endpoint.max_tokens or (TALK if talks else REASONING_TOKENS)
    roomy = _unless_too_slow(ask) if talks else _attempt(lambda: ask.send(COLOUR))
    said = spoken(roomy.body if roomy else "")
    if not talks and not said.content.strip() and (roomy is None or said.cut):
        raise Invalid(
            f"The model at {ask.endpoint.name!r} did not get to an answer to a plain question within {ask.length:,} "
            "tokens, its thoughts included. Raise the endpoint's `max_tokens` in endpoints.yaml, or lower its "
            "`reasoning_effort` (`none` switches it off where the server knows it); docs/how-to/agent.md says how."
        )
    ask.reasons = said.reasoned or not talks
    ask.length = ask.endpoint.answer_tokens(reasons=True) if ask.reasons else before
    return roomy if ask.reasons and roomy else reply


def _unless_too_slow(ask: _Asker) -> Reply | None:
    try:
        return _attempt(lambda: ask.send(COLOUR))
    except EndpointSilent:
        return None


def _sees(ask: _Asker, plain: Reply) -> bool:
    """Two pictures of one colour each: they must cost tokens, and the answers must differ."""
    red = ask("images", COLOUR, _pictures()[0])
    if red is None or (plain.tokens_in and red.tokens_in == plain.tokens_in):
        return False
    blue = ask("images", COLOUR, _pictures()[1])
    return blue is not None and _said(red) != _said(blue)


def _keeps_schema(ask: _Asker) -> bool:
    """A schema with one odd word, which no question mentions."""
    reply = ask("json_schema", "Name an animal, as JSON.", response_format=_FORMAT)
    return reply is not None and _word(_said(reply)) == ODD_WORD


def _top_logprobs(ask: _Asker) -> int:
    """None of a model that reasons: its first token is not of its answer."""
    if ask.reasons:
        return 0
    reply = ask("top_logprobs", "Answer A or B.", logprobs=True, top_logprobs=TOP)
    try:
        return len(_choice(reply)["logprobs"]["content"][0]["top_logprobs"])
    except (KeyError, IndexError, TypeError):
        return 0


def _calls_tools(ask: _Asker) -> bool:
    reply = ask("tools", "Note a word with the tool.", tools=[_TOOL], tool_choice="required")
    try:
        called = _choice(reply)["message"]["tool_calls"][0]["function"]
        return called["name"] == "note" and isinstance(json.loads(called["arguments"]), dict)
    except (KeyError, IndexError, TypeError, ValueError):
        return False


def _context(client: EndpointClient, salt: str) -> int:
    """The context length in tokens, where the list of models has it; else 0."""
    reply = _attempt(lambda: client.get("/models", salt))
    try:
        listed = json.loads(reply.body)["data"] if reply else []
        found = next(one for one in listed if one["id"] == client.model or len(listed) == 1)
        meta = found.get("meta") or {}
        return int(found.get("max_model_len") or found.get("context_length") or meta.get("n_ctx_train") or 0)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        return 0


def _attempt(ask: Callable[[], T]) -> T | None:
    """What came of it; None when the endpoint says that it cannot."""
    try:
        return ask()
    except Invalid:
        return None
    except EndpointUnavailable as error:
        if error.facts.get("status") not in _UNABLE:
            raise
        return None


def _pictures() -> list[Image.Image]:
    return [Image.new("RGB", (64, 64), colour) for colour in _COLOURS]


def _choice(reply: Reply | None) -> Any:
    return json.loads(reply.body)["choices"][0] if reply else {}


def _said(reply: Reply) -> str:
    return spoken(reply.body).content.strip()


def _word(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return str(found.get("word", "")) if isinstance(found, dict) else ""
