"""A store that is away, slow or half there, with the errors that libraries really raise."""

from __future__ import annotations

import errno
import http.client
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import urllib3.exceptions
from fsspec.implementations.local import LocalFileSystem

from labeling.adapters.sources.files import file_exists, folder_exists, names_file, open_file, read_file
from labeling.adapters.sources.folders import Unread, find_images
from labeling.adapters.storage.image_store import ImageStore
from labeling.adapters.storage.storage_faults import MOST_HANGING, Patience
from labeling.errors import BadAddress, NotFound, StorageFull, Unavailable
from tests.service.adapters.away_store import AwayStore, bucket

HASH = sha256(b"x").hexdigest()
AWAY = [
    urllib3.exceptions.MaxRetryError(None, "/", None),  # type: ignore[arg-type]
    http.client.IncompleteRead(b"half"),
    ssl.SSLError("certificate has expired"),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    TimeoutError("timed out"),
    PermissionError(errno.EACCES, "the rights were taken"),
    OSError(errno.EIO, "Input/output error"),
    RuntimeError("Session is closed"),
    json.JSONDecodeError("no JSON", "<html>503", 0),
    KeyError("Contents"),
]
CALLS: dict[str, Callable[[ImageStore], object]] = {
    "keep": lambda store: store.keep(HASH, b"shown", "image/png", b"original"),
    "keep_upload": lambda store: store.keep_upload(b"x"),
    "keep_drawing": lambda store: store.keep_drawing(HASH, b"x"),
    "shown": lambda store: store.shown(HASH),
    "original": lambda store: store.original(HASH),
    "drawing": lambda store: store.drawing(HASH),
    "read_upload": lambda store: store.read_upload(f"upload:{HASH}"),
    "check": lambda store: store.check(),
    "collect": lambda store: store.collect(set(), uploads=set(), before=datetime.now(UTC)),
}
READS: dict[str, Callable[[], object]] = {
    "find_images": lambda: list(find_images("s3://photos", Counter())),
    "folder_exists": lambda: folder_exists("s3://photos"),
    "file_exists": lambda: file_exists("s3://photos/a.png"),
    "read_file": lambda: read_file("s3://photos/a.png", 100),
    "open_file": lambda: open_file("s3://photos/a.png").__enter__(),
}


@pytest.fixture
def photos() -> Iterator[type[AwayStore]]:
    with bucket() as store:
        ImageStore("s3://media").keep(HASH, b"shown", "image/png", None)
        files = store()
        files.makedirs("s3://photos", exist_ok=True)
        files.pipe_file("s3://photos/a.png", b"0123456789")
        yield store


