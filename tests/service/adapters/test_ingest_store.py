"""The image store on a folder and in memory."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from labeling.adapters.storage.image_store import ImageStore, Stored
from labeling.errors import BadAddress, NotFound, StorageFull

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HASH = sha256(b"original").hexdigest()


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    return ImageStore(str(tmp_path / "media") if request.param == "folder" else f"memory://{tmp_path.name}")


def test_an_upload_is_kept_under_the_hash_of_its_bytes(store: ImageStore) -> None:
    first, again = store.keep_upload(b"bytes"), store.keep_upload(b"bytes")

    assert first == again == "upload:" + sha256(b"bytes").hexdigest()
    assert store.read_upload(first) == b"bytes"


def test_a_store_whose_folder_is_called_like_one_of_its_own_knows_what_it_has(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path / "originals" / "store"))
    store.keep(HASH, b"shown", "image/png", b"original")

    assert store.has(Stored.PICTURE, HASH)
    assert not store.has(Stored.PICTURE, sha256(b"another").hexdigest())


def test_what_is_shown_comes_back_with_its_media_type_and_the_original_only_if_it_was_kept(store: ImageStore) -> None:
    store.keep(HASH, b"shown", "image/png", None)

    assert store.shown(HASH) == (b"shown", "image/png")
    with pytest.raises(NotFound, match="keep_originals"):
        store.original(HASH)
    store.keep(HASH, b"shown", "image/png", b"original")
    assert store.original(HASH) == b"original"


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "A" * 64, "0" * 63, "%2e%2e", "0" * 64 + "/x", "x\0"])
def test_nothing_but_a_hash_names_a_file(store: ImageStore, name: str) -> None:
    with pytest.raises(BadAddress):
        store.read_upload("upload:" + name)
    with pytest.raises(BadAddress):
        store.shown(name)


def test_collection_removes_only_what_is_old_and_unwanted(store: ImageStore) -> None:
    upload = store.keep_upload(b"waiting").removeprefix("upload:")
    store.keep_upload(b"done")
    store.keep(HASH, b"shown", "image/jpeg", b"original")

    assert store.collect(set(), uploads=set(), before=LONG_AGO) == 0
    assert store.collect({HASH}, uploads={upload}, before=soon()) == 1
    assert store.read_upload("upload:" + upload) == b"waiting"
    assert store.collect(set(), uploads=set(), before=soon()) == 3


def test_a_full_disk_says_so_and_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = ImageStore(str(tmp_path))
    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(StorageFull, match="Free some space"):
        store.keep_upload(b"bytes")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    ImageStore(str(tmp_path)).check()

    assert list(tmp_path.iterdir()) == []
