"""What YAML reads otherwise than people mean: a sound file is taken, a trap is named with its line and the way out.

All of it is of the kind of B36: files that people wrote with an editor, a word processor or another program.
"""

from __future__ import annotations

import json

import pytest

from labeling.errors import Invalid
from service.projects.project_file import parse_project

ANIMALS = "name: animals\nlabels: [cat, dog]\n"


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        parse_project(text)
    return refused.value.message


def classes(text: str) -> tuple[str, ...]:
    return parse_project(text).classes


@pytest.mark.parametrize(
    "text",
    [
        "name: x\nlabels:\n  - a very long name of a class that\n    goes on in the next line\n  - dog\n",
        "name: x\nlabels: [a very long name of a class that\n  goes on in the next line, dog]\n",
        'name: x\nlabels:\n  - "a very long name of a class that\n    goes on in the next line"\n  - dog\n',
    ],
)
def test_a_text_that_goes_on_in_the_next_line_is_one_text(text: str) -> None:
    """This is how programs write long texts."""
    assert classes(text) == ("a very long name of a class that goes on in the next line", "dog")


def test_json_may_be_indented_by_tabs() -> None:
    assert classes(json.dumps({"name": "x", "labels": ["cat", "dog"]}, indent="\t")) == ("cat", "dog")


def test_prompts_and_guidelines_may_have_several_lines() -> None:
    prompts = "    prompts:\n      - a photo of a cat\n        on a chair\n"
    config = parse_project(f"name: x\nguidelines: Look\n  - closely\nlabels:\n  - name: cat\n{prompts}  - dog\n")

    assert config.labels[0].prompts == ("a photo of a cat on a chair",)
    assert config.guidelines == "Look - closely"


@pytest.mark.parametrize("indent", ["    ", "   ", "      "])
def test_an_item_that_stands_too_far_in_is_not_lost_in_the_one_before(indent: str) -> None:
    said = refusal(f"name: x\nlabels:\n  - cat\n{indent}- dog\n  - bird\n")

    assert "Line 3" in said and "`cat - dog`" in said and "same column" in said


@pytest.mark.parametrize(
    ("written", "name"),
    [("=", "="), ("<<", "<<"), ("y", "y"), ("N", "N"), ("08", "08"), ("1e3", "1e3"), ("0o7", "0o7"), ("_", "_")]
    + [("inf", "inf"), ("a:b", "a:b"), ("C#", "C#"), ("cat's eye", "cat's eye"), ("!!str no", "no")],
)
def test_a_bare_text_that_no_reader_changes_is_taken(written: str, name: str) -> None:
    assert classes(f"name: x\nlabels:\n  - {written}\n  - dog\n") == (name, "dog")


@pytest.mark.parametrize("value", ["0.", ".5", "0", "00", "0.05", "5e-2", "005e-2"])
def test_a_number_that_means_the_same_everywhere_is_taken(value: str) -> None:
    config = parse_project(f"{ANIMALS}policy: {{gate: {{margin: {value}}}}}\n")

    assert config.policy.gate.margin == pytest.approx(float(value))


@pytest.mark.parametrize("yes", ["yes", "on", "true", "1"])
def test_yes_and_no_are_taken_where_they_are_meant(yes: str) -> None:
    config = parse_project(f"{ANIMALS}policy: {{keep_originals: {yes}, team: {{pause: no}}, near_duplicates: off}}\n")

    assert config.policy.keep_originals and not config.policy.team.pause
    assert config.policy.near_duplicates == "off"


@pytest.mark.parametrize("key", ["query_size: yes", "low_water: no", "gate: {margin: on}", "budget: {amount: true}"])
def test_yes_is_no_number(key: str) -> None:
    """It was 1, in silence."""
    assert "number" in refusal(f"{ANIMALS}policy:\n  {key}\n")


@pytest.mark.parametrize("written", ["0,02", "2%", "20 USD", "$20", "1.000,50"])
def test_a_number_with_a_comma_or_a_unit_says_how_it_is_written(written: str) -> None:
    said = refusal(f"{ANIMALS}policy:\n  budget:\n    amount: {written}\n")

    assert "policy.budget.amount" in said and "with a point" in said and "line 5" in said


def test_a_comma_within_braces_too() -> None:
    assert "has a point (0.1)" in refusal(f"{ANIMALS}policy: {{gate: {{margin: 0,02}}}}\n")


