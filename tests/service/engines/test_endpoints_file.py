"""endpoints.yaml: what stands in it becomes an endpoint or a clear error; keys are kept, and stand nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from labeling.errors import Invalid
from labeling.prelabel.endpoints.endpoint import Endpoint, Limits, Price
from service.cli import app
from service.engines.endpoints_file import EndpointIn, LimitsIn, PriceIn, endpoint_key, load_endpoints
from service.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "endpoints.md"
URL = "url: http://127.0.0.1:8000/v1"


def load(home: Path, text: str) -> dict[str, Endpoint]:
    (home / "endpoints.yaml").write_text(text)
    return load_endpoints(Settings(home=home))


def test_no_file_is_no_endpoints(tmp_path: Path) -> None:
    assert load_endpoints(Settings(home=tmp_path)) == {}
    assert load(tmp_path, "") == {}


def test_an_endpoint_is_read_with_its_price_in_micro(tmp_path: Path) -> None:
    text = """
endpoints:
  hosted:
    url: https://api.example.com/v1/
    price: {input_per_m: 0.15, output_per_m: 0.6, cached_input_per_m: 0.075, per_request: 0.000001, as_of: 2026-11-22}
    limits: {requests_a_minute: 300, at_once: 8}
    timeout_s: 30
"""

    hosted = load(tmp_path, text)["hosted"]

    assert hosted.url == "https://api.example.com/v1"
    assert hosted.price == Price(150_000, 600_000, 75_000, 1, 1, "USD", "", "2026-11-22")
    assert (hosted.limits, hosted.timeout_s, hosted.local) == (Limits(300, 0, 8), 30.0, False)


def test_the_file_may_stand_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine.yaml"
    elsewhere.write_text(f"endpoints: {{a: {{{URL}}}}}")

    assert list(load_endpoints(Settings(home=tmp_path, endpoints_file=str(elsewhere)))) == ["a"]


@pytest.mark.parametrize(
    ("more", "when_silent"),
    [
        ("", "charge"),
        ("price: free", "retry"),
        ("price: {input_per_m: 1, output_per_m: 1}", "charge"),
        ("price: {input_per_m: 0, output_per_m: 0}", "retry"),
        ("idempotency_key: true", "retry"),
        ("price: free\n    when_silent: charge", "charge"),
    ],
)
def test_what_may_cost_is_never_sent_again_unless_the_file_says_so(tmp_path: Path, more: str, when_silent: str) -> None:
    one = load(tmp_path, f"endpoints:\n  a:\n    {URL}\n    {more}\n")["a"]

    assert one.when_silent == when_silent
    assert (one.price is None) == ("price" not in more)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("endpoints: [a]", "endpoints"),
        ("endpoints: {a: {}}", "url"),
        ("endpoints: {a: {url: 'file:///etc/passwd'}}", "http"),
        ("endpoints: {a: {url: 'gopher://host/'}}", "http"),
        ("endpoints: {a: {url: 'https://me:secret@host/v1'}}", "endpoint key"),
        ("endpoints: {a: {url: 'https://secret@host/v1'}}", "endpoint key"),
        ("endpoints: {a: {url: 'https://host/v1?key=secret'}}", "url"),
        (f"endpoints: {{a/b: {{{URL}}}}}", "a/b"),
        (f"endpoints: {{a: {{{URL}, prices: free}}}}", "prices"),
        (f"endpoints: {{a: {{{URL}, price: cheap}}}}", "price"),
        (f"endpoints: {{a: {{{URL}, price: {{input_per_m: -1, output_per_m: 1}}}}}}", "input_per_m"),
        (f"endpoints: {{a: {{{URL}, price: {{input_per_m: 0.0000001, output_per_m: 1}}}}}}", "input_per_m"),
        (f"endpoints: {{a: {{{URL}, limits: {{at_once: 0}}}}}}", "at_once"),
        ("endpoints: {a: {url: 'https://api.example.com/v1', local: true}}", "local"),
        ("endpoints: {a: {url: 'https://8.8.8.8/v1', local: true}}", "local"),
        ("endpoints: {a: [", "cannot be read"),
        (f"endpoints: {{a: {{{URL}, reasoning_effort: much}}}}", "reasoning_effort"),
        (f"endpoints: {{a: {{{URL}, max_tokens: -1}}}}", "max_tokens"),
        (f"endpoints: {{a: {{{URL}, kind: decide, max_tokens: 9}}}}", "kind: chat"),
        (f"endpoints: {{a: {{{URL}, extra_body: {{max_tokens: 9}}}}}}", "beside `extra_body`"),
        (f"endpoints: {{a: {{{URL}, extra_body: {{n: 3}}}}}}", "`n` cannot be set"),
        (f"endpoints: {{a: {{{URL}, extra_body: {{model: other}}}}}}", "`model` cannot be set"),
        (f"endpoints: {{a: {{{URL}, extra_body: {{x: {{api_key: secret@}}}}}}}}", "seems to be a secret"),
        (f"endpoints: {{a: {{{URL}, extra_body: {{x: ['${{KEY}}']}}}}}}", "write it as a header"),
        (f"endpoints: {{a: {{{URL}, extra_body: {{x: 2026-11-22}}}}}}", "dates in quotes"),
        (f"endpoints: {{a: {{{URL}, extra_body: {{x: .inf}}}}}}", "finite"),
        (f"endpoints: {{a: {{{URL}, headers: {{api-key: secret@}}}}}}", r"\$\{MY_VARIABLE\}"),
        (f"endpoints: {{a: {{{URL}, headers: {{Authorization: Bearer secret@}}}}}}", "seems to be a secret"),
        (f"endpoints: {{a: {{{URL}, headers: {{X-Thing: sk-secret@}}}}}}", "seems to be a secret"),
        (f"endpoints: {{a: {{{URL}, headers: {{X-Thing: Bearer secret@}}}}}}", "seems to be a secret"),
        (f"endpoints: {{a: {{{URL}, headers: {{X-Thing: secret{'0' * 40}}}}}}}", "seems to be a secret"),
        (
            f"endpoints: {{a: {{{URL}, headers: {{X-Thing: 'Bearer sk-secret@ ${{TEAM}}'}}}}}}",
            "beside .* to be a secret",
        ),
        (f"endpoints: {{a: {{{URL}, headers: {{X-Thing: '${{TEAM}}:sk-secret@'}}}}}}", "beside .* to be a secret"),
        (
            f"endpoints: {{a: {{{URL}, headers: {{X-Thing: '${{TEAM}} secret{'0' * 40}'}}}}}}",
            "beside .* to be a secret",
        ),
        (f"endpoints: {{a: {{{URL}, headers: {{api-key: 'secret@${{K}}'}}}}}}", "beside .* to be a secret"),
        (f"endpoints: {{a: {{{URL}, headers: {{api-key: '${{K}}secret@'}}}}}}", "beside .* to be a secret"),
        (f"endpoints: {{a: {{{URL}, headers: {{api-key: 'Key secret@ ${{K}}'}}}}}}", "beside .* to be a secret"),
        (f"endpoints: {{a: {{{URL}, headers: {{api-key: '$ secret@'}}}}}}", "value of .* seems to be a secret"),
        (f"endpoints: {{a: {{{URL}, query: {{sig: 'secret@${{K}}'}}}}}}", "beside .* to be a secret"),
        (f"endpoints: {{a: {{{URL}, headers: {{Host: other}}}}}}", "hardcase writes it"),
        (f"endpoints: {{a: {{{URL}, headers: {{X-A: a, x-a: b}}}}}}", "given twice"),
        (f"endpoints: {{a: {{{URL}, headers: {{'X A': a}}}}}}", "is no name"),
        (f"endpoints: {{a: {{{URL}, headers: {{X-A: 'a\\nb'}}}}}}".replace("'a\\nb'", '"a\\nb"'), "cannot be sent"),
        (f"endpoints: {{a: {{{URL}, headers: {{X-A: '${{}}'}}}}}}", "without a name"),
        (f"endpoints: {{a: {{{URL}, query: {{code: secret@}}}}}}", "seems to be a secret"),
        (f"endpoints: {{a: {{{URL}, api_version: v1, query: {{api-version: v2}}}}}}", "are the same"),
        (f"endpoints: {{a: {{{URL}, key_header: Content-Type}}}}", "hardcase writes it"),
        (f"endpoints: {{Hosted: {{{URL}}}}}", "endpoints.Hosted: String should match"),
        (f"endpoints: {{a: {{{URL}, price: {{input_per_m: x}}}}}}", "a.price.input_per_m: .*number"),
        (f"endpoints: {{a: {{{URL}, price: {{input_per_m: 1}}}}}}", "a.price.output_per_m: Field required"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_nothing_is_guessed(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as raised:
        load(tmp_path, text)

    assert str(tmp_path / "endpoints.yaml") in raised.value.message
    assert "secret@" not in raised.value.message


def test_an_azure_endpoint_is_written_as_azure_wants_it(tmp_path: Path) -> None:
    text = """
