"""pydantic-ai's model of a chat endpoint, whose client sends nothing itself: all requests go over a wire of ours.

In: a wire, the endpoint's address, a model's name and its abilities. Out: a model for an agent. Invariant: the
library's silent retries are off, and neither key nor address comes from the environment.
"""

from __future__ import annotations

import asyncio

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from labeling.prelabel.endpoints.backends import Abilities, Wire
from labeling.prelabel.endpoints.reasoning import without_thoughts

__all__ = ["chat_model"]


def chat_model(wire: Wire, url: str, model: str, abilities: Abilities) -> Model:
    """A model for one conversation; it holds nothing that must be closed."""
    base = url.rstrip("/")
    client = AsyncOpenAI(
        api_key="the wire has it",
        base_url=base,
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=_BookTransport(wire, base), trust_env=False),
    )
    return OpenAIChatModel(
        model,
        provider=OpenAIProvider(openai_client=client),
        profile={"supports_tools": abilities.tools, "supports_json_schema_output": abilities.json_schema},
    )


class _BookTransport(httpx2.AsyncBaseTransport):
    """Hands each request of the OpenAI client to a wire, in a thread; its own retries and headers stay outside."""

    def __init__(self, wire: Wire, base_url: str) -> None:
        self._wire, self._base_url = wire, base_url

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = str(request.url).removeprefix(self._base_url)
        body = await request.aread()
        reply = await asyncio.to_thread(self._wire.post, path, body)
        said = without_thoughts(reply.body).encode()
        return httpx2.Response(
            reply.status, headers={"content-type": "application/json"}, content=said, request=request
        )
