"""Labelling configs that others wrote: what can be taken over is read, everything else is refused with the reason."""

from __future__ import annotations

import re

import pytest

from labeling.errors import Invalid
from labeling.project import LabelClass, ProjectConfig
from labeling.review.config import choices_in, labelling_config
from labeling.review.controls import Controls, read_config
from labeling.review.payloads import Suggestion, prediction, task_data

IMAGE = '<Image name="photo" value="$url"/>'
CHOICES = '<Choices name="species" toName="photo">{}</Choices>'
TWO = '<Choice value="cat" hint="it purrs"/><Choice value="Hund" alias="dog"/>'


def config(*parts: str, choices: str = CHOICES.format(TWO)) -> str:
    return f"<View>{IMAGE}{choices}{''.join(parts)}</View>"


def test_names_and_classes_are_read_as_answers_record_them() -> None:
    words = '<Header value="Which animal?"/><Text name="words" value="$caption"/>'

    found = read_config(config(words))

    assert found.controls == Controls("photo", "species", "url", "caption")
    assert found.labels == (LabelClass("cat", "it purrs"), LabelClass("dog", "Hund"))


def test_what_is_always_offered_is_no_class() -> None:
    more = '<Choice value="none of these"/><Choice value="unsure"/>'

    found = read_config(config(choices=CHOICES.format(TWO + more)))

    assert [label.name for label in found.labels] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (config('<RectangleLabels name="b" toName="photo"><Label value="x"/></RectangleLabels>'), "RectangleLabels"),
        (config('<TextArea name="t" toName="photo"/>'), "TextArea"),
        (config('<Image name="second" value="$b"/>'), "2 Image tags"),
        (config(CHOICES.format(TWO)), "2 Choices tags"),
        (config(choices=""), "0 Choices tags"),
        (config(choices=CHOICES.format(TWO).replace("<Choices ", '<Choices choice="multiple" ')), "several answers"),
        (config(choices=CHOICES.format(TWO).replace("<Choices ", '<Choices perRegion="true" ')), "part of the image"),
        (config(choices=CHOICES.format(TWO).replace("<Choices ", '<Choices value="$all" ')), "the task's data"),
        (config(choices=CHOICES.format(TWO).replace('toName="photo"', 'toName="other"')), "not about its Image"),
        (config(choices=CHOICES.format('<Choice value="a"><Choice value="b"/></Choice>')), "inside each other"),
        (config().replace('value="$url"', 'value="$all[0]"'), "not one field"),
        (config().replace('value="$url"', 'value="$text"'), "'text'"),
        (config().replace('value="$url"', 'value="$external_id"'), "'external_id'"),
        (config().replace(' name="species"', ""), "has no name"),
    ],
)
def test_anything_but_one_choice_about_one_image_is_refused_with_the_reason(xml: str, words: str) -> None:
    with pytest.raises(Invalid, match=re.escape(words)) as refused:
        read_config(xml)

    assert "one Image and one single-choice Choices" in refused.value.message


@pytest.mark.parametrize("xml", ["", "<View", '<!DOCTYPE x [<!ENTITY a "b">]><View>&a;</View>', "<a>" * 10_000])
def test_what_is_not_plain_xml_is_refused(xml: str) -> None:
    with pytest.raises(Invalid, match="not plain XML"):
        read_config(xml)


def test_the_config_and_the_predictions_that_we_write_use_the_names_that_were_there() -> None:
    ours = ProjectConfig("animals", (LabelClass("cat"), LabelClass("dog")))
    controls = read_config(config('<Text name="words" value="$caption"/>')).controls

    written = read_config(labelling_config(ours, controls))
    said = prediction(7, Suggestion("dog", 0.5), "v1-q1", ours.answers.choices, controls)["result"][0]
    data = task_data(token="key", image_url="http://here/i", region_url="http://here/r", text="a", controls=controls)

    assert written.controls == controls
    assert choices_in(labelling_config(ours, controls)) == ours.answers.choices
    assert (said["from_name"], said["to_name"]) == ("species", "photo")
    assert (data["url"], data["caption"], data["external_id"]) == ("http://here/i", "a", "key")
    assert not {"image", "text"} & set(data)
