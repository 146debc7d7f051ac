"""Manifests as spreadsheets, scripts and people write them: no line is lost, halved or read wrongly in silence.

The letters and numbers in names and docstrings are those of the cases that people reported.
"""

from __future__ import annotations

import csv
import io
import json
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.ingest.containers.csv_records import csv_records
from labeling.ingest.manifests import BadLine, read_manifest
from labeling.types import Incoming


def read(
    data: bytes | str, name: str = "m.csv", base: str | None = "/photos", exists: Callable[[str], bool] | None = None
) -> tuple[list[Incoming], dict[int, str]]:
    """The items, and the refused lines with their reasons."""
    file = io.BytesIO(data.encode() if isinstance(data, str) else data)
    found = list(read_manifest(file, name, base, exists))
    bad = {one.number: one.reason for one in found if isinstance(one, BadLine)}
    return [one for one in found if isinstance(one, Incoming)], bad


def names(items: list[Incoming]) -> list[str]:
    return [item.address.removeprefix("/photos/") for item in items]


@pytest.mark.parametrize("column", ["by", "image", "text", "label", "gold", "id"])
def test_b01_a_byte_that_is_no_utf8_costs_its_line_in_whatever_column_it_stands(column: str) -> None:
    """B01: a CSV that Excel saved in Windows-1252, with a photographer's name; also in the id and the gold flag."""
    columns = {"image": b"a.png", "text": b"x", "label": b"cat", "gold": b"1", "id": b"1", "by": b"x"} | {
        column: b"M\xfcller"
    }
    head, line = ",".join(columns).encode(), b",".join(columns.values())

    items, bad = read(head + b"\n" + line + b"\nb.png,x,dog,1,2,x\n")

    assert names(items) == ["b.png"]
    assert list(bad) == [2] and "UTF-8" in bad[2] and "FC" in bad[2]


def test_b01_a_bad_byte_deep_in_a_file_costs_one_line_of_two_thousand() -> None:
    lines = [b"image,label,by", *[b"%d.png,cat,x" % number for number in range(2_000)]]
    lines[1501] = b"odd.png,cat,M\xfcller"

    items, bad = read(b"\n".join(lines))

    assert len(items) == 1_999 and list(bad) == [1502]


def test_b01_a_bad_byte_in_the_first_line_refuses_the_manifest_with_the_reason() -> None:
    items, bad = read(b"image,Gr\xf6\xdfe\na.png,1\n")

    assert items == [] and "UTF-8" in bad[1]


@pytest.mark.parametrize(
    "line", [b'{"image": "a.png", "by": "M\xfcller"}', b'{"image": "a.png", "M\xfcller": 1}', b"\xff\xfe\x00"]
)
def test_b01_in_json_lines_too(line: bytes) -> None:
    items, bad = read(b'{"image": "z.png"}\n' + line + b'\n{"image": "b.png"}\n', "m.jsonl")

    assert names(items) == ["z.png", "b.png"] and list(bad) == [2] and "UTF-8" in bad[2]


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_b01_every_encoding_of_unicode_is_read(encoding: str, name: str) -> None:
    text = "image,text\na.png,Käfer 👩‍🌾\n" if name == "m.csv" else '{"image": "a.png", "text": "Käfer 👩‍🌾"}\n'

    items, bad = read(text.encode(encoding), name)

    assert [item.text for item in items] == ["Käfer 👩‍🌾"] and bad == {}


@pytest.mark.parametrize(
    "broken", ["image\na.png\n".encode("utf-16") + b"a", b"\xff\xfe" + "image\nx".encode("utf-16-le") + b"\x00\xd8\n\0"]
)
def test_b01_sixteen_bits_that_are_cut_off_or_unpaired_cost_their_line(broken: bytes) -> None:
    _, bad = read(broken)

    assert bad and "UTF-8" in next(iter(bad.values()))


def test_a_byte_order_mark_in_the_middle_of_joined_files_is_passed_over() -> None:
    items, bad = read("\ufeffimage,label\na.png,cat\n\ufeffb.png,dog\n")

    assert names(items) == ["a.png", "b.png"] and bad == {}


