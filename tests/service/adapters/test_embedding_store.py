"""The vector store: what is put comes back, in order, once, on a folder and on an object store, whatever is killed."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import fsspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from labeling.adapters.storage.embedding_store import SMALL_SHARDS_ALLOWED, EmbeddingStore, MissingVectors
from labeling.errors import Invalid, Unavailable

ENCODER = "thumb-4.1"


def _keys(n: int, start: int = 0) -> list[str]:
    return [sha256(str(i).encode()).hexdigest() for i in range(start, start + n)]


def _vectors(n: int, seed: int = 0, dimensions: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dimensions)).astype(np.float16).astype(np.float32)


@pytest.fixture(params=["folder", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "vectors") if request.param == "folder" else f"memory://{tmp_path.name}/vectors"
    fsspec.filesystem("memory").store.clear()


def _open(address: str, tmp_path: Path, machine: str = "one") -> EmbeddingStore:
    """The store as another process of this machine, or of another one, opens it."""
    return EmbeddingStore(address, cache=tmp_path / f"cache-{machine}")


def _files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.rglob("*.safetensors"))


def test_vectors_come_back_in_the_order_asked(address: str, tmp_path: Path) -> None:
    store, keys, vectors = _open(address, tmp_path), _keys(5), _vectors(5)

    store.put(ENCODER, keys, vectors)

    np.testing.assert_array_equal(store.get(ENCODER, keys[::-1]), vectors[::-1])
    np.testing.assert_array_equal(store.get(ENCODER, [keys[1], keys[1]]), vectors[[1, 1]])


def test_putting_twice_adds_nothing_and_changes_nothing(address: str, tmp_path: Path) -> None:
    store, keys, vectors = _open(address, tmp_path), _keys(5), _vectors(5)
    first = store.put(ENCODER, keys, vectors)

    second = store.put(ENCODER, keys + keys, np.vstack([-vectors, vectors]))
    elsewhere = _open(address, tmp_path, "other").put(ENCODER, keys, -vectors)

    assert (first, second, elsewhere) == (5, 0, 0)
    np.testing.assert_array_equal(_open(address, tmp_path).get(ENCODER, keys), vectors)


def test_missing_vectors_are_named(address: str, tmp_path: Path) -> None:
    store, keys = _open(address, tmp_path), _keys(3)
    store.put(ENCODER, keys[:1], _vectors(1))

    with pytest.raises(MissingVectors) as caught:
        store.get(ENCODER, keys)
    with pytest.raises(MissingVectors):
        store.matrix("never-seen", keys)

    assert caught.value.keys == tuple(keys[1:])


def test_rows_of_a_matrix_are_those_of_an_array(address: str, tmp_path: Path) -> None:
    store, keys, vectors = _open(address, tmp_path), _keys(9), _vectors(9)
    store.put(ENCODER, keys[:5], vectors[:5])
    early = store.matrix(ENCODER, keys[:5])
    store.put(ENCODER, keys[5:], vectors[5:])

    matrix = store.matrix(ENCODER, [keys[7], None, *keys])
    expected = np.vstack([vectors[7], np.full(8, np.nan), vectors])

    assert (matrix.shape, matrix.dtype, len(matrix)) == (expected.shape, np.float32, 11)
    for rows in (0, 1, -1, slice(2, 9, 3), slice(4, 4), [8, 0, 8], expected[:, 0] > 0, np.zeros(0, np.int64)):
        np.testing.assert_array_equal(matrix[rows], expected[rows])
    np.testing.assert_array_equal(np.asarray(matrix), expected)
    np.testing.assert_array_equal(early[:], vectors[:5])
    assert store.matrix(ENCODER, [None, None]).shape == (2, 8)
    assert store.get(ENCODER, []).shape[0] == 0


@pytest.mark.parametrize("ending", ["00" * 4, "ff" * 4])
def test_keys_that_end_in_zeros_are_told_apart(tmp_path: Path, ending: str) -> None:
    store, keys = EmbeddingStore(str(tmp_path)), [("ab" * n).ljust(56, "0") + ending for n in range(5)]

    store.put(ENCODER, keys, _vectors(5))

    np.testing.assert_array_equal(EmbeddingStore(str(tmp_path)).get(ENCODER, keys), _vectors(5))


def test_what_another_process_put_is_found(address: str, tmp_path: Path) -> None:
    one, other = _open(address, tmp_path), _open(address, tmp_path)
    far, keys, vectors = _open(address, tmp_path, "other"), _keys(6), _vectors(6)

    one.put(ENCODER, keys[:2], vectors[:2])
    other.put(ENCODER, keys[:4], vectors[:4])
    far.put(ENCODER, keys, vectors)

    for store in (one, other, far):
        np.testing.assert_array_equal(store.get(ENCODER, keys), vectors)


def test_collection_removes_what_no_row_names(address: str, tmp_path: Path) -> None:
    store, far, keys, vectors = _open(address, tmp_path), _open(address, tmp_path, "other"), _keys(6), _vectors(6)
    store.put(ENCODER, keys[:2], vectors[:2])
    store.put(ENCODER, keys[2:], vectors[2:])
    held, tokens = far.matrix(ENCODER, keys), [one.token(ENCODER) for one in (store, far)]

    removed = store.collect(ENCODER, set(keys[3:]))

    assert removed == 3
    assert store.collect(ENCODER, set(keys[3:])) == store.collect("never-seen", set()) == 0
    assert all(one.token(ENCODER) != before for one, before in zip((store, far), tokens, strict=True))
    np.testing.assert_array_equal(held[:], vectors)  # whoever reads may finish
    np.testing.assert_array_equal(far.matrix(ENCODER, keys[3:])[:], vectors[3:])
    with pytest.raises(MissingVectors):
        far.matrix(ENCODER, keys)
    assert far.put(ENCODER, keys[:1], vectors[:1]) == 1


def test_a_token_stays_while_vectors_are_only_added_and_merged(address: str, tmp_path: Path) -> None:
    store, far = _open(address, tmp_path), _open(address, tmp_path, "other")
    empty = store.token(ENCODER)
    store.put(ENCODER, _keys(2), _vectors(2))
    tokens = [one.token(ENCODER) for one in (store, far)]

    store.put(ENCODER, _keys(2, start=2), _vectors(2))
    store.compact()

    assert empty == b"" != tokens[0]
    assert [one.token(ENCODER) for one in (store, far)] == tokens


def test_many_small_appends_are_merged_and_stay_in_order(address: str, tmp_path: Path) -> None:
    store, far, n = _open(address, tmp_path), _open(address, tmp_path, "other"), SMALL_SHARDS_ALLOWED + 6
    keys, vectors = _keys(n), _vectors(n)

    for row in range(n):
        store.put(ENCODER, keys[row : row + 1], vectors[row : row + 1])
    by_itself = len(_files(tmp_path))
    store.compact()

    np.testing.assert_array_equal(far.get(ENCODER, keys), vectors)
    shards = _files(tmp_path)
    assert by_itself < 2 * n and len({path.name for path in shards}) == 1
    merged = load_file(shards[0])
    assert [bytes(key).hex() for key in merged["keys"]] == keys
    np.testing.assert_array_equal(merged["vectors"], vectors.astype(np.float16))


def test_two_machines_that_put_the_same_write_it_once_when_it_is_merged(tmp_path: Path) -> None:
    address, keys, vectors = f"memory://{tmp_path.name}", _keys(4), _vectors(4)
    one, other = _open(address, tmp_path), _open(address, tmp_path, "other")
    for n in (3, 4):
        EmbeddingStore(str(tmp_path / f"{n}")).put(ENCODER, keys[:n], vectors[:n])
        shard = _files(tmp_path / f"{n}")[0]
        fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}/{ENCODER}/{shard.name}", shard.read_bytes())

    other.compact()

    np.testing.assert_array_equal(one.get(ENCODER, keys), vectors)
    assert [len(load_file(path)["keys"]) for path in _files(tmp_path / "cache-one")] == [4]


def test_what_a_killed_process_left_half_written_goes_once_it_is_old(tmp_path: Path) -> None:
    store = EmbeddingStore(str(tmp_path))
    store.put(ENCODER, _keys(1), _vectors(1))
    old, new = (tmp_path / ENCODER / f".{name}.safetensors.1.tmp" for name in "ab")
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    store.compact()

    assert (old.exists(), new.exists()) == (False, True)


def test_an_index_of_many_keys_finds_each_as_one_of_few_does(tmp_path: Path) -> None:
    store, keys, vectors = EmbeddingStore(str(tmp_path)), _keys(25_000), _vectors(25_000)
    for start in range(0, 25_000, 6_000):
        store.put(ENCODER, keys[start : start + 6_100], vectors[start : start + 6_100])
        store.put(ENCODER, keys[start : start + 10], vectors[start : start + 10])

    np.testing.assert_array_equal(store.get(ENCODER, keys), vectors)
    np.testing.assert_array_equal(EmbeddingStore(str(tmp_path)).get(ENCODER, keys[::-7]), vectors[::-7])
    with pytest.raises(MissingVectors):
        store.get(ENCODER, _keys(1, start=25_000))


def test_half_a_shard_is_never_read_and_goes(tmp_path: Path) -> None:
    store, keys, vectors = EmbeddingStore(str(tmp_path)), _keys(4), _vectors(4)
    store.put(ENCODER, keys[:2], vectors[:2])
    store.put(ENCODER, keys[2:], vectors[2:])
    cut = _files(tmp_path)[0]
    whole = cut.read_bytes()

    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        again = EmbeddingStore(str(tmp_path))
        with pytest.raises(MissingVectors) as caught:
            again.get(ENCODER, keys)
        assert len(caught.value.keys) == 2
    again.compact()

    assert cut not in _files(tmp_path)
    assert again.put(ENCODER, keys, vectors) == 2
    np.testing.assert_array_equal(again.get(ENCODER, keys), vectors)


def test_no_new_shard_has_the_name_of_an_old_one(address: str, tmp_path: Path) -> None:
    store, other, keys, vectors = _open(address, tmp_path), _open(address, tmp_path, "two"), _keys(4), _vectors(4)
    store.put(ENCODER, keys, vectors)
    other.get(ENCODER, keys)
    before = {path.name for path in _files(tmp_path)}

    store.collect(ENCODER, set())
    store.put(ENCODER, keys, vectors)

    np.testing.assert_array_equal(other.get(ENCODER, keys), vectors)
    assert not before & {path.name for path in _files(tmp_path)}


def test_a_damaged_shard_is_named_in_the_log_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    EmbeddingStore(str(tmp_path)).put(ENCODER, _keys(2), _vectors(2))
    shard = _files(tmp_path)[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    store = EmbeddingStore(str(tmp_path))

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(MissingVectors):
                store.get(ENCODER, _keys(2))

    assert caplog.text.count(shard.name) == 1


def test_a_shard_that_was_cut_is_written_anew_by_the_same_vectors(tmp_path: Path) -> None:
    store, other, keys, vectors = EmbeddingStore(str(tmp_path)), EmbeddingStore(str(tmp_path)), _keys(4), _vectors(4)
    store.put(ENCODER, keys, vectors)
    shard = _files(tmp_path)[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    for one in (store, other):
        one.token(ENCODER)

    put = EmbeddingStore(str(tmp_path)).put(ENCODER, keys, vectors)

    assert put == 4
    np.testing.assert_array_equal(other.get(ENCODER, keys), vectors)


def test_half_an_object_is_never_copied(tmp_path: Path) -> None:
    address, keys = f"memory://{tmp_path.name}", _keys(2)
    _open(address, tmp_path).put(ENCODER, keys, _vectors(2))
    files = fsspec.filesystem("memory")
    path = files.find(f"/{tmp_path.name}")[0]
    whole = files.cat_file(path)

    files.pipe_file(path, whole[:-1])
    with pytest.raises(MissingVectors):
        _open(address, tmp_path, "other").get(ENCODER, keys)
    files.pipe_file(path, whole)

    np.testing.assert_array_equal(_open(address, tmp_path, "other").get(ENCODER, keys), _vectors(2))


def test_the_cache_of_an_object_store_may_be_deleted_or_torn_at_any_time(tmp_path: Path) -> None:
    address, keys, vectors = f"memory://{tmp_path.name}", _keys(4), _vectors(4)
    store = _open(address, tmp_path)
    store.put(ENCODER, keys, vectors)
    held = store.matrix(ENCODER, keys)

    shutil.rmtree(tmp_path / "cache-one")
    deleted = store.get(ENCODER, keys)
    for path in _files(tmp_path):
        path.write_bytes(path.read_bytes()[:-1])
    torn = _open(address, tmp_path)
    torn.compact()

    np.testing.assert_array_equal(deleted, vectors)
    np.testing.assert_array_equal(held.shape, vectors.shape)
    np.testing.assert_array_equal(torn.get(ENCODER, keys), vectors)


def test_an_object_store_that_fails_is_unavailable_and_acknowledges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, keys = _open(f"memory://{tmp_path.name}", tmp_path), _keys(2)

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("it is down")

    with monkeypatch.context() as patched:
        patched.setattr(type(fsspec.filesystem("memory")), "pipe_file", fail)
        with pytest.raises(Unavailable):
            store.put(ENCODER, keys, _vectors(2))

    assert store.put(ENCODER, keys, _vectors(2)) == 2


def test_an_object_store_needs_a_folder_for_copies(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        EmbeddingStore("memory://anywhere")
    assert EmbeddingStore(f"file://{tmp_path}").put(ENCODER, _keys(1), _vectors(1)) == 1


@pytest.mark.parametrize("name", ["../escape", "", ".hidden", "a/b"])
def test_an_encoder_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid):
        EmbeddingStore(str(tmp_path)).put(name, _keys(1), _vectors(1))


def test_vectors_of_another_width_and_keys_that_are_no_hash_are_refused(tmp_path: Path) -> None:
    store = EmbeddingStore(str(tmp_path))
    store.put(ENCODER, _keys(1), _vectors(1))

    with pytest.raises(Invalid):
        store.put(ENCODER, _keys(1, start=1), _vectors(1, dimensions=9))
    with pytest.raises(Invalid):
        store.put(ENCODER, ["abcd"], _vectors(1))


def test_whenever_it_is_killed_nothing_acknowledged_is_lost_and_nothing_half_is_read(tmp_path: Path) -> None:
    keys, vectors = _keys(8), _vectors(8)

    _in_a_process(KILLED_AT_EVERY_STEP, tmp_path)

    folders = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    killed = [folder for folder in folders if not (folder / "ended").exists()]
    assert len(killed) == len(folders) - 1 > 12  # the last was not killed any more
    for folder in folders:
        store, acknowledged = EmbeddingStore(str(folder / "vectors")), int((folder / "acknowledged").read_text() or 0)
        kept = keys[1:acknowledged]  # the last step of all removes the first
        np.testing.assert_array_equal(store.get(ENCODER, kept).reshape(len(kept), 8), vectors[1:acknowledged])
        store.put(ENCODER, keys, vectors)
        np.testing.assert_array_equal(store.get(ENCODER, keys), vectors)


def test_processes_that_put_and_merge_at_once_write_each_vector_once(tmp_path: Path) -> None:
    keys, vectors = _keys(100), _vectors(100)

    _in_a_process(THREE_AT_ONCE, tmp_path)

    rows = [len(load_file(path)["keys"]) for path in _files(tmp_path)]
    assert sum(rows) == 100 and len(rows) < 100
    np.testing.assert_array_equal(EmbeddingStore(str(tmp_path)).get(ENCODER, keys), vectors)


def _in_a_process(script: str, folder: Path) -> None:
    """One that has no threads, so that it can fork."""
    subprocess.run([sys.executable, "-c", PREPARED + script, str(folder)], check=True, timeout=120)


PREPARED = """
import os, signal, sys
from pathlib import Path
from labeling.adapters.storage.embedding_store import EmbeddingStore
from tests.service.adapters.test_embedding_store import ENCODER, _keys, _vectors

