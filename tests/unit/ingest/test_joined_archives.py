"""Archives of which a part would be lost, or is broken: it is named, whatever packed them."""

from __future__ import annotations

import io

import pytest

from labeling.errors import BadArchive
from tests.unit.ingest.test_archive_cases import LIMITS, PNG, read, tarred, zipped


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_b17_two_tars_in_one_file_are_told(mode: str) -> None:
    """B20, sibling: `cat a.tar b.tar > c.tar`; the second one was lost in silence."""
    names, contents = read(
        io.BytesIO(tarred(("a.png", PNG), mode=mode).getvalue() + tarred(("b.png", PNG), mode=mode).getvalue())
    )

    assert names == ["a.png"]
    assert [name for name, _ in contents.refused] == ["the rest of the file"]


@pytest.mark.parametrize("after", [b"", bytes(20_000), b"signature"])
def test_b17_what_is_no_archive_after_the_end_of_one_is_nothing(after: bytes) -> None:
    names, contents = read(io.BytesIO(tarred(("a.png", PNG)).getvalue() + after))

    assert names == ["a.png"] and contents.refused == []


def test_b20_two_zips_in_one_file_are_told() -> None:
    """The directory of the last one is at the end, and lists its own members alone."""
    names, contents = read(io.BytesIO(zipped(("a.png", PNG)).getvalue() + zipped(("b.png", PNG)).getvalue()))

    assert names == ["b.png"]
    assert "before this one" in contents.refused[0][1]


def test_b20_the_mark_of_a_split_zip_is_no_other_archive() -> None:
    names, contents = read(io.BytesIO(b"PK\x07\x08" + zipped(("a.png", PNG)).getvalue()))

    assert names == ["a.png"] and contents.refused == []


def test_a_member_that_is_broken_or_too_large_is_named() -> None:
    data = bytearray(zipped(("one.png", PNG), ("cat/two.png", bytes(range(200)))).getvalue())
    data[data.index(bytes(range(100, 150)))] ^= 1

    with pytest.raises(BadArchive, match="cat/two.png"):
        read(io.BytesIO(bytes(data)))
    with pytest.raises(BadArchive, match="large.png"):
        read(zipped(("large.png", bytes(LIMITS.max_member_bytes + 1))))