def test_b04_a_quote_that_is_never_closed_costs_its_own_line() -> None:
    """B04: two of four lines did not exist, a third had lost its label."""
    items, bad = read('image,text,label\na.png,"unclosed quote,dog\nb.png,y,dog\nc.png,fine,cat\nd.png,fine,dog\n')

    assert [(name, item.text, item.known_label) for name, item in zip(names(items), items, strict=True)] == [
        ("b.png", "y", "dog"),
        ("c.png", "fine", "cat"),
        ("d.png", "fine", "dog"),
    ]
    assert list(bad) == [2] and "quote" in bad[2]


@pytest.mark.parametrize(
    "others",
    [
        'b.png,"fine, really",dog\nc.png,"he said ""no""",cat\n',
        'b.png,y",dog\nc.png,z,cat\n',
        'b.png,"",dog\nc.png,"also never closed,dog\n',
        'b.png,"y",dog\nc.png,"z",cat',
        'b.png,"two\nlines",dog\nc.png,z,cat\n',
        'b.png,y,dog\r\nc.png,"z"\r\n',
    ],
)
def test_b04_whatever_quotes_follow_no_line_is_swallowed(others: str) -> None:
    for first in ('a.png,"x,cat\n', '"a.png,x,cat\n', 'a.png,x,"cat\n', 'a.png,"x" y,cat\n', 'a.png,"x \\"y\\"",cat\n'):
        items, bad = read(f"image,text,label\n{first}{others}")

        assert 2 in bad
        assert {*names(items)} | {"c.png" for number in bad if number > 2} == {"b.png", "c.png"}


def test_b04_a_hundred_thousand_characters_after_the_quote_are_read_line_by_line() -> None:
    lines = [f"{number}.png,{'x' * 50},dog" for number in range(5_000)]

    items, bad = read("\n".join(["image,text,label", 'a.png,"x,cat', *lines]))

    assert len(items) == 5_000 and list(bad) == [2]


def test_b04_files_full_of_open_quotes_are_read_in_time() -> None:
    lines = ['a.png,"""', 'b.png,"x', 'c.png,x"y,"z'] * 5_000

    began = time.perf_counter()
    _, bad = read("\n".join(["image,text,label", *lines]))

    assert bad and time.perf_counter() - began < 20


def test_a_value_of_several_lines_is_a_value() -> None:
    items, bad = read('image,text,label\na.png,"one\ntwo, and ""three""\n\nfour",cat\nb.png, "x, y" , dog \n')

    assert [item.text for item in items] == ['one\ntwo, and "three"\nfour', "x, y"]
    assert [item.known_label for item in items] == ["cat", "dog"] and bad == {}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(*[st.text(alphabet="ab,\" \n\r'é", max_size=6)] * 3), max_size=5), st.sampled_from(",;\t"))
def test_what_a_csv_library_writes_is_read_as_it_was(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows(rows)
    written.seek(0)

    read_again = [values for _, values in csv_records(iter(enumerate(written, 1)), delimiter, 3, lambda *_: False)]

    assert read_again == [list(row) for row in rows]


def test_b06_an_image_with_several_texts_is_reported_line_by_line() -> None:
    """B06: five captions an image; four were lost."""
    items, bad = read("image,text\na.png,one\na.png,two\nb.png,x\na.png,three\n")

    assert [item.text for item in items] == ["one", "x"]
    assert list(bad) == [3, 5] and all("line 2" in reason and "text" in reason for reason in bad.values())


def test_b08_an_image_with_two_labels_is_reported_with_both() -> None:
    """B08: the second label was nowhere."""
    items, bad = read("image,label\na.png,cat\na.png,dog\n")

    assert [item.known_label for item in items] == ["cat"]
    assert "'cat'" in bad[3] and "'dog'" in bad[3]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("a.png,x,cat,,\n./a.png,x,cat,yes,\n", "gold"),
        ("a.png,x,cat,,1\na.png,y,cat,,2\n", "text"),
        ("a.png,x,cat,,1\na.png,x,dog,,2\n", "'dog'"),
        ("a.png,x,cat,,1\nb.png,x,cat,,1\n", "another file"),
        ("a.png,x,cat,,\na.png,x,,,\n", "not given here"),
        ("K\u00e4fer.png,x,cat,,\nKa\u0308fer.png,y,cat,,\n", "text"),
        ("sub/a.png,x,cat,,\nsub\\a.png,y,cat,,\n", "text"),
    ],
)
def test_b08_an_image_that_another_line_contradicts_is_reported_however_it_is_named(lines: str, words: str) -> None:
    """B06, B08, siblings: gold in one line only, another id, another way of writing the path."""
    items, bad = read(f"image,text,label,gold,id\n{lines}")

    assert len(items) == 1 and list(bad) == [3] and words in bad[3] and "line 2" in bad[3]


