"""Project files as people write them: what YAML reads otherwise is refused with its line, nothing is lost in silence.

The letters and numbers in the docstrings are those of the cases that people reported.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from labeling.errors import Invalid
from service.projects.project_file import check_project, parse_project
from service.written_files import Strict, read_file, read_text

ANIMALS = "name: animals\nlabels: [cat, dog]\n"


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        parse_project(text)
    return refused.value.message


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("no", "false"),
        ("Yes", "true"),
        ("on", "true"),
        ("OFF", "false"),
        ("true", "true"),
        ("null", "null"),
        ("~", "null"),
    ]
    + [("1", "1"), ("-3", "-3"), ("1.50", "1.5"), ("0x1F", "31"), (".inf", "Infinity"), ("2024-01-01", "2024-01-01")],
)
@pytest.mark.parametrize(
    "form", ["labels: [{}, cat]", "labels:\n  - {}\n  - cat", "labels:\n  - name: {}\n  - name: cat"]
)
def test_b36_a_label_that_yaml_reads_otherwise_is_refused_as_it_is_written(written: str, read: str, form: str) -> None:
    """B36: `labels: [yes, no]`, numbers, dates, null; one line a label, with the word "quotes"."""
    said = refusal(f"name: x\n{form.replace('{}', written)}\n")

    assert f"`{written}`" in said and read in said
    assert "quotes" in said and "line" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["null", "no", "2024", "2024-01-01", ""])
def test_b36_the_name_of_a_project_too(name: str) -> None:
    said = refusal(f"name: {name}\nlabels: [cat, dog]\n")

    assert "name: " in said and "(line 1)" in said and "quotes" in said


@pytest.mark.parametrize("written", ["010", "1:30", "190:20:30", "-1:30"])
def test_a_number_in_another_base_is_refused_wherever_it_stands(written: str) -> None:
    """B36, sibling: `1:30` would be 90 and `010` 8, in silence where a number is wanted."""
    for text in (f"name: x\nlabels: [{written}, cat]\n", f"{ANIMALS}policy: {{seed: {written}}}\n"):
        said = refusal(text)

        assert f"`{written}`" in said and "quotes" in said and "Line" in said


def test_values_in_quotes_are_taken() -> None:
    config = parse_project('name: "no"\nlabels: ["yes", "2024-01-01", "1:30", "010", "null"]\n')

    assert (config.name, config.classes) == ("no", ("yes", "2024-01-01", "1:30", "010", "null"))


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("name: a\nlabels: [cat, dog]\nlabels: [cat, dog, bird]\n", "labels", ("Line 3", "line 2")),
        ("name: a\nlabels:\n  - name: cat\n    name: dog\n  - bird\n", "name", ("Line 4", "line 3")),
        (f"{ANIMALS}policy: {{seed: 1, seed: 2}}\n", "seed", ("Line 3", "line 3")),
    ],
)
def test_a_key_that_is_given_twice_is_refused_with_both_lines(text: str, key: str, lines: tuple[str, str]) -> None:
    """B36, sibling: YAML keeps the last of equal keys; the first would be lost in silence."""
    said = refusal(text)

    assert f"`{key}` is given twice" in said
    assert all(line in said for line in lines)


def test_b36_a_label_with_a_colon_says_how_it_is_written() -> None:
    """B36: `- cat: feline`."""
    said = refusal("name: x\nlabels:\n  - cat: feline\n  - dog\n")

    assert "- name: cat" in said and "description: feline" in said and "line 3" in said


BLANK = ['""', '" "', '"\\u3000"', '"\\u3164"', '"\\u2800"', '"\\ufe0f"', '"\\u200c"', "'\t'"]


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize("form", ["labels: [{}, cat]", "labels:\n  - name: {}\n  - cat"])
def test_b38_a_label_that_shows_nothing_is_refused_with_its_place(blank: str, form: str) -> None:
    """B38: `labels: ["", cat]` made an empty class; fillers and spaces alone are as empty."""
    said = refusal(f"name: x\n{form.replace('{}', blank)}\n")

    assert "labels.0" in said and "line" in said and "empty" in said


@pytest.mark.parametrize("form", ["labels: [{}, cat]", "labels:\n  - name: {}\n  - cat"])
def test_b38_every_limit_holds_in_both_ways_of_writing(form: str) -> None:
    assert "100 characters" in refusal(f"name: x\n{form.replace('{}', 'x' * 101)}\n")


@pytest.mark.parametrize(
    "labels",
    [
        ["K\u00e4fer", "Ka\u0308fer"],
        ["Cat", "cat"],
        ["hot dog", "hot  dog"],
        ["stra\u00dfe", "STRASSE"],
        ["a\u00a0b", "a b"],
    ],
)
def test_labels_that_are_equal_in_normal_form_space_or_case_are_given_twice(labels: list[str]) -> None:
    """B11, sibling: two classes that nobody can tell apart."""
    with pytest.raises(Invalid, match="given twice"):
        check_project({"name": "x", "labels": labels})


def test_b14_joiners_that_make_the_word_stay_and_the_form_is_nfc() -> None:
    """B14: a Persian plural and a joined pictograph are names of classes."""
    farmer, plural = "\U0001f469\u200d\U0001f33e farmer", "\u062e\u0627\u0646\u0647\u200c\u0647\u0627"

    config = check_project({"name": "x", "labels": [farmer, plural, unicodedata.normalize("NFD", "Käfer")]})

    assert config.classes == (farmer, plural, "Käfer")


@pytest.mark.parametrize(
    "odd", ["cat\u200b", "c\u202eat", "\ufeffcat", "cat\u200f", "c\x07at", "cat\u2066", "ca\u2028t"]
)
def test_b14_other_invisible_characters_are_refused_by_name_and_place(odd: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_project({"name": "x", "labels": ["dog", odd]})

    sign = next(sign for sign in odd if not sign.isalpha())
    assert f"U+{ord(sign):04X}" in refused.value.message and "labels.1" in refused.value.message


def test_over_http_a_value_that_is_no_text_is_named_too() -> None:
    with pytest.raises(Invalid) as refused:
        check_project({"name": "x", "labels": [False, 1, None, "cat"]})

    assert all(word in refused.value.message for word in ("`false`", "`1`", "`null`", "quotes", "labels.2"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_with_whatever_byte_order_mark_it_has(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "animals.yaml"
    path.write_bytes("name: Käfer\nlabels: [cat, dog]\n".encode(encoding))

    assert parse_project(read_text(path)).name == "Käfer"


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    """B01, sibling: Windows-1252."""
    path = tmp_path / "animals.yaml"
    path.write_bytes("name: x\nlabels: [Käfer, dog]\n".encode("cp1252"))

    with pytest.raises(Invalid, match="not UTF-8 text .line 2."):
        read_text(path)


class Settings(Strict):
    """A file of another kind that people write."""

    name: str = ""
    sizes: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("text", "words"),
    [("name: no\n", "`no` as false"), ("sizes: {a: 1, a: 2}\n", "given twice"), ("name: [\n", "YAML")],
)
def test_every_file_that_people_write_is_read_the_same_way(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)

    with pytest.raises(Invalid) as refused:
        read_file(path, Settings)

    assert words in refused.value.message and str(path) in refused.value.message
