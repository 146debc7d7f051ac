"""What a chat model said and what it thought before: models reason in a field of its own, or in their answer itself.

In: the body of a chat completion, in the forms of OpenAI, vLLM, llama.cpp, Ollama, Azure, Gemini and Mistral. Out: the
answer apart from the thoughts, and whether the token limit cut it. Invariant: only thoughts at the beginning are taken
out of an answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["ANSWER_TOKENS", "REASONING_TOKENS", "Spoken", "spoken", "without_thoughts"]

ANSWER_TOKENS = 400
"""The longest answer of a model that does not reason, where endpoints.yaml does not say it."""
REASONING_TOKENS = 4_096
"""The same with the thoughts of a model that reasons."""
_FIELDS = ("reasoning_content", "reasoning", "thinking")
_NAMES = "think|thinking|thought|thoughts|reasoning"
_WHOLE = re.compile(rf"\s*(?:<({_NAMES})>(.*?)</\1>|\[THINK\](.*?)\[/THINK\])", re.DOTALL | re.IGNORECASE)
_OPEN = re.compile(rf"\s*(?:<(?:{_NAMES})>|\[THINK\])", re.IGNORECASE)
_END = re.compile(r"</think(?:ing)?>|\[/THINK\]", re.IGNORECASE)
_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """One reply. `reasoned`: there were thoughts, or the usage counts some. `cut`: the token limit ended it."""

    content: str
    thoughts: str
    reasoned: bool
    cut: bool


def spoken(body: str) -> Spoken:
    """The reply in a chat completion; an empty one where the body is none.

    Examples
    --------
    >>> choice = {"message": {"content": "<think>It is red.</think> Red"}, "finish_reason": "stop"}
    >>> spoken(json.dumps({"choices": [choice]}))
    Spoken(content='Red', thoughts='It is red.', reasoned=True, cut=False)
    """
    try:
        completion = json.loads(body)
        choice = completion["choices"][0]
        message = choice["message"]
        content, thoughts = _apart(_text(message.get("content")))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Spoken("", "", False, False)
    own = next((_text(message[field]) for field in _FIELDS if message.get(field)), "")
    thoughts = (own or _thoughts_in(message.get("content")) or thoughts).strip()
    counted = _counts_thoughts(completion.get("usage"))
    return Spoken(content, thoughts, bool(thoughts) or counted, choice.get("finish_reason") in _CUT)


def without_thoughts(body: str) -> str:
    """The same chat completion, with the thoughts that stand in its answer taken out; others stay in their fields."""
    try:
        completion = json.loads(body)
        message = completion["choices"][0]["message"]
        said = message["content"]
        content, _ = _apart(_text(said))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return body
    if not isinstance(said, str | list) or content == said:
        return body
    message["content"] = content
    return json.dumps(completion)


def _apart(content: str) -> tuple[str, str]:
    """The answer, and the thoughts before it. Where only their end is marked, the server wrote the beginning itself."""
    if whole := _WHOLE.match(content):
        rest, more = _apart(content[whole.end() :].strip())
        return rest, (whole.group(2) or whole.group(3) or "") + more
    if opened := _OPEN.match(content):
        return "", content[opened.end() :]
    if (end := _END.search(content)) and not _is_json(content):
        return content[end.end() :].strip(), content[: end.start()]
    return content, ""


def _is_json(content: str) -> bool:
    """Whether it is an answer whole: an end mark in it is a word that the model quotes, from a picture for example."""
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _text(content: Any) -> str:
    """A content or a field of thoughts as one text; of a list of parts those that are words of the answer."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def _thoughts_in(content: Any) -> str:
    """The thoughts in a content that is a list of parts, as Mistral writes them."""
    parts = content if isinstance(content, list) else []
    return "".join(_text(part.get("thinking")) for part in parts if isinstance(part, dict))


def _counts_thoughts(usage: Any) -> bool:
    """Whether a usage has tokens of thoughts: by name, or, as Gemini counts them, in the total alone."""
    if not isinstance(usage, dict):
        return False
    details = usage.get("completion_tokens_details")
    named = details.get("reasoning_tokens") if isinstance(details, dict) else None
    counts = [usage.get(name) for name in ("total_tokens", "prompt_tokens", "completion_tokens")]
    total, sent, answered = (count if isinstance(count, int) else 0 for count in counts)
    return bool(named) or (sent > 0 and total > sent + answered)
