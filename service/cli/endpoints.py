"""`hardcase endpoint`: the endpoints that this installation may call, their calls, and their keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from db.repositories.engines import call_ledger
from labeling.errors import NotFound
from labeling.prelabel.endpoints.endpoint import Endpoint
from service.cli.output import AsJson, connected, emit, fields_of, keep_typed_secret, table
from service.engines.endpoints_file import endpoint_key, endpoint_secret, load_endpoints
from service.settings import Settings

app = typer.Typer(no_args_is_help=True)
COLUMNS = ["name", "url", "kind", "price", "local", "key", "answered", "failed", "unanswered", "failed in a row"]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the endpoints of endpoints.yaml, whether each has a key, and the results of its calls.

    Example: hardcase endpoint list
    """
    with connected(as_json) as hardcase:
        states = {state.endpoint: state for state in hardcase.read(call_ledger.endpoint_states)}
        endpoints = load_endpoints(hardcase.settings).values()
        documents = [_document(hardcase.settings, one, states.get(one.name)) for one in endpoints]
        emit(as_json, documents, table("endpoints", COLUMNS, documents))


@app.command()
def key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The endpoint's name in endpoints.yaml.")],
    as_json: AsJson = False,
) -> None:
    """Keep the key of an endpoint; it is typed without display, or comes from standard input.

    Example: hardcase endpoint key hosted
    """
    with connected(as_json) as hardcase:
        known = load_endpoints(hardcase.settings)
        if name not in known:
            has = ", ".join(known) or "none yet"
            raise NotFound(f"There is no endpoint {name!r}. {hardcase.settings.endpoints} has: {has}.")
        words = keep_typed_secret(hardcase, endpoint_secret(name), "Key", "endpoint.key", name)
        emit(as_json, {"endpoint": name, "kept": True}, words)


def _document(settings: Settings, endpoint: Endpoint, state: call_ledger.EndpointState | None) -> dict[str, Any]:
    done = state.calls if state else {}
    return {
        **fields_of(endpoint, ("name", "url", "kind")),
        "price": _price(endpoint),
        "local": endpoint.local,
        "key": bool(endpoint_key(settings, endpoint.name).get_secret_value()),
        "when_silent": endpoint.when_silent,
        **fields_of(endpoint, ("max_tokens", "reasoning_effort")),
        "headers": sorted(endpoint.headers),
        "query": sorted(endpoint.query),
        "answered": done.get(call_ledger.State.DONE, 0),
        "failed": done.get(call_ledger.State.FAILED, 0),
        "unanswered": done.get(call_ledger.State.AMBIGUOUS, 0),
        "failed in a row": state.failures_in_a_row if state else 0,
    }


def _price(endpoint: Endpoint) -> str:
    price = endpoint.price
    if price is None:
        return "unknown"
    if price.free:
        return "free"
    return f"{price.input_per_m / 1e6:g} / {price.output_per_m / 1e6:g} {price.currency} a million tokens"
