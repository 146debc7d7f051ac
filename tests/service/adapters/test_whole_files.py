"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from labeling.adapters.storage.atomic_files import (
    LARGEST_FILE_BYTES,
    new_folder,
    place_folder,
    read_files,
    stage_folder,
    write_whole,
)
from labeling.adapters.storage.prediction_files import (
    keep_only,
    map_predictions,
    read_predictions,
    write_predictions,
)
from labeling.errors import BadArtifact, NotFound, StorageFull


def test_a_file_that_finds_no_room_leaves_the_old_one_and_no_half(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(StorageFull, match="Free some space"):
            write_whole(path, bytes(1 << 18))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_has_its_name_only_when_it_is_whole_and_replaces_what_was_left(tmp_path: Path) -> None:
    place = tmp_path / "1"
    place.mkdir()
    (place / "half").write_bytes(b"")

    staged = stage_folder(tmp_path, "worker-0", {"a": b"1"})
    staged = stage_folder(tmp_path, "worker-0", {"a": b"2", "b": b"3"})
    before = sorted(path.name for path in place.iterdir())
    place_folder(staged, place)

    assert before == ["half"]
    assert read_files(place, ("a", "b", "c")) == {"a": b"2", "b": b"3"}
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_new_folder_that_was_not_filled_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "model") as staged:
        (staged / "half").write_bytes(b"1")
        1 / 0  # noqa: B018

    with new_folder(tmp_path / "whole") as staged:
        (staged / "inner").mkdir()
        (staged / "inner" / "file").write_bytes(b"1")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole"]
    assert (tmp_path / "whole" / "inner" / "file").read_bytes() == b"1"


def test_a_file_too_large_to_be_ours_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)  # sparse: it takes no room

    with pytest.raises(BadArtifact, match="larger"):
        read_files(tmp_path, ("a",))


def test_predictions_come_back_and_damage_is_found(tmp_path: Path) -> None:
    ids, probs = np.array([3, 5, 9]), np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]])

    written = write_predictions(tmp_path, "predictions/1/2", ids, probs)
    again = read_predictions(tmp_path, written.path, written.sha256)

    assert (written.rows, again.image_ids.tolist(), again.probs.tolist()) == (3, ids.tolist(), probs.tolist())
    with pytest.raises(BadArtifact, match="damaged"):
        read_predictions(tmp_path, written.path, "0" * 64)
    with pytest.raises(NotFound, match="are gone"):
        read_predictions(tmp_path, "predictions/1/2/none.safetensors", written.sha256)


def test_mapped_predictions_are_those_that_were_written_and_damage_is_found_also_later(tmp_path: Path) -> None:
    ids, probs = np.array([3, 5, 9]), np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]])
    written = write_predictions(tmp_path, "predictions/1/2", ids, probs)
    empty = write_predictions(tmp_path, "predictions/1/3", ids[:0], probs[:0])

    mapped = map_predictions(tmp_path, written.path, written.sha256)
    nothing = map_predictions(tmp_path, empty.path, empty.sha256)

    assert (mapped.image_ids.tolist(), mapped.probs.tolist()) == (ids.tolist(), probs.tolist())
    assert (nothing.image_ids.shape, nothing.probs.shape) == ((0,), (0, 2))
    path = tmp_path / written.path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(BadArtifact, match="damaged"):
        map_predictions(tmp_path, written.path, written.sha256)
    with pytest.raises(NotFound, match="are gone"):
        map_predictions(tmp_path, "predictions/1/2/none.safetensors", written.sha256)


def test_only_the_newest_predictions_of_a_version_stay(tmp_path: Path) -> None:
    for rows in (1, 2):
        written = write_predictions(tmp_path, "predictions/1/2", np.arange(rows), np.full((rows, 2), 0.5))
        (tmp_path / "predictions/1/2/.half.tmp").write_bytes(b"")
        keep_only(tmp_path, written.path)

    assert [path.name for path in (tmp_path / "predictions/1/2").iterdir()] == [Path(written.path).name]
