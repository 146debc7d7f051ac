"""The embedding store: what is put comes back, in order, once, and its mapped copy follows."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from labeling.adapters.storage.embedding_store import EmbeddingStore, MissingVectors
from labeling.errors import Invalid

ENCODER = "thumb-4.1"


def _keys(n: int, start: int = 0) -> list[str]:
    return [sha256(str(i).encode()).hexdigest() for i in range(start, start + n)]


def _vectors(n: int, seed: int = 0, dimensions: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dimensions)).astype(np.float16).astype(np.float32)


def test_vectors_come_back_in_the_order_asked(tmp_path: Path) -> None:
    store, keys, vectors = EmbeddingStore(str(tmp_path)), _keys(5), _vectors(5)

    store.put(ENCODER, keys, vectors)

    np.testing.assert_array_equal(store.get(ENCODER, keys[::-1]), vectors[::-1])
    np.testing.assert_array_equal(store.get(ENCODER, [keys[1], keys[1]]), vectors[[1, 1]])


def test_putting_twice_adds_nothing_and_changes_nothing(tmp_path: Path) -> None:
    store, keys, vectors = EmbeddingStore(str(tmp_path)), _keys(5), _vectors(5)
    first = store.put(ENCODER, keys, vectors)

    second = store.put(ENCODER, keys + keys, np.vstack([-vectors, vectors]))

    assert (first, second) == (5, 0)
    np.testing.assert_array_equal(EmbeddingStore(str(tmp_path)).get(ENCODER, keys), vectors)


def test_missing_vectors_are_named(tmp_path: Path) -> None:
    store, keys = EmbeddingStore(str(tmp_path)), _keys(3)
    store.put(ENCODER, keys[:1], _vectors(1))

    with pytest.raises(MissingVectors) as caught:
        store.get(ENCODER, keys)
    with pytest.raises(MissingVectors):
        store.matrix("never-seen", keys)

    assert caught.value.keys == tuple(keys[1:])


def test_the_matrix_is_mapped_and_follows_new_vectors(tmp_path: Path) -> None:
    store, keys, vectors = EmbeddingStore(str(tmp_path)), _keys(9), _vectors(9)
    store.put(ENCODER, keys[:5], vectors[:5])
    store.matrix(ENCODER, keys[:5])
    store.put(ENCODER, keys[5:], vectors[5:])

    matrix = store.matrix(ENCODER, keys)
    scattered = store.matrix(ENCODER, [keys[7], keys[0], keys[3]])

    assert isinstance(matrix, np.memmap) and isinstance(scattered, np.memmap)
    np.testing.assert_array_equal(matrix, vectors)
    np.testing.assert_array_equal(scattered, vectors[[7, 0, 3]])


def test_the_mapped_copy_may_be_deleted_or_torn_at_any_time(tmp_path: Path) -> None:
    store, keys, vectors = EmbeddingStore(str(tmp_path)), _keys(4), _vectors(4)
    store.put(ENCODER, keys, vectors)
    store.matrix(ENCODER, keys[:2])
    folder = tmp_path / "mapped" / ENCODER

    with (folder / "vectors.f32").open("ab") as file:
        file.write(b"half a ro")  # a process was killed here
    torn = np.array(store.matrix(ENCODER, keys))
    shutil.rmtree(tmp_path / "mapped")
    rebuilt = store.matrix(ENCODER, keys)

    np.testing.assert_array_equal(torn, vectors)
    np.testing.assert_array_equal(rebuilt, vectors)


def test_two_processes_may_share_the_mapped_copy(tmp_path: Path) -> None:
    one, other = EmbeddingStore(str(tmp_path)), EmbeddingStore(str(tmp_path))
    keys, vectors = _keys(6), _vectors(6)
    one.put(ENCODER, keys, vectors)

    one.matrix(ENCODER, keys[:3])
    other.matrix(ENCODER, keys[2:])

    np.testing.assert_array_equal(one.matrix(ENCODER, keys), vectors)
    np.testing.assert_array_equal(other.matrix(ENCODER, keys), vectors)


def test_collection_removes_what_no_row_names(tmp_path: Path) -> None:
    store, other = EmbeddingStore(str(tmp_path)), EmbeddingStore(str(tmp_path))
    keys, vectors = _keys(6), _vectors(6)
    store.put(ENCODER, keys, vectors)
    other.matrix(ENCODER, keys)

    removed = store.collect(ENCODER, set(keys[3:]))

    assert removed == 3
    assert store.collect("never-seen", set()) == 0
    np.testing.assert_array_equal(other.matrix(ENCODER, keys[3:]), vectors[3:])
    with pytest.raises(MissingVectors):
        other.matrix(ENCODER, keys)


def test_many_small_appends_are_gathered(tmp_path: Path) -> None:
    store, keys, vectors = EmbeddingStore(str(tmp_path)), _keys(70), _vectors(70)

    for row in range(70):
        store.put(ENCODER, keys[row : row + 1], vectors[row : row + 1])
    store.compact()

    np.testing.assert_array_equal(store.get(ENCODER, keys), vectors)


def test_an_encoder_name_that_could_leave_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        EmbeddingStore(str(tmp_path)).put("../escape", _keys(1), _vectors(1))