endpoints:
  azure:
    url: https://me.openai.azure.com/openai/deployments/gpt
    api_version: 2024-10-21
    key_header: api-key
    max_tokens: 6000
    reasoning_effort: low
    headers: {X-Team: labels, X-Trace-Token: "${TRACE}"}
    query: {tries: 2}
    extra_body: {chat_template_kwargs: {enable_thinking: false}, top_p: 0.9, max_thinking_tokens: 100}
"""

    azure = load(tmp_path, text)["azure"]

    assert azure.query == {"tries": "2", "api-version": "2024-10-21"}
    assert azure.headers == {"X-Team": "labels", "X-Trace-Token": "${TRACE}"}
    assert azure.extra_body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (azure.key_header, azure.max_tokens, azure.reasoning_effort) == ("api-key", 6_000, "low")
    assert azure.settings and azure.settings != load(tmp_path, text.replace("6000", "6001"))["azure"].settings


@pytest.mark.parametrize("value", ["${K}", "Bearer ${K}", "Basic ${A}:${B}", "${A}.${B}", "Api-Key  ${K}"])
def test_a_secret_may_be_put_together_from_variables(tmp_path: Path, value: str) -> None:
    text = f"endpoints:\n  a:\n    {URL}\n    headers: {{Authorization: '{value}', X-Team: 'labels-${{TEAM}}'}}\n"

    assert load(tmp_path, text)["a"].headers == {"Authorization": value, "X-Team": "labels-${TEAM}"}


def test_a_list_of_endpoints_names_what_goes_along_and_shows_no_value(home: Path) -> None:
    headers = "headers: {api-key: 'Key ${K}', X-Team: labels}"
    (home / "endpoints.yaml").write_text(f"endpoints:\n  house:\n    {URL}\n    {headers}\n    max_tokens: 900\n")

    code, said = typed(home, "endpoint", "list", "--json")

    assert code == 0
    assert (json.loads(said)[0]["headers"], json.loads(said)[0]["max_tokens"]) == (["X-Team", "api-key"], 900)
    assert "Key $" not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "192.168.1.4", "10.0.0.1"])
def test_local_is_this_machine_or_a_private_number(tmp_path: Path, host: str) -> None:
    assert load(tmp_path, f"endpoints: {{a: {{url: 'http://{host}:8000/v1', local: true}}}}")["a"].local


@pytest.mark.parametrize(
    ("heading", "model"),
    [("For each endpoint", EndpointIn), ("In `price`", PriceIn), ("In `limits`", LimitsIn)],
)
def test_the_page_explains_every_key_with_its_default(heading: str, model: type[BaseModel]) -> None:
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [[cell.strip(" `") for cell in line.split("|")] for line in section.splitlines() if line[:1] == "|"]
    documented = {row[1]: row[2] for row in cells[2:]}

    assert set(documented) == set(model.model_fields)
    for name, field in model.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert float(documented[name]) == field.default, name
        if field.is_required():
            assert documented[name] == "required"


def test_the_example_of_the_page_is_a_file_that_can_be_read(tmp_path: Path) -> None:
    example = PAGE.read_text(encoding="utf-8").split("```yaml\n", 1)[1].split("```", 1)[0]

    assert list(load(tmp_path, example)) == ["hosted", "here", "azure"]


@pytest.fixture
def home(empty_database: Path, tmp_path: Path) -> Path:
    (tmp_path / "hardcase.db").write_bytes(empty_database.read_bytes())
    (tmp_path / "endpoints.yaml").write_text(f"endpoints:\n  house:\n    {URL}\n    price: free\n")
    return tmp_path


def typed(home: Path, *words: str, keys: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words), input=keys, env={"HARDCASE_HOME": str(home), "COLUMNS": "250"})
    return done.exit_code, done.output


def test_a_key_is_taken_from_standard_input_and_shown_by_nothing(home: Path) -> None:
    code, said = typed(home, "endpoint", "key", "house", keys="sk-very-secret\n")

    listed = typed(home, "endpoint", "list", "--json")[1]
    assert (code, json.loads(listed)[0]["key"]) == (0, True)
    assert "sk-very-secret" not in said + listed + typed(home, "endpoint", "list")[1]
    assert endpoint_key(Settings(home=home), "house").get_secret_value() == "sk-very-secret"
    assert "sk-very-secret" not in repr(endpoint_key(Settings(home=home), "house"))
    assert (home / "secrets.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [("house", "\n", "no key"), ("house", "two words\n", "no key"), ("other", "sk\n", "has: house")],
)
def test_what_is_no_key_or_no_endpoint_is_refused(home: Path, name: str, keys: str, words: str) -> None:
    code, said = typed(home, "endpoint", "key", name, keys=keys)

    assert code == 1 and words in said
    assert not (home / "secrets.json").exists()


def test_endpoints_are_listed_with_their_price_and_calls(home: Path) -> None:
    code, said = typed(home, "endpoint", "list")

    assert code == 0
    assert all(word in said for word in ("house", "http://127.0.0.1:8000/v1", "free"))
