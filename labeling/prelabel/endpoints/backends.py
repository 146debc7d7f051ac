"""What answers a question about an image: an endpoint's chat or decision, or a local model.

In: one item. Out: one prelabel. All kinds of backend are interchangeable, and `BackendEngine` makes an engine of any.
Invariant: nothing here does I/O; requests to an endpoint go through a `Wire`, and each reply is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol

from labeling.prelabel.endpoints.endpoint import Reply
from labeling.prelabel.engine import Item, Look, no_vectors
from labeling.prelabel.picture_size import picture_size
from labeling.types import Prelabel

__all__ = ["Abilities", "Backend", "BackendEngine", "Recorder", "Wire"]


@dataclass(frozen=True, slots=True)
class Abilities:
    """The abilities of a model at an endpoint that a probe confirmed; no others are used.

    `images`: its answer depends on the picture. `top_logprobs` counts the alternatives that it gives for a token (0:
    none). `context` in tokens (0: unknown). `limit_key` is the request field for the length of an answer. `decides` is
    the path that gives a probability for each option; empty: none does. `reasons`: it thinks before it answers. `cut`
    names abilities that were not found because the token limit cut the answer. `settings` names the endpoint's settings
    that all this holds for: `Endpoint.settings`.
    """

    images: bool = False
    json_schema: bool = False
    top_logprobs: int = 0
    tools: bool = False
    usage: bool = False
    temperature: bool = True
    context: int = 0
    limit_key: str = "max_tokens"
    decides: Literal["", "/decisions", "/systemone"] = ""
    reasons: bool = False
    cut: str = ""
    settings: str = ""


class Wire(Protocol):
    """The way to one model of one endpoint, through the call ledger."""

    def post(self, path: str, body: bytes) -> Reply:
        """Send JSON to a path below the endpoint's address; see `CallBook.ask` for the errors."""
        ...


class Recorder:
    """A wire that keeps its replies, for the cost of a prelabel."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.replies: list[Reply] = []

    def post(self, path: str, body: bytes) -> Reply:
        reply = self._wire.post(path, body)
        self.replies.append(reply)
        return reply

    @property
    def cached(self) -> bool:
        """Whether all was answered from the cache."""
        return bool(self.replies) and all(reply.cached for reply in self.replies)


class Backend(Protocol):
    """Labels one image. `bound_micro` is what that costs at most, `likely_micro` what it costs when all goes well."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    def judge(self, item: Item) -> Prelabel: ...

    def bound_micro(self, item: Item) -> int: ...

    def likely_micro(self, item: Item) -> int: ...


class BackendEngine:
    """An engine that asks a backend about each image, `at_once` of them at a time. It has no encoder."""

    image_encoder = text_encoder = ""

    def __init__(self, backend: Backend, at_once: int = 1) -> None:
        self._backend, self.at_once = backend, max(1, at_once)
        self.name, self.revision, self.picture_size = backend.name, backend.revision, picture_size(backend)

    def look(self, items: Sequence[Item]) -> Look:
        """One prelabel for each item.

        All items are asked about before the first error is raised: what was answered is in the ledger, so asking for
        them again costs nothing.
        """
        with ThreadPoolExecutor(self.at_once) as pool:
            asked = [pool.submit(self._backend.judge, item) for item in items]
        return no_vectors([one.result() for one in asked])

    def bound_micro(self, item: Item) -> int:
        """What the answer about this item costs at most, in millionths of the endpoint's currency."""
        return self._backend.bound_micro(item)

    def likely_micro(self, item: Item) -> int:
        """What it costs when the first answer can be used and nothing is asked again."""
        return self._backend.likely_micro(item)
