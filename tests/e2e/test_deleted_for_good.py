"""Nothing is left: an image, an annotator and a project are deleted from a home that runs, and every file is searched.

Marks stand in the bytes of a picture, its text, its metadata and its name, and in the name of an annotator; the home
has a real Label Studio of its own, logs, a snapshot and a release.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.operations.label_studio_server import Account, find_program
from tests.e2e.conftest import ROOT, free_port
from tests.e2e.running import make_pictures, wait_until
from tests.label_studio_server import LabelStudioServer, copy_migrated

IN_BYTES, IN_TEXT, IN_DETAILS, IN_NAME = "QUAGGAbytes", "QUAGGAwords", "QUAGGAplace", "QUAGGAname"
OF_IMAGE = (IN_BYTES, IN_TEXT, IN_DETAILS, IN_NAME)
PERSON = "dodo-annie@example.com"
OF_PROJECT = "MOAwords"
PROJECT = """\
name: MOAbirds
labels: [red, green, blue]
policy: {engine: scripted, query_size: 20, low_water: 1, source_every_s: 1, keep_originals: true,
  gold: {rate: 0}, team: {names_in_exports: true}}
"""


@dataclass(frozen=True)
class Home:
    """A running home, and how to ask its processes."""

    folder: Path
    environment: dict[str, str]

    def cli(self, *words: str) -> Any:
        command = [sys.executable, "-m", "service.cli", *words, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    @property
    def studio(self) -> str:
        return self.environment["HARDCASE_LABEL_STUDIO_URL"]

    @property
    def token(self) -> str:
        return (self.folder / "label-studio/hardcase.secret").read_text().split()[1]

    def number(self, query: str) -> int:
        return int(self.text(query) or 0)

    def text(self, query: str) -> str:
        """One value of the home's database."""
        with closing(sqlite3.connect(self.folder / "hardcase.db", timeout=30)) as database:
            return str((database.execute(query).fetchone() or ("",))[0])

    def found(self, *texts: str) -> list[str]:
        """The files that hold one of these, in their content or their name."""
        hits = []
        for path in self.folder.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            forms = [form for text in texts for form in (text.encode(), text.encode("utf-16-le"))]
            named = any(text in path.name for text in texts)
            if named or any(form in content for form in forms):
                hits.append(str(path.relative_to(self.folder)))
        return sorted(hits)


@contextmanager
def _running(tmp_path: Path) -> Iterator[Home]:
    folder = tmp_path / "home"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HARDCASE_")},
        "HARDCASE_HOME": str(folder),
        "HARDCASE_PORT": str(free_port()),
        "HARDCASE_LABEL_STUDIO_URL": f"http://127.0.0.1:{free_port()}",
        "HARDCASE_SWEEP_EVERY_S": "2",
        "HARDCASE_LOG_LEVEL": "DEBUG",
    }
    template = Path(tempfile.gettempdir()) / "hardcase-label-studio-template"
    copy_migrated(find_program(ROOT), folder / "label-studio", free_port(), template)
    command = [sys.executable, "-m", "service.cli", "up", "--label-studio", "--json"]
    with (tmp_path / "up.log").open("wb") as log:
        up = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: '"web"' in (tmp_path / "up.log").read_text(), "hardcase up was not ready", 240)
        yield Home(folder, environment)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)


def _write_source(folder: Path) -> Path:
    """A manifest of nine pictures, the first with all marks."""
    make_pictures(folder, 9, ("red", "green", "blue"))
    marked = PngInfo()
    marked.add_text("Comment", IN_BYTES)
    with Image.open(folder / "000.png") as image:
        image.save(folder / f"{IN_NAME}.png", pnginfo=marked)
    rows = [{"image": f"{n:03d}.png", "text": f"{OF_PROJECT} {n}", "place": "north"} for n in range(1, 9)]
    first = {"image": f"{IN_NAME}.png", "text": f"red {IN_TEXT}", "place": IN_DETAILS}
    manifest = folder / "birds.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in (first, *rows)))
    return manifest


def _add_person(home: Home) -> dict[str, str]:
    """Who answers, by the headers of their requests."""
    admin = Account("admin@example.com", "", home.token)
    server = LabelStudioServer(home.studio, home.folder, admin, cast(Any, None))
    return {"Authorization": f"Token {server.add_annotator(PERSON, 'Passw0rd-of-a-test').token}"}


def _everything_is_labelled(home: Home, person: dict[str, str]) -> bool:
    """Answer whatever is asked, as their page would: a query need not ask everything at once."""
    with httpx.Client(base_url=home.studio, headers=person, timeout=60) as studio:
        while (task := studio.get("/api/projects/1/next")).status_code == httpx.codes.OK:
            assert httpx.get(task.json()["data"]["image"]).headers["content-type"].startswith("image/")
            result = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["red"]}}
            body = {"result": [result], "lead_time": 2.0}
            studio.post(f"/api/tasks/{task.json()['id']}/annotations/", json=body).raise_for_status()
    return home.number("SELECT count(DISTINCT image_id) FROM label") >= 9


def test_what_is_deleted_is_in_no_file_of_the_home_any_more(tmp_path: Path) -> None:
    manifest = _write_source(tmp_path / "birds")
    (tmp_path / "birds.yaml").write_text(PROJECT)
    with _running(tmp_path) as home:
        home.cli("project", "create", str(tmp_path / "birds.yaml"))
        home.cli("ingest", "MOAbirds", str(manifest), "--watch")
        wait_until(lambda: home.number("SELECT count(*) FROM push") > 0, "something is asked", 180)
        person = _add_person(home)
        wait_until(lambda: _everything_is_labelled(home, person), "answers are labels", 180)
        home.cli("release", "MOAbirds", "v1", "--note", "for a test")
        home.cli("snapshot", "create", "MOAbirds", "open")
        home.cli("team", "export-data", "MOAbirds", "1", str(tmp_path / "data.json"))
        before = {text: home.found(text) for text in (*OF_IMAGE, PERSON)}

        image = home.number(f"SELECT id FROM image WHERE text LIKE '%{IN_TEXT}%'")
        home.cli("delete", "image", "MOAbirds", str(image), "--reason", "consent withdrawn", "--yes")
        after_image = home.found(*OF_IMAGE)
        released = home.cli("snapshot", "list", "MOAbirds")
        home.cli("delete", "annotator", "MOAbirds", "1", "--reason", "asked for it", "--yes")
        after_person = home.found(PERSON)
        looked = home.text("SELECT max(looked_at) FROM source")
        wait_until(lambda: home.text("SELECT max(looked_at) FROM source") > looked, "the source was read again", 60)
        images = home.number("SELECT count(*) FROM registration")
        home.cli("snapshot", "verify", "MOAbirds", "v1")
        home.cli("delete", "project", "MOAbirds", "--reason", "finished", "--yes")
        after_project = home.found(OF_PROJECT, "MOAbirds", *OF_IMAGE, PERSON)
        tombstones = home.cli("delete", "list")

    assert all(before.values()), before
    assert {"hardcase.db", "label-studio/label_studio.sqlite3"} <= {one.removesuffix("-wal") for one in before[IN_TEXT]}
    assert PERSON in (tmp_path / "data.json").read_text()
    assert (after_image, after_person, after_project) == ([], [], [])
    assert [(one["withdrawn"], one["state"] != one["hash"]) for one in released] == [(1, True), (1, True)]
    assert images == 8
    assert [(one["kind"], one["reason"]) for one in tombstones] == [("project", "finished")]
