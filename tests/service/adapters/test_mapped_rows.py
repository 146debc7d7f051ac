"""Rows in one mapped file: appended to or made anew, and what a killed process left behind does not count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeling.adapters.storage.mapped_rows import HEADER, MappedRows, rows_are_whole

DTYPE = np.dtype([("image", "<i8"), ("probs", "<f4", (2,))])


def block(*images: int) -> NDArray[np.void]:
    rows = np.zeros(len(images), DTYPE)
    rows["image"] = images
    return rows


def test_rows_are_appended_and_say_what_they_were_made_of(tmp_path: Path) -> None:
    file = MappedRows(tmp_path / "a.rows", DTYPE)

    file.update("one", lambda there: (True, [block(1, 2)]))
    before = file.read()
    after = file.update("two", lambda there: (True, [block(3), block(7)]))

    assert before["image"].tolist() == [1, 2]  # mapped before rows were added: still whole
    assert after["image"].tolist() == [1, 2, 3, 7]
    assert file.made_of("two") and not file.made_of("one")
    assert MappedRows(tmp_path / "a.rows", DTYPE).made_of("two")


def test_rows_that_do_not_stay_are_replaced_and_who_has_the_old_ones_mapped_keeps_them(tmp_path: Path) -> None:
    file = MappedRows(tmp_path / "a.rows", DTYPE)
    old = file.update("one", lambda there: (True, [block(1, 2)]))

    new = file.update("two", lambda there: (False, [block(9)]))

    assert (old["image"].tolist(), new["image"].tolist()) == ([1, 2], [9])


def test_what_lies_behind_the_rows_that_count_is_dropped_by_the_next_writer(tmp_path: Path) -> None:
    file = MappedRows(tmp_path / "a.rows", DTYPE)
    file.update("one", lambda there: (True, [block(1)]))
    with (tmp_path / "a.rows").open("ab") as broken:
        broken.write(b"half a row")

    assert file.read()["image"].tolist() == [1]
    assert file.update("two", lambda there: (True, [block(2)]))["image"].tolist() == [1, 2]
    assert (tmp_path / "a.rows").stat().st_size == HEADER.size + 2 * DTYPE.itemsize


def test_rows_of_which_a_byte_was_changed_count_for_nothing_and_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.rows"
    file = MappedRows(path, DTYPE)
    file.update("one", lambda there: (True, [block(1)]))
    file.update("two", lambda there: (True, [block(2)]))  # the checksum goes on over what is added
    before = file.made_of("two") and rows_are_whole(path)
    content = bytearray(path.read_bytes())
    content[HEADER.size + 3] ^= 1
    path.write_bytes(content)

    after = MappedRows(path, DTYPE).made_of("two") or rows_are_whole(path)
    made = file.update("two", lambda there: (True, [block(len(there) + 7)]))

    assert before and not after
    assert made["image"].tolist() == [7]


def test_a_file_of_other_columns_or_a_damaged_header_counts_for_nothing(tmp_path: Path) -> None:
    MappedRows(tmp_path / "a.rows", DTYPE).update("one", lambda there: (True, [block(1)]))
    other = MappedRows(tmp_path / "a.rows", np.dtype([("image", "<i8"), ("probs", "<f4", (3,))]))

    assert not other.made_of("one") and len(other.read()) == 0
    (tmp_path / "a.rows").write_bytes(b"short")
    assert len(MappedRows(tmp_path / "a.rows", DTYPE).read()) == 0
