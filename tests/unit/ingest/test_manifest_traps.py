"""More of what programs write into manifests: each costs its own line, with a reason that says what it is."""

from __future__ import annotations

import json

import pytest

from tests.unit.ingest.test_manifest_cases import names, read


@pytest.mark.parametrize("key", ["image", "text", "by"])
def test_b01_half_a_character_in_json_is_named(key: str) -> None:
    """What Python's json writes of a file name that was no UTF-8."""
    line = json.dumps({"image": "a.png", key: "M\udcfcller.png"})

    items, bad = read(f'{line}\n{{"image": "b.png", "text": "\\ud83d\\ude00 \\\\ud83d"}}\n', "m.jsonl")

    assert names(items) == ["b.png"]
    assert "\\udcfc is no character" in bad[1]
    assert "UTF-8" in bad[1]


@pytest.mark.parametrize(
    ("lines", "taken"),
    [
        ('a,cat,"x\nb,dog,y\nc,dog,z"\n', ["b", "c"]),
        ('a.img,cat,"x\nb.img,dog,y\nc.img,dog,z"\n', ["b.img", "c.img"]),
        ('a,cat,"one\ntwo, three, four"\n', ["a"]),
        ('a.img,cat,"12 Main St\nSpringfield,IL,US"\n', ["a.img"]),
    ],
)
def test_b04_lines_that_name_images_as_the_first_does_are_not_swallowed(lines: str, taken: list[str]) -> None:
    items, bad = read(f"image,label,text\n{lines}")

    assert names(items) == taken
    assert list(bad) == ([] if len(taken) == 1 else [2])


@pytest.mark.parametrize("head", ['image,"text,label', 'image,"te\nxt",label'])
def test_b04_a_quote_that_opens_in_the_header_is_named(head: str) -> None:
    items, bad = read(f"{head}\na.png,x,cat\n")

    assert items == []
    assert list(bad) == [1]
    assert "quote" in bad[1]


@pytest.mark.parametrize(
    "again",
    [
        "HTTPS://Example.org/%C3%BC.png",
        "https://example.org:443/\u00fc.png",
        "https://example.org/\u00fc.png#top",
    ],
)
def test_b08_a_web_address_in_another_way_of_writing_is_the_same_image(again: str) -> None:
    items, bad = read(f"image,label\nhttps://example.org/\u00fc.png,cat\n{again},dog\n")

    assert len(items) == 1
    assert "'cat' there, 'dog' here" in bad[3]


def test_b08_web_addresses_with_another_port_or_query_are_other_images() -> None:
    first = "http://example.org/a.png"

    items, bad = read(f"image,label\n{first},cat\n{first}?n=1,dog\nhttp://example.org:8080/a.png,dog\n")

    assert len(items) == 3
    assert bad == {}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04\x14\0\x06\0", "workbook of Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
    ],
)
def test_b10_a_file_that_is_no_text_is_named_as_what_it_is(data: bytes, words: str) -> None:
    items, bad = read(data)

    assert items == []
    assert words in bad[1]
    assert "Save it as CSV" in bad[1]


def test_b10_the_line_that_names_the_separator_may_have_empty_columns() -> None:
    items, bad = read("sep=;;;\r\nimage;label;;\r\na.png;cat;;\r\n")

    assert names(items) == ["a.png"]
    assert bad == {}


def test_b10_a_gold_flag_may_be_a_number_as_pandas_writes_it_beside_missing_ones() -> None:
    items, bad = read("image,label,gold\na.png,cat,1.0\nb.png,cat,0.0\nc.png,cat,\n")

    assert [item.gold for item in items] == [True, False, False]
    assert bad == {}


@pytest.mark.parametrize("head", ['image;"a, b, c"', "image\tx,y,z", '"a;b;c",image', 'image|"a,b;c"'])
def test_b10_a_separator_that_stands_within_a_name_divides_nothing(head: str) -> None:
    items, bad = read(f"{head}\na.png{'' if head.startswith('image') else ',a.png'}\n")

    assert len(items) == 1 and bad == {}


@pytest.mark.parametrize("rest", ["", ",cat", ",cat,", ",cat,,"])
def test_b04_a_value_of_several_lines_may_end_a_short_or_a_padded_line(rest: str) -> None:
    """Spreadsheets leave empty values out at the end of a line, or add some."""
    items, bad = read(f'image,text,label\na.png,"one\ntwo"{rest}\nb.png,x,dog\n')

    assert [item.text for item in items] == ["one\ntwo", "x"]
    assert bad == {}


def test_b10_a_text_that_is_written_as_a_formula_for_excel_is_that_text() -> None:
    items, bad = read('image,label,zip\n="a.png",="007",="01234"\n"=""b.png""","=""008""",=1+1\n')

    assert [(item.known_label, item.details["zip"]) for item in items] == [("007", "01234"), ("008", "=1+1")]
    assert names(items) == ["a.png", "b.png"] and bad == {}


def test_b08_a_label_that_is_written_otherwise_is_no_contradiction() -> None:
    items, bad = read("image,label\na.png,K\u00e4fer\na.png,KA\u0308FER\n")

    assert len(items) == 2 and bad == {}


@pytest.mark.parametrize("text", ['<img alt="cat">', 'a="b"', '="a" or ="b"', '="a', '"=""a"" b"'])
def test_b10_what_only_holds_such_a_sign_stays_as_it_is(text: str) -> None:
    written = f'"{text.replace(chr(34), chr(34) * 2)}"'

    items, bad = read(f"image,text\na.png,{written}\n")

    assert [item.text for item in items] == [text] and bad == {}


@pytest.mark.parametrize("lines", ['"a,x,cat\nb,y",dog\n', 'a,x,"cat\nb,y,dog"\n'])
def test_b04_a_quote_that_opens_in_a_column_of_one_line_swallows_none(lines: str) -> None:
    """A path or a label never has two lines, so that it was never closed whatever its lines look like."""
    _, bad = read(f"image,text,label\n{lines}c,z,cat\n")

    assert 2 in bad and "quote" in bad[2]