@pytest.mark.parametrize("away", AWAY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", CALLS)
def test_whatever_a_store_raises_is_unavailable(photos: type[AwayStore], call: str, away: Exception) -> None:
    store = ImageStore("s3://media")
    photos.away = away

    with pytest.raises(Unavailable, match="storage failed"):
        CALLS[call](store)

    photos.away = None
    assert store.shown(HASH) == (b"shown", "image/png")


@pytest.mark.parametrize("away", AWAY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", READS)
def test_a_source_that_does_not_answer_is_unavailable_and_not_empty(
    photos: type[AwayStore], call: str, away: Exception
) -> None:
    photos.away = away

    with pytest.raises(Unavailable):
        READS[call]()

    photos.away = None
    assert [found.address for found in find_images("s3://photos", Counter())] == ["s3://photos/a.png"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_store_without_room_says_so_however_deep_the_error_lies(photos: type[AwayStore], number: int) -> None:
    photos.away = RuntimeError("upload failed")
    photos.away.__cause__ = OSError(number, "no room")

    with pytest.raises(StorageFull):
        ImageStore("s3://media").keep_upload(b"x")


def test_a_mistake_in_calling_a_store_is_no_outage(photos: type[AwayStore]) -> None:
    photos.away = TypeError("unexpected keyword argument")

    with pytest.raises(TypeError):
        ImageStore("s3://media").keep_upload(b"x")


def test_what_is_not_there_is_said_as_before(photos: type[AwayStore]) -> None:
    assert (folder_exists("s3://photos"), file_exists("s3://photos/a.png")) == (True, True)
    assert (folder_exists("s3://photos/b"), file_exists("s3://photos/b.png")) == (False, False)
    with pytest.raises(BadAddress, match="not there any more"):
        read_file("s3://photos/b.png", 100)
    with pytest.raises(NotFound):
        ImageStore("s3://media").shown("0" * 64)


def test_a_file_that_comes_in_part_is_tried_again(photos: type[AwayStore]) -> None:
    photos.half = True

    with pytest.raises(Unavailable, match="in part"):
        read_file("s3://photos/a.png", 100)
    with pytest.raises(Unavailable, match="in part"), open_file("s3://photos/a.png") as file:
        file.read()


def test_a_file_is_read_in_any_order_through_what_translates_its_errors(photos: type[AwayStore]) -> None:
    with open_file("s3://photos/a.png") as file:
        assert (file.read(3), file.seek(-2, 2), file.read(), file.read()) == (b"012", 8, b"89", b"")
    with pytest.raises(BadAddress, match="not there any more"), open_file("s3://photos/b.png"):
        pass


@pytest.mark.parametrize("away", AWAY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ["ls", "open"])
def test_in_the_middle_of_a_walk_a_missing_right_is_named_and_an_outage_is_of_the_place(
    photos: type[AwayStore], monkeypatch: pytest.MonkeyPatch, call: str, away: Exception
) -> None:
    for name in ("b/odd", "b/c.png", "d/e.png"):
        photos().pipe_file(f"s3://photos/{name}", b"x")
    answering = getattr(photos, call)

    def failing(self: AwayStore, path: str, *args: object, **options: object) -> object:
        if path.endswith(("/b", "/odd")):
            raise away
        return answering(self, path, *args, **options)

    monkeypatch.setattr(photos, call, failing)
    unread: list[Unread] = []
    ignored: Counter[str] = Counter()
    if not isinstance(away, PermissionError):
        with pytest.raises(Unavailable, match="storage failed"):
            list(find_images("s3://photos", ignored, unread))
        assert (unread, ignored) == ([], {})
        return
    found = [one.address for one in find_images("s3://photos", ignored, unread)]

    assert "s3://photos/d/e.png" in found and ("s3://photos/b/c.png" in found) == (call == "open")
    assert [(one.reference, one.is_empty) for one in unread] == [
        ("s3://photos/b" if call == "ls" else "s3://photos/b/odd", False)
    ]


def test_in_a_bucket_that_nobody_may_list_a_name_with_backslashes_is_no_file(photos: type[AwayStore]) -> None:
    photos.away = PermissionError(errno.EACCES, "Forbidden")
    assert not names_file("s3://photos/a\\b.png")

    photos.away = TimeoutError("timed out")
    with pytest.raises(Unavailable):
        names_file("s3://photos/a\\b.png")


@pytest.mark.parametrize(("number", "is_named"), [(errno.EIO, True), (errno.ESTALE, True), (errno.EMFILE, False)])
def test_on_this_machine_a_broken_disk_is_named_and_spent_descriptors_are_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_named: bool
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "a.png").write_bytes(b"x")
    of_system = LocalFileSystem.ls

    def ls(self: LocalFileSystem, path: str, *args: object, **options: object) -> object:
        if path.endswith("disk"):
            raise OSError(number, "broken")
        return of_system(self, path, *args, **options)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    unread: list[Unread] = []
    if is_named:
        assert len(list(find_images(str(tmp_path), Counter(), unread))) == 1
        assert [one.reference for one in unread] == [str(tmp_path / "disk")]
    else:
        with pytest.raises(Unavailable):
            list(find_images(str(tmp_path), Counter(), unread))


def test_a_file_that_may_not_be_read_waits_and_says_what_to_do(photos: type[AwayStore]) -> None:
    photos.away = PermissionError(errno.EACCES, "Forbidden")

    with pytest.raises(Unavailable, match="Change its permissions"):
        read_file("s3://photos/a.png", 100)


def test_a_store_that_is_not_mounted_does_not_look_like_one_that_lost_an_image(tmp_path: object) -> None:
    with pytest.raises(Unavailable, match="mounted"):
        ImageStore(f"{tmp_path}/media").shown(HASH)


def test_who_waits_for_a_store_waits_no_longer_than_said_and_finds_it_again(photos: type[AwayStore]) -> None:
    store = ImageStore("s3://media", Patience(0.3))
    photos.slow_s = 2.0

    started = time.monotonic()
    for _ in range(MOST_HANGING):
        with pytest.raises(Unavailable, match="does not answer"):
            store.shown(HASH)
    while_hanging = time.monotonic()
    for _ in range(100):
        with pytest.raises(Unavailable, match="does not answer"):
            store.shown(HASH)
    at_once = time.monotonic() - while_hanging
    photos.slow_s = 0.0
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            found = store.shown(HASH)
            break
        except Unavailable:
            time.sleep(0.1)

    assert while_hanging - started < 0.3 * MOST_HANGING + 1.5
    assert at_once < 1.0, "nobody waits while others hang"
    assert threading.active_count() < 20
    assert found == (b"shown", "image/png")
