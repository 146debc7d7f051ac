"""One project with every kind of engine: real parts, tiny models, an endpoint on loopback. The second time is free."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from PIL import Image

from db.repositories.engines import call_ledger, engines_in_force, probes
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import PrelabelRow
from labeling.project import Budget, EngineUse, Policy, Project
from labeling.types import NONE_OF_THESE, UNSURE
from service.settings import Settings
from service.work.prelabel.escalate import escalate_batch
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import Parts, make_parts
from tests import factories
from tests.conftest import NOW
from tests.scripted_endpoint import Answer, answering, called
from tests.tiny_encoders import save_clip
from tests.tiny_models import make_llama, make_llava

CLASSES = ("cat", "dog", "bird")
IMAGES = 5
ENDPOINTS = """
endpoints:
  chat: {{url: "{url}", price: {{input_per_m: 1, output_per_m: 2}}, local: true}}
  choice: {{url: "{url}", kind: decide, price: free, local: true}}
"""


def test_every_kind_looks_at_every_image_in_doubt_once_and_says_how_it_came_to_its_opinion(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database, classes=CLASSES, policy=_policy(tmp_path))
    parts = make_parts(Settings(home=tmp_path, database_url=str(database.url), torch_threads=1))
    _add_images(parts, project)

    with answering(_script) as endpoint:
        _allow(parts, endpoint.url)
        counts = _turn(parts, project)
        asked = endpoint.count
        again = _turn(parts, project)

    with reading(database) as session:
        rows = list(session.scalars(sa.select(PrelabelRow)))
        places = {stage.place: stage.revision for stage in engines_in_force.in_force(session, project.id)}
        spending, failed = call_ledger.spending(session, project.id), failures.listing(session, project.id)
    said = {place: [row for row in rows if row.revision == revision] for place, revision in places.items()}
    assert failed == []
    assert (counts, again) == ((IMAGES, 4 * IMAGES), (0, 0))
    assert {place: len(found) for place, found in said.items()} == dict.fromkeys(range(5), IMAGES)
    assert [{row.evidence["confidence_from"] for row in said[place]} for place in range(5)] == [
        {"softmax over the classes, of scale times cosine"},
        {"label likelihoods"},
        {"label likelihoods"},
        {"votes of 3"},  # no log-probabilities, and opinions so far are in doubt: it was asked three times
        {"the endpoint's probabilities"},
    ]
    assert all(row.evidence["prompt"] and row.evidence["config_version"] == 1 for row in rows)
    assert all(row.description for row in said[1])  # the captions that the language model then read
    assert {row.answer for row in said[3]} == {"bird"}
    assert all(row.cost_micro > 0 and row.evidence["tokens_in"] > 0 for row in said[3])
    assert {max(zip(row.probs, CLASSES, strict=True))[1] for row in said[4]} == {"dog"}
    assert spending.spent_micro == sum(row.cost_micro for row in rows) and spending.reserved_micro == 0
    assert endpoint.count == asked


def _turn(parts: Parts, project: Project) -> tuple[int, int]:
    """How many looks the first engine took, and how many the escalation, until nothing is left to look at."""
    first, dear = prelabel_batch(parts, project.id)["done"], 0
    while (counts := escalate_batch(parts, project.id))["done"]:
        dear += counts["done"]
    return first, dear


def _policy(home: Path) -> Policy:
    save_clip(home / "clip")
    names = (
        f"vlm:{make_llava(home / 'llava')}",
        f"described:{make_llama(home / 'llama')}",
        "agent:chat/m",
        "decide:choice/m",
    )
    uses = tuple(EngineUse(name, below_margin=1.0) for name in names)
    return Policy(engine=f"dual-encoder:{home / 'clip'}", escalation=uses, budget=Budget(1_000_000))


def _allow(parts: Parts, url: str) -> None:
    """Two endpoints that were probed."""
    (parts.settings.home / "endpoints.yaml").write_text(ENDPOINTS.format(url=url))
    able: dict[str, Any] = {"images": True, "json_schema": True, "tools": True, "usage": True}
    with transaction(parts.database) as session:
        probes.record(session, endpoint="chat", model="m", url=url, result=able, now=NOW)
        probes.record(session, endpoint="choice", model="m", url=url, result={**able, "decides": "/decisions"}, now=NOW)


def _script(path: str, body: dict[str, Any]) -> Answer:
    if path == "/decisions":
        shares = {"cat": 0.1, "dog": 0.7, "bird": 0.1, NONE_OF_THESE: 0.05, UNSURE: 0.05}
        return Answer(json.dumps({"answers": {"label": {"probabilities": shares}}, "usage": {"prompt_tokens": 9}}))
    return called(("answer", {"reason": "wings", "label": "bird", "question": "", "confidence": "high"}))


def _add_images(parts: Parts, project: Project) -> None:
    """Fetched images of noise, as ingest leaves them."""
    rng = np.random.default_rng(0)
    with transaction(parts.database) as session:
        for _ in range(IMAGES):
            image = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((64, 64))
            out = io.BytesIO()
            image.save(out, "PNG")
            digest = sha256(out.getvalue()).hexdigest()
            parts.images.keep(digest, out.getvalue(), "image/png", None)
            more = {"width": 64, "height": 64, "text": "by the river"}
            factories.image(session, project.id, digest, **more)
