"""What the OpenAPI document promises, held against what is answered to requests that are made from it.

Right and wrong requests come from the document, for every operation, and in sequences that use what was answered
before. No answer is a fault, none is of another form than the document says, and every error is problem details.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import FlakyStrategyDefinition, Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi import checks

from labeling.project import Project
from labeling.types import ReviewKind
from service.web.edge.access import ACCESS, How
from tests.service.labelled_pool import add_champion, make_ground
from tests.service.web.test_authorisation import PARAMETERS, log_in
from tests.service.web_client import bearer, make_key, web
from tests.service.web_process import web_process

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SAYS_SO = {("GET", "/ready"): 503}
"""Where the document itself has an answer over 499: no worker runs here."""
EXAMPLES = 3
"""Of each operation and kind of request: some 600 in all."""
SEQUENCES = 20
TRIES = 8
"""Sequences that begin alike must go on alike, and a server that remembers does not promise that."""
MANY = settings(
    max_examples=EXAMPLES,
    stateful_step_count=5,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture
def filled(database: sa.Engine, tmp_path: Path, make_project: Any) -> Project:
    """A project with images, labels, reviews and a champion."""
    project: Project = make_project(database)
    ground = make_ground(database, tmp_path, project, pool=6, reserved=4)
    ground.label(ground.pool[:3], ReviewKind.HARD)
    add_champion(ground.parts, project, ground.pool, [[0.6, 0.3, 0.1]] * len(ground.pool))
    return project


class Caller:
    """Sends cases as an administrator who is logged in, and judges the answers."""

    def __init__(self, client: TestClient, database: sa.Engine) -> None:
        self._client, self._key = client, make_key(database)
        cookie, self._form_token = log_in(client, self._key)
        client.cookies.set("hardcase_session", cookie)
        self.sent = 0

    def try_all(self, operation: APIOperation[Any, Any, Any], mode: GenerationMode) -> None:
        """Some cases of one operation; half of them name things that exist."""

        @MANY
        @given(operation.as_strategy(mode))
        def run(case: Case) -> None:
            self.sent += 1
            if self.sent % 2:
                known = {name: PARAMETERS.get(f"{{{name}}}", value) for name, value in case.path_parameters.items()}
                case.path_parameters.update(known)
            if isinstance(case.body, dict) and "form_token" in case.body:
                case.body["form_token"] = self._form_token
            judge(case, self._send(case))

        try:
            run()
        except Unsatisfiable:  # there is no wrong request of it
            assert mode is GenerationMode.NEGATIVE

    def _send(self, case: Case) -> httpx.Response:
        how = ACCESS[case.operation.method.upper(), case.operation.path].how
        headers = bearer(self._key) if how is How.KEY else {}
        sent = case.as_transport_kwargs(base_url="http://testserver", headers=headers)
        wanted = ("method", "url", "params", "headers", "json", "data", "files")
        made = requests.Request(**{name: sent[name] for name in wanted if name in sent}).prepare()
        return self._client.request(made.method, made.url, content=made.body, headers=dict(made.headers))


def judge(case: Case, answer: Any) -> None:
    """AssertionError, or what schemathesis raises, with the request."""
    route = case.operation.method.upper(), case.operation.path
    status = answer.status_code
    if status == SAYS_SO.get(route):
        return
    assert status < 500, f"{case.as_curl_command()}: {status} {answer.text[:500]}"
    if status >= 400 and ACCESS[route].how is not How.PAGE and route[1] != "/login":
        kind = dict(answer.headers)["content-type"]
        kind = kind[0] if isinstance(kind, list) else kind
        assert kind == "application/problem+json", f"{case.as_curl_command()}: {status} as {kind}"
    case.validate_response(answer, checks=CHECKS)


def test_every_operation_answers_right_and_wrong_requests_as_the_document_says(
    filled: Project, database: sa.Engine, tmp_path: Path
) -> None:
    with web(database, tmp_path) as client:
        caller, document = Caller(client, database), client.get("/openapi.json").json()
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                caller.try_all(found.ok(), mode)

    assert caller.sent > len(ACCESS) * EXAMPLES


def test_sequences_of_requests_that_use_what_was_answered_are_answered_as_the_document_says(
    filled: Project, database: sa.Engine, tmp_path: Path
) -> None:
    sent: list[tuple[str, int]] = []

    def went_on() -> int:
        return sum(status < 300 for _, status in sent)

    with web_process(database, tmp_path) as running:
        document = schemathesis.openapi.from_url(f"{running.address}/openapi.json").include(path_regex="^/api/")

        class Sequence(document.as_state_machine()):  # type: ignore[misc]
            def setup(self) -> None:
                self.key = bearer(make_key(database))  # a sequence may revoke it

            def before_call(self, case: Case) -> None:
                case.headers.update(self.key)

            def get_call_kwargs(self, case: Case) -> dict[str, Any]:
                return {"headers": self.key}

            def validate_response(self, response: Any, case: Case, **_: Any) -> None:
                sent.append((case.operation.label, response.status_code))
                judge(case, response)

        for _ in range(TRIES):
            # requests are made of answers, and those differ from sequence to sequence, which may end a run early
            with suppress(FlakyStrategyDefinition):
                Sequence.run(settings=settings(MANY, max_examples=SEQUENCES))
            if went_on() > SEQUENCES:
                break

    assert went_on() > SEQUENCES
