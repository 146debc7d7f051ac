"""Manifests: every line says what it says or why it cannot be used."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.ingest.manifests import BadLine, read_manifest
from labeling.types import Incoming


def read(data: bytes, name: str = "m.csv", base: str | None = "/photos") -> list[Incoming | BadLine]:
    return list(read_manifest(io.BytesIO(data), name, base))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.csv", "image,text,label,gold,id,place\na/b.jpg,Ein Kätzchen,cat,yes,7,Köln\n".encode()),
        ("m.csv", "\ufeffimage;text;label;gold;id;place\r\na/b.jpg;Ein Kätzchen;cat;1;7;Köln\r\n".encode()),
        ("m.tsv", "image\ttext\tlabel\tgold\tid\tplace\na/b.jpg\tEin Kätzchen\tcat\tTrue\t7\tKöln".encode("utf-16")),
        (
            "m.jsonl",
            '{"image": "a/b.jpg", "text": "Ein Kätzchen", "label": "cat", "gold": 1, "id":7, "place":"Köln"}'.encode(),
        ),
    ],
)
def test_every_form_and_encoding_says_the_same(name: str, data: bytes) -> None:
    (item,) = read(data, name)

    assert isinstance(item, Incoming)
    assert (item.reference, item.address, item.text) == ("7", "/photos/a/b.jpg", "Ein Kätzchen")
    assert (item.known_label, item.gold, dict(item.details)) == ("cat", True, {"place": "Köln"})


def test_bad_lines_are_reported_by_number_and_never_stop_the_others() -> None:
    lines = [
        b"image,label,gold",
        b"a.jpg,cat,",
        b",cat,",
        b"b.jpg,cat,maybe",
        b"c.jpg,cat,,too,many",
        b"../d.jpg,,",
        b"\xff\xfe.jpg,,",
        b"",
        b"e.jpg,,",
    ]

    found = read(b"\n".join(lines))

    bad = {line.number: line.reason for line in found if isinstance(line, BadLine)}
    assert [i.address for i in found if isinstance(i, Incoming)] == ["/photos/a.jpg", "/photos/e.jpg"]
    assert list(bad) == [3, 4, 5, 6, 7]
    assert "missing" in bad[3]
    assert "gold" in bad[4]
    assert "columns" in bad[5]
    assert "folder" in bad[6]
    assert "UTF-8" in bad[7]


def test_bad_json_lines_are_reported_by_number() -> None:
    found = read(
        b'{"image": "a.jpg"}\n\nnot json\n[1]\n{"image": ["x"]}\n{"image": "b.jpg", "tags": ["x"]}\n', "m.jsonl"
    )

    assert [line.number for line in found if isinstance(line, BadLine)] == [3, 4, 5, 6]


@pytest.mark.parametrize("header", [b"", b"\n", b"file,label\n", b"image,image\n", b"\x00\x01"])
def test_a_manifest_without_a_column_image_says_so(header: bytes) -> None:
    (line,) = read(header + b"a.jpg,cat\n" if header else b"")

    assert isinstance(line, BadLine)
    assert "`image`" in line.reason


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "~/x", "file:///etc/passwd", "s3://b/x", "..\\x", "memory://x"]
)
def test_paths_lead_only_into_the_folder_of_the_manifest(path: str) -> None:
    (line,) = read(f"image\n{path}\n".encode())

    assert isinstance(line, BadLine)


def test_an_uploaded_manifest_may_name_web_addresses_only() -> None:
    web, local = read(b"image\nhttps://example.org/a.jpg\na.jpg\n", base=None)

    assert isinstance(web, Incoming)
    assert web.address == "https://example.org/a.jpg"
    assert isinstance(local, BadLine)


def test_an_edited_line_has_another_fingerprint_and_the_same_reference() -> None:
    (before,) = read(b"image,label\na.jpg,cat\n")
    (after,) = read(b"image,label\na.jpg,dog\n")

    assert isinstance(before, Incoming)
    assert isinstance(after, Incoming)
    assert before.reference == after.reference
    assert before.fingerprint != after.fingerprint


@given(st.binary(max_size=300), st.sampled_from(["m.csv", "m.jsonl"]))
def test_any_bytes_give_items_or_reasons(data: bytes, name: str) -> None:
    assert all(isinstance(found, Incoming | BadLine) for found in read(data, name))
