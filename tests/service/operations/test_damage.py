"""What `doctor --deep` finds of what a disk did to a home, what it makes anew, and what it names."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from db.integrity import check_file
from db.session import make_engine, transaction
from db.write_ahead_log import lost_of_log
from labeling.adapters.storage.embedding_store import EmbeddingStore, MissingVectors
from labeling.errors import BadArtifact, Damaged, DatabaseDamaged, Unavailable
from service.operations.deep import KINDS, Deep, examine_deep
from service.operations.doctor import examine
from service.operations.kept import Ground
from service.operations.soundness import refuse_damaged
from service.settings import load_settings
from service.work.pool.pool import load_pool
from service.work.pool.saved_versions import load_classifier
from tests import factories
from tests.service.operations.old_home import Opened, champion, close, opened

UPLOAD, ORIGINAL, DRAWN = b"an upload", b"as it came", "d" * 64
IMAGES = [f"{number:064x}" for number in (3, 4, 5)]


def flip(path: Path, at: int = -1) -> None:
    """One bit of one byte, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at < 0 else at] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def foreign(path: Path) -> None:
    """Somebody else's file under this name."""
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"not ours" * 100)


def only(home: Path, pattern: str) -> Path:
    return sorted(home.glob(pattern))[0]


@dataclass(frozen=True)
class Plant:
    """A damage: which file, what is done to it, under which kind and name it is found, and whether it is mended."""

    pattern: str
    do: Callable[[Path], None]
    kind: str
    mended: bool
    name: str = ""


PLANTS = {
    "a bit of an image": Plant(f"media/shown/00/{IMAGES[0]}.*", flip, "image", False, IMAGES[0]),
    "an image that ends early": Plant(f"media/shown/00/{IMAGES[1]}.*", cut, "image", False, IMAGES[1]),
    "another file for an image": Plant(f"media/shown/00/{IMAGES[2]}.*", foreign, "image", False, IMAGES[2]),
    "a bit of an original": Plant("media/originals/*/*", flip, "original", False),
    "a bit of an upload": Plant("media/uploads/*/*", flip, "upload", False),
    "a drawing that ends early": Plant("media/drawings/*/*", cut, "drawing", True),
    "a shard that ends early": Plant("embeddings/seeded-encoder/*.safetensors", cut, "vector shard", True),
    "a bit of a shard": Plant("embeddings/seeded-words/*.safetensors", flip, "vector shard", True),
    "a bit of the pool's columns": Plant("pool/*/*.rows", flip, "pool columns", True),
    "a changed card": Plant("models/1/1/card.json", flip, "model", False, "version 1"),
    "a model without weights": Plant("models/1/2/head.safetensors", Path.unlink, "model", False, "version 2"),
    "missing predictions": Plant("predictions/1/1/*", Path.unlink, "predictions", True, "version 1"),
    "other predictions": Plant("predictions/1/2/*", foreign, "predictions", True, "version 2"),
    "a bit of a snapshot": Plant("snapshots/1/v1.jsonl", flip, "snapshot", True, "v1"),
    "a missing snapshot": Plant("snapshots/1/r1.jsonl", Path.unlink, "snapshot", True, "r1"),
    "a changed release": Plant("releases/1/r1/figures.json", flip, "release", False, "r1"),
    "a spool that is none": Plant("spool.db", foreign, "database", False, "spool.db"),
}


@pytest.fixture
def whole(old: Opened) -> Opened:
    """The home with something of every kind that is kept."""
    images = old.parts.images
    images.seal()
    images.keep_drawing(DRAWN, b"drawn")
    images.keep(hashlib.sha256(ORIGINAL).hexdigest(), b"shown", "image/png", ORIGINAL)
    address = images.keep_upload(UPLOAD)
    with transaction(old.database) as session:
        factories.registration(session, old.project.id, "u.png", address=address)
    load_pool(old.parts, old.project)
    (old.home / "spool.db-wal").unlink(missing_ok=True)
    return old


@pytest.fixture
def ground(whole: Opened) -> Iterator[Ground]:
    made = Ground(load_settings(home=whole.home), whole.database)
    yield made
    made.close()


def looked(ground: Ground, *, repair: bool = False) -> Deep:
    found = Deep()
    examine_deep(ground, found, repair=repair)
    assert found.complete
    return found


def test_a_home_that_nothing_happened_to_is_whole_and_every_kind_was_looked_at(ground: Ground) -> None:
    found = looked(ground)

    assert (found.damages, found.well) == ([], True)
    assert set(found.counts) == set(KINDS)
    assert [kind for kind, count in found.counts.items() if not count] == []


