"""The hint about an engine's prediction: short, plain, and never more than the engine's answer."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from labeling.project import LabelClass, Policy, ProjectConfig
from labeling.review.config import HINTS, labelling_config
from labeling.review.hint_text import Hint, reason_line, top_line
from labeling.review.payloads import task_data

CLASSES = ["cat", "dog", "bird", "fish"]
CONFIG = ProjectConfig("animals", tuple(map(LabelClass, CLASSES)))


def headers(config: ProjectConfig) -> list[str]:
    return [str(tag.get("value")) for tag in ElementTree.fromstring(labelling_config(config)).iter("Header")]


def test_the_three_likeliest_come_first_and_a_tie_in_the_order_of_the_label_set() -> None:
    assert top_line("bundled", CLASSES, [0.1, 0.35, 0.2, 0.35], None).endswith("dog 35 %, fish 35 %, bird 20 %")


def test_without_probabilities_the_answer_stands_alone_and_without_either_nothing_does() -> None:
    assert top_line("agent", CLASSES, [], "cat") == "When asked, agent said: cat"
    assert top_line("agent", CLASSES, [], None) == ""
    assert top_line("agent", CLASSES, [0.5, 0.5], None) == ""


def test_a_long_reason_is_cut_and_none_is_none() -> None:
    assert len(reason_line("word " * 1_000)) < 420
    assert reason_line(" \n ") == ""


@given(st.text(max_size=60))
def test_whatever_an_engine_writes_is_plain_text_that_names_no_field_of_the_task(said: str) -> None:
    lines = [reason_line(said), top_line(said or "x", [said or "x", "b"], [0.5, 0.5], None)]

    for line in lines:
        assert not re.search(r"\$\w", line)
        assert not re.search(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\ud800-\udfff]", line)


def test_the_labelling_config_shows_what_the_policy_lets_be_shown() -> None:
    nothing = replace(CONFIG, policy=Policy(show=()))
    top = replace(CONFIG, policy=Policy(show=("top",)))

    assert headers(nothing) == ["$text"]
    assert headers(top) == ["$text", "$engine_top"]
    assert headers(CONFIG) == ["$text", "$engine_top", "$engine_reason"]


def behind_a_click(config: ProjectConfig) -> list[str]:
    panels = ElementTree.fromstring(labelling_config(config)).iterfind(".//Collapse/Panel/Header")
    return [str(tag.get("value")) for tag in panels]


def test_a_reason_is_behind_a_click_unless_the_policy_wants_it_before_the_answer() -> None:
    before = replace(CONFIG, policy=Policy(show=("top", "reason_before")))

    assert behind_a_click(CONFIG) == ["$engine_reason"]
    assert (behind_a_click(before), headers(before)) == ([], ["$text", "$engine_top", "$engine_reason"])
    assert "open" not in labelling_config(CONFIG)


def test_every_task_has_every_key_that_a_policy_may_show() -> None:
    bare = task_data(token="key", image_url="http://here", region_url="http://here/r", text=None)
    data = task_data(token="key", image_url="u", region_url="r", text=None, hint=Hint("a", "b"))

    assert [bare[key] for key in HINTS.values()] == ["", "", ""]
    assert [data[key] for key in HINTS.values()] == ["a", "b", "b"]