folder = Path(sys.argv[1])
"""

KILLED_AT_EVERY_STEP = """
keys, vectors = _keys(8), _vectors(8)

def work(folder, left):
    def step(event, args):
        nonlocal left
        writes = event in ("os.rename", "os.remove") or (event == "open" and "w" in str(args[1]))
        if writes and str(folder / "vectors") in str(args[0]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(step)
    store = EmbeddingStore(str(folder / "vectors"))
    for end in range(2, 9, 2):
        store.put(ENCODER, keys[end - 2 : end], vectors[end - 2 : end])
        (folder / "acknowledged").write_text(str(end))
    store.compact()
    store.collect(ENCODER, set(keys[1:]))
    (folder / "ended").touch()
    os._exit(0)

for at in range(100):
    (folder / str(at)).mkdir()
    (folder / str(at) / "acknowledged").touch()
    child = os.fork()
    if not child:
        work(folder / str(at), at)
    if os.waitpid(child, 0)[1] == 0:
        break
"""

THREE_AT_ONCE = """
def work(order):
    store, keys, vectors = EmbeddingStore(str(folder)), _keys(100), _vectors(100)
    for row in range(100)[::order]:
        store.put(ENCODER, keys[row : row + 1], vectors[row : row + 1])
        store.get(ENCODER, keys[row : row + 1])
    os._exit(0)

children = []
for order in (1, -1, 1):
    children.append(os.fork())
    if not children[-1]:
        work(order)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""
