"""One conversation with a chat model about one image: it may use tools, and ends in a verdict.

In: the parts of the question, tools, and a model that sends over a wire. Out: a `Verdict`. A server that calls tools
is given them; any other gets one schema with the actions as alternatives, turn by turn. Invariant: what cannot be read
is asked for once more and then is an abstention; what is about the endpoint, and not about this image, is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image
from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    BinaryContent,
    NativeOutput,
    PromptedOutput,
    Tool,
    ToolOutput,
    ToolReturn,
    UsageLimits,
    UserContent,
)
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from labeling.errors import HardcaseError, Invalid
from labeling.prelabel.endpoints.agent_tools import CALLS, AgentTools
from labeling.prelabel.endpoints.backends import Abilities, Recorder, Wire
from labeling.prelabel.endpoints.prompt import Part, encode
from labeling.prelabel.endpoints.reasoning import ANSWER_TOKENS, spoken
from labeling.prelabel.endpoints.structured_answers import (
    ACTIONS,
    Verdict,
    abstention,
    answer_model,
    calls_repeat,
    is_one_answer,
    tool_schema,
    turn_model,
    verdict_of,
)

__all__ = ["TURNS", "Conversations", "refused"]

TURNS = CALLS + 1
SAMPLE_TEMPERATURE = 0.7
TWO_ANSWERS = "failed: the model gave more than one answer"
SETUP = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405})
"""Answers that are about the endpoint and not about this image: they stop the run."""


class Conversations:
    """The conversations of one engine; `make_model` gives pydantic-ai a model that sends over a wire.

    No answer is longer than `max_tokens`, its thoughts included.
    """

    def __init__(
        self,
        instructions: str,
        classes: Sequence[str],
        abilities: Abilities,
        make_model: Callable[[Wire], Model],
        max_tokens: int = ANSWER_TOKENS,
    ) -> None:
        self._instructions, self._classes = instructions, classes
        self._abilities, self._make_model, self._max_tokens = abilities, make_model, max_tokens

    def hold(self, parts: list[Part], wire: Recorder, tools: AgentTools, seed: int = 0) -> Verdict:
        """The model's verdict; `seed` 0 is its steady one, others are samples.

        Raises
        ------
        EndpointUnavailable, OverBudget, Invalid
            What the wire raised and is about more than this image.
        """
        talk = self._with_tools if self._abilities.tools else self._in_turns
        try:
            verdict = asyncio.run(talk(parts, self._make_model(wire), tools, seed))
        except Invalid as error:
            return refused(error)
        except AgentRunError as error:
            ours = _ours(error)
            if ours is not None:
                return refused(ours)
            cut = bool(wire.replies) and spoken(wire.replies[-1].body).cut
            return abstention(self._was_cut() if cut else f"failed: {type(error).__name__}: {error}")
        if wire.replies and calls_repeat(wire.replies[-1].body):
            return abstention(TWO_ANSWERS)
        return verdict

    async def _with_tools(self, parts: list[Part], model: Model, tools: AgentTools, seed: int) -> Verdict:
        answer = answer_model(self._classes)
        agent = Agent(
            model,
            output_type=ToolOutput(answer, name="answer"),
            instructions=self._instructions,
            tools=[_tool(tools, name) for name in tools.names],
            retries=1,
        )
        limits = UsageLimits(request_limit=TURNS + 1, tool_calls_limit=2 * CALLS)
        result = await agent.run(_content(parts), model_settings=self._settings(seed), usage_limits=limits)
        return _one(result.new_messages(), result.output)

    async def _in_turns(self, parts: list[Part], model: Model, tools: AgentTools, seed: int) -> Verdict:
        """Where a server cannot call tools: each reply is one of the actions, and the last one must be the answer."""
        mode = NativeOutput if self._abilities.json_schema else PromptedOutput
        history: list[ModelMessage] = []
        for turn in range(TURNS):
            actions = tools.names if turn < TURNS - 1 else ()
            form = turn_model(self._classes, actions)
            agent = Agent(model, output_type=mode(form), instructions=self._instructions, retries=1)
            result = await agent.run(
                _content(parts),
                message_history=history,
                model_settings=self._settings(seed),
                usage_limits=UsageLimits(request_limit=2),
            )
            step: BaseModel = getattr(result.output, "next")  # noqa: B009
            asked = step.model_dump()
            if asked.pop("action") == "answer":
                return _one(result.new_messages(), step)
            parts = tools.call(getattr(step, "action"), asked)  # noqa: B009
            history = result.all_messages()
        raise AssertionError("the last turn can only be the answer")

    def _was_cut(self) -> str:
        return (
            f"failed: the answer was cut after {self._max_tokens:,} tokens, thoughts included. Raise the endpoint's "
            "`max_tokens` in endpoints.yaml, or lower `reasoning_effort`."
        )

    def _settings(self, seed: int) -> ModelSettings:
        """The length of an answer is always bounded; a sample has a seed, so that it is not taken from the cache."""
        body: dict[str, Any] = {self._abilities.limit_key: self._max_tokens} | ({"seed": seed} if seed else {})
        settings = ModelSettings(extra_body=body)
        if self._abilities.temperature:
            settings["temperature"] = SAMPLE_TEMPERATURE if seed else 0.0
        return settings


def refused(error: HardcaseError) -> Verdict:
    """An endpoint's refusal of this question as a verdict; what is about all questions is raised."""
    if not isinstance(error, Invalid) or error.facts.get("status") in SETUP:
        raise error
    return abstention(f"failed: {error.message}")


def _one(messages: Sequence[ModelMessage], answer: BaseModel) -> Verdict:
    """The answer if the model gave exactly one; two of them, or a field twice, are none."""
    last = next(message for message in reversed(messages) if isinstance(message, ModelResponse))
    calls = [
        part.args_as_json_str() for part in last.parts if isinstance(part, ToolCallPart) and part.tool_name == "answer"
    ]
    written = calls or ["".join(part.content for part in last.parts if isinstance(part, TextPart))]
    return verdict_of(answer) if is_one_answer(written) else abstention(TWO_ANSWERS)


def _ours(error: BaseException) -> HardcaseError | None:
    """The error of ours that a library wrapped in its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HardcaseError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _content(parts: Sequence[Part]) -> list[UserContent]:
    return [part if isinstance(part, str) else _picture(part) for part in parts]


def _picture(image: Image.Image) -> BinaryContent:
    data, media = encode(image)
    return BinaryContent(data, media_type=media)


def _tool(tools: AgentTools, name: str) -> Tool[None]:
    """A tool as pydantic-ai calls it: its words are returned, its pictures follow in a message."""

    def call(**arguments: Any) -> ToolReturn:
        parts = tools.call(name, arguments)
        words = "\n".join(part for part in parts if isinstance(part, str))
        pictures = [part for part in parts if not isinstance(part, str)]
        return ToolReturn(words, content=_content(["The pictures:", *pictures]) if pictures else None)

    return Tool.from_schema(call, name, ACTIONS[name].__doc__, tool_schema(name))
