"""The probe and decisions against `transformers serve`, with tiny models: one that sees pictures, one that cannot.

This server answers 200 while it ignores schemas, log-probabilities, tools, and the pictures sent to a model of texts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import httpx2
import pytest
from PIL import Image
from pydantic import SecretStr

from labeling.adapters.endpoints.client import EndpointClient
from labeling.adapters.endpoints.probing import probe_chat, probe_decide
from labeling.prelabel.endpoints.backends import Abilities, BackendEngine
from labeling.prelabel.endpoints.decide import DecideBackend
from labeling.prelabel.endpoints.endpoint import Endpoint, Price
from labeling.prelabel.engine import EngineOrder, Item, check_look
from labeling.project import EngineUse, LabelClass
from tests.scripted_endpoint import MemoryBook, closed_port
from tests.tiny_models import make_llama, make_llava

pytestmark = pytest.mark.timeout(600)
LABELS = (LabelClass("cat", "a small furry animal"), LabelClass("car"))
START_S = 180


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a running server, and the folder with its models."""
    folder, port = tmp_path_factory.mktemp("served"), closed_port()
    make_llava(folder / "sees")
    (make_llama(folder / "reads") / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.content }} {% endfor %}"
    )
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1", "--device", "cpu"]
    here = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, env=here) as process,
    ):
        _wait_until_it_answers(port)
        yield f"http://127.0.0.1:{port}/v1", folder
        process.kill()


def _wait_until_it_answers(port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False)
        except httpx2.HTTPError:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.2)
        else:
            return


def client(served: tuple[str, Path], model: str) -> EndpointClient:
    url, folder = served
    endpoint = Endpoint("here", url, price=Price(), timeout_s=120, local=True)
    return EndpointClient(endpoint, SecretStr(""), MemoryBook(), str(folder / model), None)


def test_what_this_server_ignores_without_a_word_is_no_ability(served: tuple[str, Path]) -> None:
    sees, reads = probe_chat(client(served, "sees"), "Probe 1."), probe_chat(client(served, "reads"), "Probe 1.")

    assert sees == Abilities(images=True, usage=True, cut=sees.cut)  # models without training may never end an answer
    assert reads == Abilities(images=False, usage=True, cut=reads.cut)


def test_a_decision_over_the_real_form_is_a_distribution_that_depends_on_the_picture(
    served: tuple[str, Path],
) -> None:
    one = client(served, "sees")
    abilities = probe_decide(one, "Probe 1.")
    order = EngineOrder(LABELS, "Toys count.", EngineUse("decide:here/m"), f"here/{one.model}", 1)
    engine = BackendEngine(DecideBackend(order, abilities, one, Price(), perf_counter))
    items = [Item(Image.new("RGB", (64, 64), colour), "a <text>", colour) for colour in ("red", "blue")]

    red, blue = check_look(engine.look(items), items=2, classes=2).prelabels

    assert abilities == Abilities(images=True, usage=True, decides="/systemone")
    assert red.evidence.raw != blue.evidence.raw
    assert red.evidence.reason == blue.evidence.reason == ""
    assert red.evidence.tokens_in > 0