def test_a_line_that_says_the_same_again_is_no_contradiction() -> None:
    items, bad = read("image,label,id\na.png,cat,\na.png,cat,\nb.png,cat,1\nb.png,cat,2\n")

    assert len(items) == 4 and bad == {}


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("sub\\a.png", "sub/a.png"),
        (".\\b.png", "b.png"),
        ("sub dir\\e e.png", "sub dir/e e.png"),
        ("..dots.png", "..dots.png"),
        ("~tmp.png", "~tmp.png"),
        ("sub/../b.png", "b.png"),
        ("/photos/in/a.png", "in/a.png"),
        ("a::b.png", "a::b.png"),
        ("[1]*?.png", "[1]*?.png"),
    ],
)
def test_b05_a_path_beside_the_manifest_is_taken_as_windows_writes_it_too(written: str, path: str) -> None:
    """B05: `sub\\a.png`, `.\\b.png`, names that begin with two dots or a tilde."""
    items, bad = read(f"image\n{written}\n")

    assert names(items) == [path] and bad == {}


def test_b05_a_file_that_has_a_backslash_in_its_name_is_that_file() -> None:
    items, _ = read("image\na\\b.png\nc\\d.png\n", exists=lambda address: address == "/photos/a\\b.png")

    assert names(items) == ["a\\b.png", "c/d.png"]


@pytest.mark.parametrize("path", ["C:\\photos\\a.png", "c:/x\\a.png", "\\\\server\\share\\a.png"])
def test_b05_drives_and_computers_of_windows_are_named(path: str) -> None:
    items, bad = read(f"image\n{path}\n")

    assert items == [] and "Windows" in bad[2] and "backslash" in bad[2]


@pytest.mark.parametrize(
    "path", ["..\\x.png", "a\\..\\..\\x.png", "../x.png", "..", "/photos/../x.png", "/photosx/a.png"]
)
def test_b05_what_lies_above_the_manifest_stays_out(path: str) -> None:
    items, bad = read(f"image\n{path}\n")

    assert items == [] and list(bad) == [2]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "None", "True"])
def test_b09_what_is_no_json_is_named(word: str) -> None:
    """B09: `json.dumps` with NaN."""
    items, bad = read(f'{{"image":"a NaN.png"}}\n{{"image":"b.png","label":"dog","score":{word}}}\n', "m.jsonl")

    assert names(items) == ["a NaN.png"] and word in bad[2] and "null" in bad[2]


@pytest.mark.parametrize("indent", [None, 2])
def test_b09_a_json_array_is_named_once(indent: int | None) -> None:
    text = json.dumps([{"image": "a.png"}, {"image": "b.png"}], indent=indent)

    items, bad = read(text, "m.jsonl")

    assert items == [] and list(bad) == [1] and "one object a line" in bad[1]
    assert "array" in bad[1] or "document" in bad[1]


def test_a_key_that_stands_twice_in_an_object_is_refused() -> None:
    items, bad = read(
        '{"image":"a.png","label":"cat","label":"dog"}\n{"image":"label.png","text":"\\"label\\" label"}\n', "m.jsonl"
    )

    assert names(items) == ["label.png"] and "`label` is given twice" in bad[1]