@pytest.mark.parametrize("seed", ["-1", str(2**63)])
def test_a_seed_that_no_draw_can_take_is_refused(seed: str) -> None:
    assert "policy.seed" in refusal(f"{ANIMALS}policy: {{seed: {seed}}}\n")


@pytest.mark.parametrize(
    "written",
    [
        "@home",
        "*star",
        "**bold**",
        "%x",
        "`x`",
        "[sic] cat",
        "> 5 mm",
        "| a",
        "'cat' or kitten",
        "'cat's eye'",
        "a: b: c",
    ],
)
def test_signs_of_yaml_in_a_text_are_advised_to_be_quoted(written: str) -> None:
    said = refusal(f"name: x\nlabels:\n  - {written}\n  - dog\n")

    assert "line 3" in said and "in quotes" in said and "\n" not in said


@pytest.mark.parametrize("written", ["!bad", "!!set {cat, dog}", "!!python/name:os.system", "!!binary aGVsbG8="])
def test_types_of_yaml_are_refused_by_name(written: str) -> None:
    """A set has another order at every start, and the order of labels is that of every probability."""
    said = refusal(f"name: x\nlabels:\n  {written}\n")

    assert "Line 3" in said and f"`{written.partition(' ')[0]}`" in said


@pytest.mark.parametrize(("sign", "word"), [("\t", "a tab"), ("\u00a0", "U+00A0"), ("\u3000", "U+3000")])
def test_what_looks_like_a_space_before_an_item_is_named(sign: str, word: str) -> None:
    said = refusal(f"name: x\nlabels:\n{sign}- cat\n{sign}- dog\n")

    assert f"Line 3 begins with {word}" in said


@pytest.mark.parametrize("rest", ["#1", "#small dogs"])
def test_a_comment_in_place_of_a_text_is_named(rest: str) -> None:
    assert "comment" in refusal(f"name: x\nlabels:\n  - {rest}\n  - cat\n")


@pytest.mark.parametrize(
    "labels", ["cat, dog", "{0: cat, 1: dog}", "\n  cat: a cat\n  dog: a dog", "\n  – cat\n  – dog"]
)
def test_other_ways_to_list_labels_say_what_a_list_is(labels: str) -> None:
    assert "each item in a line of its own, after `- `" in refusal(f"name: x\nlabels: {labels}\n")


@pytest.mark.parametrize(
    ("label", "words"), [("cat:", '"cat:"'), (":smile:", '":smile:"'), ("cat: {a: b}", "- name: cat")]
)
def test_a_label_with_a_colon_at_its_end_says_how_it_is_written(label: str, words: str) -> None:
    assert words in refusal(f"name: x\nlabels:\n  - {label}\n  - dog\n")


def test_json_as_programs_write_it_is_taken() -> None:
    """They write a pictograph as two halves."""
    text = json.dumps({"name": "x", "labels": ["\U0001f600", "K\u00e4fer", "a\u2028b"]})

    with pytest.raises(Invalid, match=r"U\+2028"):
        parse_project(text)
    assert classes(text.replace("a\\u2028b", "ab")) == ("\U0001f600", "Käfer", "ab")


def test_half_a_character_is_named_with_its_line() -> None:
    said = refusal('name: x\nlabels: ["\\ud83d", dog]\n')

    assert "Line 2" in said and "half a character" in said


def test_a_line_sign_within_guidelines_ends_no_line() -> None:
    config = parse_project(f"{ANIMALS}guidelines: |\n  Look\u2028closely.\n")

    assert config.guidelines.split() == ["Look", "closely."]


def test_a_control_character_is_named_with_its_line() -> None:
    assert "Line 2" in refusal("name: x\nlabels: [c\x07at, dog]\n")


@pytest.mark.parametrize("date", ["2024-13-01", "2024-02-30"])
def test_a_date_that_does_not_exist_is_named_as_it_is_written(date: str) -> None:
    said = refusal(f"name: x\nlabels: [{date}, cat]\n")

    assert "Line 2" in said and f'"{date}"' in said


def test_an_alias_within_an_alias_takes_no_memory() -> None:
    """Ten lines of ten aliases each would be ten thousand million texts in a message."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    nested = "\n".join(f"  - {line}" for line in lines)

    assert len(refusal(f"name: x\nlabels:\n{nested}\n")) < 5_000


def test_a_second_document_says_to_leave_out_its_line() -> None:
    assert "`---`" in refusal(f"{ANIMALS}---\nmore: text\n")
