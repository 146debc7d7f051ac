"""HTTP calls to Label Studio that its SDK cannot make: task lists with filters, sign-in, and all errors.

In: an address and a token of either kind. Out: parsed JSON, or an error of ours that says what to do. Bodies and
tokens are never logged, and no call is repeated here: jobs repeat themselves, knowing what is safe to repeat.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from label_studio_sdk.core.api_error import ApiError
from pydantic import ValidationError

from labeling.adapters.label_studio.circuit_breaker import CircuitBreaker
from labeling.adapters.tls import tls_context
from labeling.errors import BadAddress, HardcaseError, Invalid, LabelStudioUnavailable, NotFound

__all__ = ["NO_TOKEN", "LabelStudioHttp", "StudioFile", "explained", "is_personal_token", "parsed"]

NO_TOKEN = "There is no token for Label Studio. Set HARDCASE_LABEL_STUDIO_TOKEN; docs/how-to/label-studio.md says how."
_CHUNK = 64 * 1024
ACCESS_LIFETIME_S = 240.0
"""An access token lives 300 s; it is renewed a minute before."""


@dataclass(frozen=True, slots=True)
class StudioFile:
    """The bytes of a file, or the address where Label Studio says that they lie."""

    data: bytes
    elsewhere: str


class _Auth(httpx.Auth):
    """Signs every request of the connection pool, the SDK's too, whatever header stood there before."""

    requires_response_body = True

    def __init__(self, url: str, token: str, clock: Callable[[], float]) -> None:
        self._refresh_url, self._token, self._clock = f"{url}/api/token/refresh/", token, clock
        self._access, self._renew_at = "", 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._token:
            raise LabelStudioUnavailable(NO_TOKEN)
        if not is_personal_token(self._token):
            request.headers["Authorization"] = f"Token {self._token}"
            yield request
            return
        if self._clock() >= self._renew_at:
            answer = yield httpx.Request("POST", self._refresh_url, json={"refresh": self._token})
            self._access = str(parsed(answer)["access"])
            self._renew_at = self._clock() + ACCESS_LIFETIME_S
        request.headers["Authorization"] = f"Bearer {self._access}"
        yield request


class LabelStudioHttp:
    """One connection pool; a personal access token is exchanged for short-lived ones as needed.

    A Label Studio that does not answer is not called for a while: then calls fail at once and nothing is sent.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url.rstrip("/")
        self.breaker = CircuitBreaker(clock)
        self._counted: LabelStudioUnavailable | None = None
        self.client = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,
            auth=_Auth(self.url, token, clock),
            verify=tls_context(trust_env=True),
        )

    def call(self, method: str, path: str, **how: Any) -> Any:
        """One request with our token; the parsed JSON of its answer."""
        with self.explained():
            return parsed(self.client.request(method, f"{self.url}{path}", **how))

    def file(self, path: str, max_bytes: int) -> StudioFile:
        """The bytes of a file under this path, or where they lie; our token goes to Label Studio and nowhere else."""
        with self.client.stream("GET", f"{self.url}{path}") as answer:
            if answer.is_redirect:
                return StudioFile(b"", answer.headers["Location"])
            if answer.status_code in (400, 401, 403, 404):
                raise BadAddress(f"Label Studio does not give out {path[:200]} ({answer.status_code}).")
            if not answer.is_success:
                raise ApiError(status_code=answer.status_code, body="a page")
            body = bytearray()
            for chunk in answer.iter_bytes(_CHUNK):
                body += chunk
                if len(body) > max_bytes:
                    raise BadAddress(f"{path[:200]} in Label Studio is larger than {max_bytes:,} bytes.")
            return StudioFile(bytes(body), "")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """As `explained`, and counted by `breaker`, once however deep these blocks lie in each other."""
        pause_s = self.breaker.pause_s
        if pause_s:
            raise LabelStudioUnavailable(
                f"Label Studio at {self.url} has not answered {self.breaker.failures} times in a row. No call "
                f"is made for {pause_s:.0f} s, then it is tried again."
            )
        try:
            with explained(self.url):
                yield
        except LabelStudioUnavailable as error:
            if error is not self._counted:
                self._counted = error
                self.breaker.failed()
            raise
        except HardcaseError:
            self.breaker.succeeded()  # a refusal is an answer
            raise
        self.breaker.succeeded()

    def close(self) -> None:
        self.client.close()


def parsed(answer: httpx.Response) -> Any:
    """The JSON of an answer; ApiError (as the SDK has it) for anything else."""
    if answer.is_success and not answer.content:
        return None
    is_json = "json" in answer.headers.get("content-type", "")
    if not answer.is_success or not is_json:
        raise ApiError(status_code=answer.status_code, body=answer.json() if is_json else "a page")
    return answer.json()


def is_personal_token(token: str) -> bool:
    """Whether this is a personal access token (a JWT to exchange), not a legacy token of 40 hex digits.

    >>> is_personal_token("0" * 40)
    False
    """
    return token.count(".") == 2


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turns whatever goes wrong inside, in the SDK or in ours, into an error that says what to do.

    Its fact `maybe_done` says that Label Studio may have done what was asked all the same.
    """
    try:
        yield
    except httpx.TimeoutException as error:
        raise LabelStudioUnavailable(
            f"Label Studio at {url} did not answer in time. It is tried again.", maybe_done=_was_sent(error)
        ) from error
    except httpx.HTTPError as error:
        raise LabelStudioUnavailable(
            f"Label Studio cannot be reached at {url} ({type(error).__name__}). Is it running, and is "
            "HARDCASE_LABEL_STUDIO_URL right?",
            maybe_done=_was_sent(error),
        ) from error
    except ApiError as error:
        raise _meaning(error, url) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise LabelStudioUnavailable(
            f"Label Studio at {url} answered with something that is not its own. Is a proxy in between?",
            maybe_done=True,
        ) from error


def _meaning(error: ApiError, url: str) -> HardcaseError:
    status = error.status_code or 0
    is_json = isinstance(error.body, dict)
    if status in (401, 403) and not _is_about_addresses(error):
        return LabelStudioUnavailable(
            f"Label Studio at {url} refuses our token ({status}). Set HARDCASE_LABEL_STUDIO_TOKEN to a valid one; "
            "legacy tokens are off by default there, personal access tokens always work."
        )
    if status == 404 and is_json:
        return NotFound("Label Studio does not have this (any more).")
    if is_json and 400 <= status < 500 and status not in (408, 425, 429):
        return Invalid(f"Label Studio refused ({status}): {_detail(error.body)}")
    return LabelStudioUnavailable(
        f"Label Studio at {url} could not answer now (status {status}). It is tried again.",
        maybe_done=status >= 500 or status < 400,
    )


def _was_sent(error: httpx.HTTPError) -> bool:
    """Whether the request may have reached Label Studio, so that what it asked for may be done."""
    return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _is_about_addresses(error: ApiError) -> bool:
    """Its protection against requests to private networks answers 403 too, and needs another solution."""
    return "reserved network" in str(error.body)


def _detail(body: Any) -> str:
    """What Label Studio says about a refusal, short; never what we sent."""
    if "reserved network" in str(body):
        return (
            "it may not call private addresses. Start it with USE_DEFAULT_BANNED_SUBNETS=false and "
            "USER_ADDITIONAL_BANNED_SUBNETS=169.254.0.0/16,10.0.0.0/8 (or your own list)."
        )
    return str(body.get("validation_errors") or body.get("detail") or "no reason given")[:300]
