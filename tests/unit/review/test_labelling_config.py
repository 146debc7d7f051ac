"""The labelling config and what else is written into a Label Studio project."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.project import LabelClass, ProjectConfig
from labeling.review.config import choices_in, config_hash, instructions, labelling_config, title
from labeling.types import NONE_OF_THESE, UNSURE

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"/><Choice value="injected',
    "'><script>alert(1)</script>",
    "&lt;b&gt; & <!-- -->",
    "]]><!DOCTYPE a [<!ENTITY b 'c'>]>&b;",
    "javascript:alert(1)",
    "{{7*7}}${7*7}",
    "$image",
    "=1+1",
    "\u202edrow",
)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).map(str.strip)


def _config(*names: str, name: str = "animals", guidelines: str = "") -> ProjectConfig:
    return ProjectConfig(name, tuple(LabelClass(n, f"about {n}") for n in names), guidelines=guidelines)


def test_every_class_and_the_two_that_are_always_offered_are_choices_with_hotkeys() -> None:
    xml = labelling_config(_config("cat", "dog"))

    choices = list(ElementTree.fromstring(xml).iter("Choice"))
    assert [(c.get("value"), c.get("hotkey"), c.get("hint")) for c in choices[:2]] == [
        ("cat", "1", "about cat"),
        ("dog", "2", "about dog"),
    ]
    assert [c.get("value") for c in choices[2:]] == [NONE_OF_THESE, UNSURE]
    assert len({c.get("hotkey") for c in choices}) == 4


def test_many_classes_get_a_filter_and_groups() -> None:
    few = ElementTree.fromstring(labelling_config(_config(*(f"class {n}" for n in range(30)))))
    many = ElementTree.fromstring(labelling_config(_config(*(f"class {n:02d}" for n in range(31)))))

    assert few.find(".//Filter") is None
    assert many.find(".//Filter") is not None
    assert [len(group.findall("Choice")) for group in many.findall(".//Choices/View")] == [15, 15, 1]
    assert len(list(many.iter("Choice"))) == 33


@pytest.mark.parametrize("count", [9, 12, 40])
def test_no_hotkey_stands_for_two_choices(count: int) -> None:
    xml = labelling_config(_config(*(f"class {n:02d}" for n in range(count))))

    hotkeys = [key for choice in ElementTree.fromstring(xml).iter("Choice") if (key := choice.get("hotkey"))]
    assert hotkeys == [*"1234567890"[:count], "n", "m"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_a_name_and_nothing_else(name: str) -> None:
    config = _config("cat", name, name=name, guidelines=name)

    xml = labelling_config(config)

    assert choices_in(xml) == config.answers.choices
    assert {element.tag for element in ElementTree.fromstring(xml).iter()} == {
        "View", "Image", "Header", "Collapse", "Panel", "Choices", "Choice",
    }  # fmt: skip
    assert "<img" not in instructions(config)
    assert "<script" not in instructions(config)


@given(st.lists(NAMES.filter(bool), min_size=2, max_size=40, unique=True))
def test_the_answers_come_back_from_the_config_as_they_were(names: list[str]) -> None:
    config = _config(*names)

    assert sorted(choices_in(labelling_config(config))) == sorted(config.answers.choices)


@pytest.mark.parametrize(
    "xml",
    [
        "no xml",
        "<View",
        '<!DOCTYPE a [<!ENTITY x "y">]><View>&x;</View>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><View>&x;</View>',
        '<!DOCTYPE z [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><View>&b;</View>',
    ],
)
def test_a_config_with_entities_or_broken_is_refused(xml: str) -> None:
    with pytest.raises(Invalid, match="plain XML"):
        choices_in(xml)


def test_a_title_has_three_to_fifty_characters() -> None:
    assert title(_config("a", "b", name="x")) == "x (hardcase)"
    assert title(_config("a", "b", name="cats")) == "cats"
    assert len(title(_config("a", "b", name="n" * 80))) == 50


def test_guidelines_keep_their_lines() -> None:
    assert instructions(_config("cat", "dog", guidelines="look\ntwice")).startswith(
        "<p>look<br>twice</p><ul><li><b>cat"
    )
    assert instructions(ProjectConfig("x", (LabelClass("a"), LabelClass("b")))) == ""


def test_anything_written_changes_the_hash() -> None:
    assert len({config_hash("a", "b"), config_hash("ab"), config_hash("a", "c"), config_hash("a", "b", "")}) == 4