def test_every_damage_is_found_named_with_a_way_out_and_what_is_derived_is_made_anew(ground: Ground) -> None:
    for plant in PLANTS.values():
        plant.do(only(ground.home, plant.pattern))

    found = looked(ground)
    mended = looked(ground, repair=True)
    after = looked(ground)

    for what, plant in PLANTS.items():
        assert [d for d in found.damages if d.kind == plant.kind and plant.name in d.name], what
    assert not found.well and not any(damage.mended for damage in found.damages)
    assert all(damage.wrong and damage.way_out for damage in found.damages)
    expected = {(p.kind, p.name): p.mended for p in PLANTS.values()}
    for (kind, name), is_mended in expected.items():
        assert {d.mended for d in mended.damages if d.kind == kind and name in d.name} == {is_mended}, (kind, name)
    left = {damage.kind for damage in after.damages}
    assert left == {plant.kind for plant in PLANTS.values() if not plant.mended} | {"vectors"}


def test_nothing_that_is_damaged_is_given_out(whole: Opened) -> None:
    for what in PLANTS.values():
        what.do(only(whole.home, what.pattern))
    whole.parts.memo.clear()
    images = whole.parts.images

    for picture in IMAGES:
        with pytest.raises(Damaged, match="--repair"):
            images.shown(picture)
    with pytest.raises(Damaged):
        images.original(hashlib.sha256(ORIGINAL).hexdigest())
    with pytest.raises(Damaged, match="Upload the file again"):
        images.read_upload(f"upload:{hashlib.sha256(UPLOAD).hexdigest()}")
    with pytest.raises(Damaged):
        images.drawing(DRAWN)
    with pytest.raises(BadArtifact):
        load_classifier(whole.home, champion(whole))
    store = EmbeddingStore(str(whole.home / "embeddings"))
    with pytest.raises(MissingVectors):
        store.get("seeded-encoder", [IMAGES[0]])


def _spoil(path: Path, table: str, at: int) -> None:
    """Change what stands at the start of the first page of a table or index."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, size = (
            file.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0],
            file.execute("PRAGMA page_size").fetchone()[0],
        )
    content = bytearray(path.read_bytes())
    content[(page - 1) * size + at] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_page_is_found_at_start_by_the_doctor_and_by_a_deep_look(unpacked: Path) -> None:
    close(opened(unpacked))
    _spoil(unpacked / "hardcase.db", "label", 0)
    old = Ground(settings := load_settings(home=unpacked), make_engine(f"sqlite:///{unpacked / 'hardcase.db'}"))

    with pytest.raises(DatabaseDamaged, match="backup"):
        refuse_damaged(old.database)
    checks = examine(settings, old.database, None)  # type: ignore[arg-type]
    found = looked(old, repair=True)
    old.database.dispose()

    assert [(check.name, check.ok) for check in checks] == [("database is sound", False)]
    assert "backup" in checks[0].way_out
    assert [d.mended for d in found.damages if d.kind == "database"] == [False]


def test_a_damaged_index_is_made_anew(unpacked: Path) -> None:
    close(opened(unpacked))
    path = unpacked / "hardcase.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA writable_schema = ON")
        file.execute("UPDATE sqlite_master SET sql = replace(sql, '(project_id', '(position') WHERE name = ?", (INDEX,))
        file.commit()
    ground = Ground(load_settings(home=unpacked), make_engine(f"sqlite:///{unpacked / 'hardcase.db'}"))

    first = looked(ground, repair=True)
    second = looked(ground)
    ground.database.dispose()

    assert [d.mended for d in first.damages if d.kind == "database"] == [True]
    assert [d for d in second.damages if d.kind == "database"] == []


INDEX = "ix_image_group_project_id"
WRITER = """
import os, signal, sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("PRAGMA journal_mode=WAL")
file.execute("CREATE TABLE note (text)")
for number in range(50):
    file.execute("INSERT INTO note VALUES (?)", ("a" * 500,))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("do", [cut, flip, Path.unlink])
def test_a_log_of_a_killed_process_that_lost_something_is_noticed_before_it_is_opened(
    tmp_path: Path, do: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.db"
    subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False, timeout=60)

    before = lost_of_log(path)
    do(Path(f"{path}-wal"))
    after = lost_of_log(path)
    check_file(path, deep=True)  # opens it: what was lost is dropped

    assert before is None
    assert after is not None and "a.db-wal" in after
    assert lost_of_log(path) is None


def test_ctrl_c_ends_a_check_and_a_file_that_another_process_holds_is_away_and_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE note (text)")
        file.executemany("INSERT INTO note VALUES (?)", [("a" * 2_000,)] * 100_000)
        file.commit()

        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # processes that share tests ignore it
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            for _ in range(100):
                check_file(path, deep=True)
        signal.signal(signal.SIGINT, before)
        file.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable):
            check_file(path, deep=False)


def test_a_short_look_ends_in_time_and_says_that_it_saw_a_part(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE note (text)")
        file.executemany("INSERT INTO note VALUES (?)", [("a" * 2_000,)] * 20_000)
        file.commit()

    assert not check_file(path, deep=False, within_s=0.0).complete
    assert check_file(path, deep=False).complete
