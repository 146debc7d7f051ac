"""Canaries and guards on the real database: known images only, results once, a pause with support, what may leave."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from PIL import Image

from db.repositories.engines import canaries, probes
from db.repositories.engines.canaries import Tally
from db.session import reading, transaction
from db.tables import ImageRow
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Denied, EnginePaused
from labeling.prelabel.endpoints.endpoint import Endpoint
from labeling.prelabel.engine import EngineOrder
from labeling.prelabel.guards.canaries import CanaryEngine, CanaryResult
from labeling.prelabel.guards.counterfactual import GuardedEngine
from labeling.project import EngineUse, LabelClass, Policy, Project
from labeling.types import ReviewKind
from service.engines import egress
from service.settings import Settings
from service.work.engines.guards import StoredCanaries, guard
from service.work.engines.means import Means
from tests import factories
from tests.conftest import NOW
from tests.injected_engines import CLASSES, ObedientReader, painted
from tests.scripted_endpoint import answering, called
from tests.service.labelled_pool import make_ground
from tests.tiny_encoders import save_clip

MakeProject = Callable[..., Project]
ORDER = EngineOrder(tuple(map(LabelClass, CLASSES)), "", EngineUse("agent:here/m"), "here/m")


def _book(database: sa.Engine, project: Project, home: Path, revision: str = "r1") -> StoredCanaries:
    return StoredCanaries(database, Means(Settings(home=home), project.id, database), ORDER, revision)


def _result(number: int, said: str = "heron") -> CanaryResult:
    return CanaryResult(f"k{number}", "order", "start of the text", "otter", "heron", "otter", said)


def test_a_canarys_result_is_kept_once_and_counted(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(database, classes=CLASSES)
    book = _book(database, project, tmp_path)

    for _ in range(2):
        book.note(_result(1))
        book.note(_result(2, said="otter"))

    with reading(database) as session:
        assert canaries.tally(session, project.id, "r1") == Tally(2, 1)


def test_an_engine_is_paused_when_it_surely_obeys_and_another_revision_is_not(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(database, classes=CLASSES)
    book = _book(database, project, tmp_path)
    for number in range(2):
        book.note(_result(number))
    book.check()

    book.note(_result(3))

    with pytest.raises(EnginePaused, match="obeyed 3 of 3"):
        book.check()
    _book(database, project, tmp_path, "r2").check()


def test_without_labels_of_people_there_are_no_canaries(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(database, classes=CLASSES)

    assert _book(database, project, tmp_path).known(7) is None


@pytest.mark.parametrize(
    ("name", "kinds"), [("agent", (GuardedEngine, CanaryEngine)), ("vlm", (GuardedEngine,)), ("bundled", ())]
)
def test_engines_that_read_are_guarded_and_those_behind_endpoints_get_canaries(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path, name: str, kinds: tuple[type, ...]
) -> None:
    project = make_project(database, classes=CLASSES)
    means = Means(Settings(home=tmp_path), project.id, database)

    engine = guard(ObedientReader(), name, ORDER, means)

    found = []
    while not isinstance(engine, ObedientReader):
        found.append(type(engine))
        engine = engine._engine  # type: ignore[attr-defined]
    assert tuple(found) == kinds


def test_local_only_refuses_what_is_outside_and_takes_what_is_said_to_be_local(tmp_path: Path) -> None:
    outside, inside = Endpoint("hosted", "https://api.example/v1"), Endpoint("box", "http://10.0.0.7/v1", local=True)
    closed, open_ = Settings(home=tmp_path, local_only=True), Settings(home=tmp_path)

    assert egress.check_endpoint(closed, inside) is inside and egress.check_endpoint(open_, outside) is outside
    with pytest.raises(Denied, match="'hosted' is outside"):
        egress.check_endpoint(closed, outside)


def test_the_log_of_what_leaves_names_fields_and_sizes_and_nothing_that_stands_in_them() -> None:
    words, picture = "the patient's name is Ann", "data:image/png;base64,aGVsbG8="
    content = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": picture}}]
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()

    with structlog.testing.capture_logs() as lines:
        egress.log_sending(Endpoint("hosted", "https://api.example/v1"), "m", body)

    assert len(lines) == 1 and lines[0]["event"] == "sent to an outside endpoint"
    assert lines[0]["messages_user_characters"] == len(words) and lines[0]["messages_user_pictures"] == 1
    assert "Ann" not in repr(lines) and "aGVs" not in repr(lines)


LOCAL_ONLY = """
import json, sys
asked = []
def hook(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        asked.append(str(args[1][0]))
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        asked.append(str(args[0]))
sys.addaudithook(hook)

from pathlib import Path
from labeling.errors import HardcaseError
from labeling.project import EngineUse
from labeling.types import ProjectId
from db.repositories.projects import projects
from db.session import reading, transaction
from db.tables import ImageRow
from labeling.adapters.storage.image_store import ImageStore
from service.settings import Settings
from service.work.prelabel.escalate import escalate_batch
from service.work.prelabel.prelabel import prelabel_batch
from service.work.wiring import make_parts

home, database, project_id = Path(sys.argv[1]), sys.argv[2], ProjectId(int(sys.argv[3]))
parts = make_parts(Settings(home=home, database_url=database, local_only=True, torch_threads=1))
done = [prelabel_batch(parts, project_id), escalate_batch(parts, project_id)]
with reading(parts.database) as session:
    project = projects.by_id(session, project_id)
before, refused = len(asked), {}
for name in ("dual-encoder:owner/model", "vlm:owner/model", "agent:hosted/m"):
    try:
        parts.engine_for(project, EngineUse(name))
    except HardcaseError as error:
        refused[name] = type(error).__name__
print(json.dumps({"asked": asked, "refused": refused, "done": done, "after": len(asked) - before}))
"""

ENDPOINTS = """
endpoints:
  here: {url: "%s", price: free, local: true}
  hosted: {url: "https://api.example/v1", price: free}
"""


def test_local_only_a_step_with_a_model_and_an_endpoint_never_leaves_loopback(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path
) -> None:
    save_clip(tmp_path / "clip")
    answer = {"reason": "seen", "label": "otter", "question": "", "confidence": "high"}
    use = EngineUse("agent:here/m", below_margin=1.0)
    policy = Policy(engine=f"dual-encoder:{tmp_path / 'clip'}", escalation=(use,))
    project = make_project(database, classes=CLASSES, policy=policy)
    _add_images(database, project, tmp_path, 4)

    with answering(lambda path, body: called(("answer", answer))) as endpoint:
        (tmp_path / "endpoints.yaml").write_text(ENDPOINTS % endpoint.url)
        able = {"images": True, "json_schema": True, "tools": True, "usage": True}
        with transaction(database) as session:
            for name, url in (("here", endpoint.url), ("hosted", "https://api.example/v1")):
                probes.record(session, endpoint=name, model="m", url=url, result=able, now=NOW)
        arguments = [sys.executable, "-c", LOCAL_ONLY, str(tmp_path), str(database.url), str(project.id)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=_bare(tmp_path))

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert set(seen["asked"]) == {"127.0.0.1"} and endpoint.count >= 1
    assert seen["done"][0]["done"] == 4 and seen["done"][1]["done"] >= 1
    assert seen["refused"] == {
        "dual-encoder:owner/model": "Unavailable", "vlm:owner/model": "Unavailable", "agent:hosted/m": "Denied"
    }  # fmt: skip
    assert seen["after"] == 0
    assert "asked an endpoint" in done.stdout + done.stderr and "river" not in done.stdout + done.stderr


def _add_images(database: sa.Engine, project: Project, home: Path, count: int) -> None:
    """Fetched images, as ingest leaves them."""
    store = ImageStore(str(home / "media"))
    with transaction(database) as session:
        for number in range(count):
            data = _png(painted(number))
            content_hash = sha256(data).hexdigest()
            store.keep(content_hash, data, "image/png", None)
            more = {"width": 320, "height": 240}
            factories.image(session, project.id, content_hash, text="by the river", **more)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _bare(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


def test_only_images_that_people_labelled_for_training_are_canaries(
    database: sa.Engine, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(database, classes=CLASSES)
    ground = make_ground(database, tmp_path, project, pool=12, reserved=6)
    ground.label(ground.pool[:4], ReviewKind.HARD)
    ground.label(ground.pool[4:6], ReviewKind.RANDOM)
    ground.label(ground.pool[6:8], None)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    with reading(database) as session:
        hashes = {image.id: image.content_hash for image in session.scalars(sa.select(ImageRow))}
    for content_hash in hashes.values():
        ImageStore(str(tmp_path / "media")).keep(content_hash, _png(painted()), "image/png", None)

    book = _book(database, project, tmp_path)
    known = [found for number in range(60) if (found := book.known(number)) is not None]

    assert {one.item.key for one in known} == {hashes[image] for image in ground.pool[:4]}
    truth = {hashes[image]: CLASSES[ground.truth[image]] for image in ground.pool}
    assert all(one.truth == truth[one.item.key] for one in known)
