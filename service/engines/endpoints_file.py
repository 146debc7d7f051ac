"""The endpoints that may be called, from the administrator's file `endpoints.yaml`.

In: the settings. Out: endpoints by name, and their keys. A project names an endpoint and never an address, so that no
caller of the API decides where requests go.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from labeling.prelabel.endpoints.endpoint import Endpoint, Limits, Price
from service.engines.egress import is_local_address
from service.engines.endpoint_requests import Body, HeaderName, Headers, Query, Version
from service.settings import Settings, kept_secret
from service.written_files import Strict, read_file

MICRO = 1_000_000
Money = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]


class PriceIn(Strict):
    """In whole units of the currency: for a million tokens, and for each request."""

    input_per_m: Money
    output_per_m: Money
    cached_input_per_m: Money | None = None
    per_request: Money = Decimal(0)
    image_times: int = Field(default=1, ge=1, le=1_000)
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    source: str = ""
    as_of: str = ""

    @field_validator("as_of", mode="before")
    @classmethod
    def _day_as_text(cls, value: Any) -> str:
        return str(value)  # YAML reads 2026-11-22 as a date

    def to_price(self) -> Price:
        given: dict[str, Any] = dict(self)
        micro = {name: int(value * MICRO) for name, value in given.items() if isinstance(value, Decimal)}
        return Price(**{**given, **micro})


class LimitsIn(Strict):
    """The limits of requests to the endpoint; 0 is no limit."""

    requests_a_minute: int = Field(default=0, ge=0)
    tokens_a_minute: int = Field(default=0, ge=0)
    at_once: int = Field(default=4, ge=1, le=64)


class EndpointIn(Strict):
    """One endpoint in the file; `docs/reference/endpoints.md` explains every line."""

    url: str
    kind: Literal["chat", "decide"] = "chat"
    price: PriceIn | Literal["free"] | None = None
    limits: LimitsIn = LimitsIn()
    when_silent: Literal["charge", "retry"] | None = None
    idempotency_key: bool = False
    timeout_s: float = Field(default=120.0, gt=0, le=3_600)
    local: bool = False
    max_tokens: int = Field(default=0, ge=0, le=1_000_000)
    reasoning_effort: Literal["", "none", "minimal", "low", "medium", "high", "xhigh"] = ""
    extra_body: Body = {}
    headers: Headers = {}
    query: Query = {}
    api_version: Version = ""
    key_header: HeaderName = ""

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(
                "an endpoint's url is http(s)://host[:port]/path, as in http://127.0.0.1:11434/v1; what follows a `?` "
                "stands in `query`"
            )
        if parts.username or parts.password:
            raise ValueError("a key must not be in the url; `hardcase endpoint key NAME` takes it")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _local_address(self) -> EndpointIn:
        if self.local and not is_local_address(str(urlsplit(self.url).hostname)):
            raise ValueError("`local: true` needs a loopback or private address in the url, written as a number")
        return self

    @model_validator(mode="after")
    def _only_of_a_chat(self) -> EndpointIn:
        if self.kind == "decide" and (self.max_tokens or self.reasoning_effort):
            raise ValueError("`max_tokens` and `reasoning_effort` are for `kind: chat`; a decision writes no text")
        if self.api_version and "api-version" in self.query:
            raise ValueError("`api_version` and `api-version` in `query` are the same. Leave one out")
        return self

    def to_endpoint(self, name: str) -> Endpoint:
        price = Price() if self.price == "free" else self.price.to_price() if self.price else None
        may_repeat = self.idempotency_key or (price is not None and price.free)
        silent = self.when_silent or ("retry" if may_repeat else "charge")
        query = self.query | ({"api-version": self.api_version} if self.api_version else {})
        converted = {"price": price, "limits": Limits(**dict(self.limits)), "when_silent": silent, "query": query}
        given = {key: value for key, value in self if key != "api_version"}
        return Endpoint(name=name, **{**given, **converted})


class _File(Strict):
    endpoints: dict[Name, EndpointIn] = {}


def load_endpoints(settings: Settings) -> dict[str, Endpoint]:
    """The endpoints of this installation by name; none where there is no file.

    Raises
    ------
    Invalid
        The file has mistakes; the message names each with its place.
    """
    found = read_file(settings.endpoints, _File)
    return {name: endpoint.to_endpoint(name) for name, endpoint in found.endpoints.items()}


def endpoint_key(settings: Settings, name: str) -> SecretStr:
    """The key of an endpoint; empty where none was given."""
    return SecretStr(kept_secret(settings, endpoint_secret(name)))


def endpoint_secret(name: str) -> str:
    """The name under which an endpoint's key is kept."""
    return f"endpoint:{name}"