@pytest.mark.parametrize(
    "line", ['{"Image":"a.png","IMAGE":"b.png"}', '{"image":"a.png","K\u00e4fer":1,"Ka\u0308fer":2}']
)
def test_two_keys_that_are_the_same_in_one_form_are_refused(line: str) -> None:
    items, bad = read(line, "m.jsonl")

    assert items == [] and list(bad) == [1]


def test_numbers_beyond_any_range_are_kept_or_refused() -> None:
    items, bad = read(
        f'{{"image":"a.png","n":{"9" * 40}}}\n{{"image":"b.png","n":1e999}}\n{{"image":"c.png"}}\n', "m.jsonl"
    )

    assert names(items)[-1] == "c.png" and len(items) + len(bad) == 3


@pytest.mark.parametrize(
    "text",
    [
        "image,label,,\na.png,cat,,\n",
        "image,label\na.png,cat,,\n",
        "sep=;\nimage;label\na.png;cat\n",
        '"sep=,"\r\nimage,label\r\na.png,cat\r\n',
        "\ufeffsep=\t\nimage\tlabel\na.png\tcat\n",
        ",image,label\n0,a.png,cat\n",
        "Unnamed: 0,image,label\n0,a.png,cat\n",
        "Unnamed: 0.1,Unnamed: 0,image,label\n0,0,a.png,cat\n",
        "Image,Label\na.png,cat\n",
        "\n\nimage,label\n,\n  ,\na.png,cat\n,\n",
        "image|label\na.png|cat\n",
        " image , label \na.png, cat \n",
        "\u200bimage,label\na.png,cat\n",
    ],
)
def test_b10_what_spreadsheets_and_pandas_write_is_read(text: str) -> None:
    """B10: empty headers, `sep=`, capital letters, the column of row numbers, empty lines."""
    items, bad = read(text)

    assert [(item.known_label, dict(item.details)) for item in items] == [("cat", {})] and bad == {}
    assert names(items) == ["a.png"]


def test_b10_a_value_in_a_column_without_a_name_is_not_lost() -> None:
    items, bad = read("image,label,\na.png,cat,blurred\nb.png,cat,\n")

    assert names(items) == ["b.png"] and "Column 3" in bad[2] and "blurred" in bad[2]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("file_name,label", "file_name, label"),
        ("image,label,label", "`label`"),
        ("a.png,cat", "a.png"),
        ("Image,image,IMAGE,image", "`image`"),
    ],
)
def test_b10_a_first_line_that_cannot_be_used_says_what_it_names(head: str, words: str) -> None:
    items, bad = read(f"{head}\nx.png,cat\n")

    assert items == [] and words in bad[1] and "first line" in bad[1]


def test_a_line_that_is_too_long_costs_itself_only() -> None:
    items, bad = read(b"image,text\na.png," + b"x" * 2_500_000 + b"\nb.png,x\n")

    assert names(items) == ["b.png"] and "1,000,000" in bad[2]


def test_b11_references_are_in_one_normal_form_and_addresses_are_as_the_file_is_called() -> None:
    """B11: the same name, decomposed and composed."""
    decomposed = unicodedata.normalize("NFD", "Käfer.png")

    (item,), _ = read(f"image,label\n{decomposed},{unicodedata.normalize('NFD', 'Käfer')}\n")

    assert (item.reference, item.address, item.known_label) == ("/photos/Käfer.png", f"/photos/{decomposed}", "Käfer")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["m.csv", "m.jsonl"]), st.sampled_from(ENCODINGS))
def test_any_bytes_after_a_sound_line_leave_that_line_sound(data: bytes, name: str, encoding: str) -> None:
    first = "image,text\na.png,x\n" if name == "m.csv" else '{"image": "a.png"}\n'

    items, _ = read(first.encode(encoding) + data, name)

    assert names(items)[:1] == ["a.png"]
