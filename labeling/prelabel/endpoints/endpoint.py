"""What an endpoint is, and the ledger in which every question to one is written before it is sent.

In: a `Question`, named by the hash of its bytes, and a function that sends it. Out: a `Reply`, from the ledger's cache
where the same question was answered before. Money is whole millionths of a currency (micro).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from labeling.prelabel.endpoints.reasoning import ANSWER_TOKENS, REASONING_TOKENS
from labeling.prelabel.engine import digest_of
from labeling.types import ProjectId

__all__ = ["CallBook", "Endpoint", "Limits", "Price", "Question", "Reply", "Sent"]


@dataclass(frozen=True, slots=True)
class Price:
    """What an endpoint takes: micro for a million tokens, and micro for each request. All 0: it is free.

    `image_times`: some models count a picture many times over; see `labeling.prelabel.endpoints.pricing.image_tokens`.
    """

    input_per_m: int = 0
    output_per_m: int = 0
    cached_input_per_m: int | None = None
    per_request: int = 0
    image_times: int = 1
    currency: str = "USD"
    source: str = ""
    as_of: str = ""

    @property
    def free(self) -> bool:
        return not (self.input_per_m or self.output_per_m or self.per_request)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most requests and tokens in a minute, and at once; 0: no limit."""

    requests_a_minute: int = 0
    tokens_a_minute: int = 0
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where models answer over HTTP, as the administrator of this installation allowed it.

    `kind`: chat completions, or an address that returns a probability for each option. `price` None: not known, and
    then no project with a budget may use it. `when_silent` says how a question is treated that was sent and never
    answered: `charge` (never sent again) or `retry`. `local`: it is in our own network, so that nothing is sent out.

    `max_tokens` is the longest answer, thoughts included; 0: by whether the model reasons. `reasoning_effort` and
    `extra_body` are fields of every request, `headers` and `query` go with it; in their values `${NAME}` stands for a
    variable of the environment, so that no secret is here. The key is sent in `key_header`; empty: as a bearer.
    """

    name: str
    url: str
    kind: Literal["chat", "decide"] = "chat"
    price: Price | None = None
    limits: Limits = Limits()
    when_silent: Literal["charge", "retry"] = "charge"
    idempotency_key: bool = False
    timeout_s: float = 120.0
    local: bool = False
    max_tokens: int = 0
    reasoning_effort: str = ""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    key_header: str = ""

    def answer_tokens(self, *, reasons: bool) -> int:
        """The longest answer that is asked for."""
        return self.max_tokens or (REASONING_TOKENS if reasons else ANSWER_TOKENS)

    @property
    def settings(self) -> str:
        """A hash of what changes a model's answers; empty where nothing does. Names of variables, never their values.

        >>> Endpoint("a", "http://127.0.0.1/v1").settings
        ''
        """
        set_here = [
            self.max_tokens,
            self.reasoning_effort,
            sorted(self.extra_body.items()),
            sorted(self.headers.items()),
            sorted(self.query.items()),
        ]
        return digest_of(set_here) if any(set_here) else ""


@dataclass(frozen=True, slots=True)
class Question:
    """One request as it is sent: `key` is the hash of its address and body, `bound_micro` what it costs at most."""

    endpoint: str
    model: str
    key: str
    project_id: ProjectId | None
    bound_micro: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What came back over the wire; `cost_micro` None: the usage is missing and the bound is charged."""

    status: int
    body: str
    tokens_in: int = 0
    tokens_out: int = 0
    cost_micro: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with what it cost; a cached one cost nothing and took no time."""

    status: int
    body: str
    tokens_in: int
    tokens_out: int
    cost_micro: int
    seconds: float
    cached: bool


class CallBook(Protocol):
    """Keeps every question and its price; nothing is sent that is not in it."""

    def ask(self, question: Question, send: Callable[[], Sent]) -> Reply:
        """Answer from the cache, or reserve `bound_micro`, note the intent, call `send` once, and note what it cost.

        `send` raises EndpointUnavailable when the request was certainly not paid for, EndpointSilent when it may
        have been.

        Raises
        ------
        OverBudget
            When the bound does not fit into what is left of the project's budget, or the price is not known.
        EndpointSilent
            When this very question was sent before, was never answered, and is not to be sent again.
        EndpointUnavailable
            When the endpoint refuses for now, or is paused because it failed too often.
        """
        ...
