"""Makes the engines that ask endpoints, and probes those endpoints first.

In: ENDPOINT/MODEL, and what this installation allows. Out: an engine whose every call is in the call ledger. Invariant:
no engine is made of a model that was never probed, nor of one that cannot read images while images are sent to it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from time import perf_counter

import sqlalchemy as sa

from db.repositories.engines import probes
from db.repositories.engines.probes import Probe
from db.session import reading, transaction
from labeling.adapters.endpoints.chat_models import chat_model
from labeling.adapters.endpoints.client import EndpointClient
from labeling.adapters.endpoints.probing import probe_chat, probe_decide
from labeling.errors import Invalid
from labeling.prelabel.endpoints.agent import ChatBackend
from labeling.prelabel.endpoints.backends import Abilities, BackendEngine
from labeling.prelabel.endpoints.decide import DecideBackend
from labeling.prelabel.endpoints.endpoint import Endpoint
from labeling.prelabel.engine import EngineOrder
from labeling.project import Budget
from labeling.types import ProjectId
from service.engines.egress import check_endpoint, log_sending
from service.engines.endpoints_file import endpoint_key, load_endpoints
from service.engines.kinds import KINDS
from service.settings import Settings
from service.work.engines.call_ledger import LedgerBook
from service.work.engines.means import Means


def make_agent(order: EngineOrder, means: Means) -> BackendEngine:
    """The labelling agent on a chat endpoint.

    Raises
    ------
    Invalid
        When there is no such endpoint, it is of another kind, was never probed, or cannot read images.
    """
    client, abilities = _prepared(order, means, "chat")
    endpoint = client.endpoint
    backend = ChatBackend(
        order,
        abilities,
        client,
        lambda wire: chat_model(wire, endpoint.url, client.model, abilities),
        endpoint.price,
        perf_counter,
        endpoint.answer_tokens(reasons=abilities.reasons),
    )
    return BackendEngine(backend, endpoint.limits.at_once)


def make_decider(order: EngineOrder, means: Means) -> BackendEngine:
    """An endpoint that returns a probability for each label; raises as `make_agent` does."""
    client, abilities = _prepared(order, means, "decide")
    backend = DecideBackend(order, abilities, client, client.endpoint.price, perf_counter)
    return BackendEngine(backend, client.endpoint.limits.at_once)


def probe_endpoint(
    settings: Settings, database: sa.Engine, name: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Probe:
    """Probe what a model can do and keep the result; `name` is ENDPOINT/MODEL.

    Raises
    ------
    Invalid, EndpointUnavailable
        When there is no such endpoint, or it does not answer the plainest question.
    """
    endpoint, model = _named(settings, name)
    client = _client(settings, database, endpoint, model, None, None, now)
    started = now()
    salt = f"Probe of {started.isoformat()}."
    abilities = (probe_decide if endpoint.kind == "decide" else probe_chat)(client, salt)
    with transaction(database) as session:
        return probes.record(
            session, endpoint=endpoint.name, model=model, url=endpoint.url, result=asdict(abilities), now=started
        )


def _prepared(order: EngineOrder, means: Means, kind: str) -> tuple[EndpointClient, Abilities]:
    endpoint, model = _named(means.settings, order.model)
    if endpoint.kind != kind:
        other = next(one.name for one in KINDS.values() if one.endpoint == endpoint.kind)
        raise Invalid(
            f"{endpoint.name!r} is an endpoint of kind {endpoint.kind}: write `engine: {other}:{order.model}`."
        )
    if means.database is None:
        raise Invalid("An endpoint is asked only where its calls can be kept: this needs the database.")
    abilities = _abilities(means.database, endpoint, model)
    if "image" in order.use.sends and not abilities.images:
        cut = " Its answer was cut: raise the endpoint's `max_tokens`, and probe it again."
        raise Invalid(
            f"{order.model} did not see the picture when it was probed.{cut if 'images' in abilities.cut else ''} Name "
            f"a model that does and type `hardcase engines probe {order.model}`, or write `sends: [text]` so that it "
            "labels by the text alone."
        )
    project, budget = means.project_id, means.policy.budget
    client = _client(means.settings, means.database, endpoint, model, project, budget, lambda: datetime.now(UTC))
    return client, abilities


def _named(settings: Settings, name: str) -> tuple[Endpoint, str]:
    """ENDPOINT/MODEL taken apart; a model's name may hold slashes of its own."""
    where, _, model = name.partition("/")
    endpoints = load_endpoints(settings)
    if where not in endpoints or not model:
        known = ", ".join(sorted(endpoints)) or "none yet"
        raise Invalid(
            f"{name!r} names no endpoint with a model. Write ENDPOINT/MODEL; endpoints.yaml has: {known}. "
            "docs/how-to/agent.md says how to add one."
        )
    return check_endpoint(settings, endpoints[where]), model


def _abilities(database: sa.Engine, endpoint: Endpoint, model: str) -> Abilities:
    with reading(database) as session:
        probe = probes.newest(session, endpoint=endpoint.name, model=model, url=endpoint.url)
    name = f"{endpoint.name}/{model}"
    if probe is None:
        raise Invalid(f"{name} was never probed at {endpoint.url}. Type: hardcase engines probe {name}")
    abilities = Abilities(**probe.result)
    if abilities.settings != endpoint.settings:
        raise Invalid(
            f"{name} was probed with other settings than endpoints.yaml has now. Type: hardcase engines probe {name}"
        )
    return abilities


def _client(
    settings: Settings,
    database: sa.Engine,
    endpoint: Endpoint,
    model: str,
    project_id: ProjectId | None,
    budget: Budget | None,
    now: Callable[[], datetime],
) -> EndpointClient:
    owner = f"{settings.executor}-{os.getpid()}"
    book = LedgerBook(database, endpoint, budget, owner=owner, now=now, sleep=time.sleep)
    key = endpoint_key(settings, endpoint.name)
    return EndpointClient(
        endpoint,
        key,
        book,
        model,
        project_id,
        on_sending=lambda body: log_sending(endpoint, model, body),
        environment=os.environ,
    )
