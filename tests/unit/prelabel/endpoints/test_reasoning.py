"""What a model said and what it thought, in the forms that servers give it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labeling.prelabel.endpoints.reasoning import spoken, without_thoughts


def completion(message: dict[str, Any], reason: str | None = "stop", **usage: Any) -> str:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return json.dumps({"choices": [choice], "usage": usage})


@pytest.mark.parametrize(
    ("message", "content", "thoughts"),
    [
        ({"content": "Red"}, "Red", ""),
        ({"content": "Red", "reasoning_content": "I see red."}, "Red", "I see red."),
        ({"content": "Red", "reasoning": "I see red."}, "Red", "I see red."),
        ({"content": "Red", "reasoning": None, "reasoning_content": None}, "Red", ""),
        ({"content": "<think>\nI see red.\n</think>\n\nRed"}, "Red", "I see red."),
        ({"content": "<think></think>Red"}, "Red", ""),
        ({"content": "<thought>I see red.</thought>Red"}, "Red", "I see red."),
        ({"content": "[THINK]I see red.[/THINK]Red"}, "Red", "I see red."),
        ({"content": "I see red.\n</think>\n\nRed"}, "Red", "I see red."),
        ({"content": "<think>I see"}, "", "I see"),
        ({"content": None, "reasoning": "I see"}, "", "I see"),
        ({"content": "Red <think> is a tag"}, "Red <think> is a tag", ""),
        ({"content": '{"reason": "it says </think>"}'}, '{"reason": "it says </think>"}', ""),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "I see red."}]},
                    {"type": "text", "text": "Red"},
                ]
            },
            "Red",
            "I see red.",
        ),
    ],
    ids=[
        "none", "vLLM and llama.cpp", "Ollama and later vLLM", "fields without content", "in tags", "empty tags",
        "Gemini", "Mistral in marks", "the beginning in the template", "cut in the thoughts", "cut in the field",
        "a tag within an answer", "an end within an answer", "Mistral in parts",
    ],
)  # fmt: skip
def test_an_answer_stands_apart_from_its_thoughts(message: dict[str, Any], content: str, thoughts: str) -> None:
    said = spoken(completion(message))
    kept = json.loads(without_thoughts(completion(message)))["choices"][0]["message"]["content"]

    assert (said.content, said.thoughts, said.reasoned) == (content, thoughts, bool(thoughts))
    assert (kept or "") == content


@pytest.mark.parametrize(
    ("usage", "reasoned"),
    [
        ({"prompt_tokens": 20, "completion_tokens": 151, "total_tokens": 171}, False),
        ({"prompt_tokens": 20, "completion_tokens": 151, "total_tokens": 553}, True),
        ({"prompt_tokens": 20, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 8}}, True),
        ({"prompt_tokens": 20, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 0}}, False),
        ({"prompt_tokens": None, "completion_tokens_details": None}, False),
    ],
)
def test_a_usage_says_that_there_were_thoughts(usage: dict[str, Any], reasoned: bool) -> None:
    assert spoken(completion({"content": "Red"}, **usage)).reasoned == reasoned


@pytest.mark.parametrize(("reason", "cut"), [("length", True), ("stop", False), ("tool_calls", False), (None, False)])
def test_the_token_limit_is_the_reason_of_a_cut(reason: str | None, cut: bool) -> None:
    assert spoken(completion({"content": "Re"}, reason)).cut == cut


@pytest.mark.parametrize("body", ["", "[]", "7", "{}", '{"choices": []}', '{"choices": [7]}', "[" * 100_000, "<html>"])
def test_what_is_no_completion_says_nothing_and_stays_as_it_is(body: str) -> None:
    assert spoken(body).content == "" and not spoken(body).cut
    assert without_thoughts(body) == body


def test_a_completion_without_thoughts_keeps_its_bytes() -> None:
    body = completion({"content": "Red", "reasoning": "I see red."})

    assert without_thoughts(body) is body
