"""HTTP to a model's endpoint: every request is a question in the call ledger, and what comes back is bounded.

In: an endpoint that the administrator allowed, its key, a book, JSON. Out: replies that are JSON, or an error that says
whether the question may have been paid for. Invariant: no redirect is followed, nothing is taken from the environment
but the variables that the endpoint's headers and query name, TLS is verified, only the ledger sends a question twice,
and of an answer at most `MAX_BODY` bytes are read.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from hashlib import sha256
from time import monotonic
from typing import Any

import httpx2
from PIL import Image
from pydantic import SecretStr

from labeling.adapters.endpoints.sent_along import SentAlong, sent_along
from labeling.adapters.tls import tls_context
from labeling.errors import EndpointSilent, EndpointUnavailable, Invalid
from labeling.prelabel.endpoints.endpoint import CallBook, Endpoint, Question, Reply, Sent
from labeling.prelabel.endpoints.pricing import bound_micro, cost_micro
from labeling.prelabel.endpoints.untrusted_text import clean
from labeling.types import ProjectId

__all__ = ["MAX_BODY", "EndpointClient"]

MAX_BODY = 2**20
_CHUNK = 64 * 1024
_LATER = frozenset({408, 425, 429})
_BEFORE_SENDING = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_TOO_LARGE = json.dumps({"error": {"message": f"the answer was larger than {MAX_BODY:,} bytes and was not read"}})


class EndpointClient:
    """The wire to one model of one endpoint. Threads may share it.

    `on_sending` gets every body before it is sent; what the cache answers is not sent. `environment` has the variables
    that the endpoint's headers and query name; Invalid where one of them is missing.
    A connection serves one request: an idle one that the server closes just then would make a question ambiguous.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        key: SecretStr,
        book: CallBook,
        model: str,
        project_id: ProjectId | None,
        clock: Callable[[], float] = monotonic,
        on_sending: Callable[[bytes], None] = lambda body: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.endpoint, self.model, self._on_sending = endpoint, model, on_sending
        self._book, self._project_id, self._clock = book, project_id, clock
        self._along: SentAlong = sent_along(endpoint, key, environment or {})
        self._http = httpx2.Client(
            timeout=endpoint.timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=tls_context(trust_env=False),
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def post(self, path: str, body: bytes) -> Reply:
        """Ask through the ledger; see `CallBook.ask` for what it raises.

        Raises
        ------
        Invalid
            When the endpoint refuses the request for good, or answers with no JSON object; see its fact `status`.
        """
        return self._ask("POST", path, self._along.added_to(body))

    def get(self, path: str, salt: str) -> Reply:
        """A look-up that costs nothing; `salt` names the occasion, so that it is not answered from the cache."""
        return self._ask("GET", path, b"", salt)

    def _ask(self, method: str, path: str, body: bytes, salt: str = "") -> Reply:
        url = self.endpoint.url.rstrip("/") + path
        asked = url + self._along.written  # a header may choose the model too
        key = sha256(b"\0".join([asked.encode(), body, salt.encode()])).hexdigest()
        bound = _bound(self.endpoint, body) if body else 0
        question = Question(self.endpoint.name, self.model, key, self._project_id, bound)
        reply = self._book.ask(question, lambda: self._send(method, url, body, key))
        return self._usable(reply)

    def _send(self, method: str, url: str, body: bytes, key: str) -> Sent:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "hardcase"}
        headers |= self._along.headers()
        if self.endpoint.idempotency_key:
            headers["Idempotency-Key"] = key
        self._on_sending(body)
        asked = self._http.build_request(method, url, content=body or None, headers=headers, params=self._along.query())
        with self._explained(), closing(self._http.send(asked, stream=True)) as answer:
            self._check_status(answer)
            text = self._read(answer)
        return _sent(self.endpoint, answer.status_code, text if text is not None else _TOO_LARGE)

    def _read(self, answer: httpx2.Response) -> str | None:
        """The body as text; None when it is larger than is read."""
        deadline, body = self._clock() + self.endpoint.timeout_s, bytearray()
        for chunk in answer.iter_bytes(_CHUNK):
            body += chunk
            if len(body) > MAX_BODY:
                return None
            if self._clock() > deadline:
                raise httpx2.ReadTimeout("the answer does not end")
        return body.decode("utf-8", "replace")

    def _check_status(self, answer: httpx2.Response) -> None:
        status = answer.status_code
        if status == 200:
            return
        if status in _LATER or status >= 500:
            raise EndpointUnavailable(
                f"{self._named} cannot answer now (status {status}). It is asked again later.",
                status=status,
                retry_after=_seconds(answer.headers.get("retry-after")),
            )
        raise Invalid(_way_out(self._named, status, self._detail(answer)), status=status)

    def _detail(self, answer: httpx2.Response) -> str:
        """What the endpoint says about its refusal, short and plain."""
        try:
            said = json.loads(self._read(answer) or "")
            said = said[0] if isinstance(said, list) and said else said  # Gemini's form
            error = said.get("error", said.get("detail", ""))
            words = str(error.get("message", "") if isinstance(error, dict) else error)
        except (ValueError, AttributeError):
            return ""
        return clean(self._along.without_secrets(words), 200)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns failures on the way into an error that says whether the question was sent."""
        try:
            yield
        except _BEFORE_SENDING as error:
            raise EndpointUnavailable(
                f"{self._named} cannot be reached ({type(error).__name__}). Is it running, and is its `url` in "
                "endpoints.yaml right?"
            ) from error
        except httpx2.TimeoutException as error:
            raise EndpointSilent(
                f"{self._named} did not answer within {self.endpoint.timeout_s:g} s. Raise its `timeout_s` in "
                "endpoints.yaml if its model is slow."
            ) from error
        except httpx2.HTTPError as error:
            raise EndpointSilent(f"{self._named} broke off its answer ({type(error).__name__}).") from error

    def _usable(self, reply: Reply) -> Reply:
        """The reply, if it is a JSON object and no error."""
        found = _parsed(reply.body)
        if found is None or found.get("error"):
            detail = clean(self._along.without_secrets(str((found or {}).get("error", "no JSON"))), 200)
            raise Invalid(f"{self._named} gave an answer that cannot be used: {detail}", status=reply.status)
        return reply

    @property
    def _named(self) -> str:
        return f"The endpoint {self.endpoint.name!r} ({self.endpoint.url})"


def _bound(endpoint: Endpoint, body: bytes) -> int:
    """The most that a request can cost: its characters without the pictures, the pictures, and the longest answer.

    0 where the price is not known: whether such an endpoint may be asked is for the ledger to say.
    """
    if endpoint.price is None:
        return 0
    said = json.loads(body)
    pictures: list[tuple[int, int]] = []
    words = json.dumps(_without_pictures(said, pictures), ensure_ascii=False)
    tokens_out = int(said.get("max_tokens") or said.get("max_completion_tokens") or 0)
    return bound_micro(endpoint.price, len(words.encode("utf-8", "surrogatepass")), pictures, tokens_out)


def _without_pictures(value: Any, sizes: list[tuple[int, int]]) -> Any:
    """The same JSON with our pictures taken out; their sizes are added to `sizes`."""
    if isinstance(value, dict):
        return {name: _without_pictures(one, sizes) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_pictures(one, sizes) for one in value]
    size = _size(value) if isinstance(value, str) else None
    if size is None:
        return value
    sizes.append(size)
    return ""


def _size(text: str) -> tuple[int, int] | None:
    """Width and height, if this is one of our pictures in base64, with or without `data:` before it."""
    data = text.rpartition(",")[2] if text.startswith("data:image/") else text
    if not data.startswith(("iVBORw0KGgo", "/9j/")):
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=("PNG", "JPEG")) as image:
            return image.size
    except (ValueError, OSError, SyntaxError):
        return None


def _sent(endpoint: Endpoint, status: int, body: str) -> Sent:
    """What came back with its price; without a usage the ledger charges the bound."""
    usage: Any = (_parsed(body) or {}).get("usage")
    try:
        tokens_in = int(usage["prompt_tokens"] if "prompt_tokens" in usage else usage["input_tokens"])
        tokens_out = int(usage["completion_tokens"] if "completion_tokens" in usage else usage["output_tokens"])
        tokens_out = max(
            tokens_out, int(usage.get("total_tokens") or 0) - tokens_in
        )  # Gemini: thoughts only in the total
        details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
        cached = int(details.get("cached_tokens") or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Sent(status, body, cost_micro=0 if endpoint.price is not None and endpoint.price.free else None)
    if min(tokens_in, tokens_out, cached) < 0:
        return Sent(status, body)
    cost = None if endpoint.price is None else cost_micro(endpoint.price, tokens_in, tokens_out, cached)
    return Sent(status, body, tokens_in, tokens_out, cost)


def _parsed(body: str) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _seconds(header: str | None) -> float | None:
    """A Retry-After in seconds; one that is a date, or nonsense, says nothing."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _way_out(named: str, status: int, detail: str) -> str:
    said = f" It says: {detail}" if detail else ""
    if status in (401, 403):
        return f"{named} refuses our key ({status}). Give it the right one; docs/how-to/agent.md says how.{said}"
    if status in (404, 405):
        return f"{named} does not know this model or this path ({status}). Its `url` mostly ends in /v1.{said}"
    if 300 <= status < 400:
        return f"{named} redirects ({status}), which is not followed. Write the final address into endpoints.yaml."
    return f"{named} refused the question ({status}).{said}"
