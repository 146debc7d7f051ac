"""Which texts stand for a label: its own, the project's templates, or the engine's."""

from __future__ import annotations

from labeling.prelabel.engine import digest_of
from labeling.prelabel.zero_shot.templates import CAPTIONS, SENTENCES, label_texts, texts_by_label
from labeling.project import LabelClass

BIRD = LabelClass("sea_bird", "gulls and terns.")


def test_a_labels_own_prompts_win_as_they_are() -> None:
    label = LabelClass("sea_bird", "gulls", prompts=("a gull_", "a tern", "a gull_"))

    texts = label_texts(label, ["a photo of a {name}"])

    assert texts == ["a gull_", "a tern"]


def test_the_projects_templates_stand_instead_of_the_engines() -> None:
    texts = label_texts(BIRD, ["one {name}", "{name} ({description})"], CAPTIONS)

    assert texts == ["one sea bird", "sea bird (gulls and terns)"]


def test_a_template_with_a_description_is_left_out_where_there_is_none() -> None:
    plain = LabelClass("cat")

    assert label_texts(plain, ["a {name}", "{name}: {description}"]) == ["a cat"]
    assert label_texts(plain, ["{name}: {description}"]) == ["cat"]


def test_every_engine_has_templates_that_hold_the_name_and_one_with_the_description() -> None:
    for templates in (SENTENCES, CAPTIONS):
        texts = label_texts(BIRD, [], templates)

        assert len(texts) == len(templates) and all("sea bird" in text for text in texts)
        assert sum("gulls and terns" in text for text in texts) == 1


def test_the_hash_names_the_texts_and_which_label_they_stand_for() -> None:
    labels = [BIRD, LabelClass("cat")]

    again, changed = texts_by_label(labels, ()), texts_by_label(labels, ("a {name}",))

    assert digest_of(again) == digest_of(texts_by_label(labels, ()))
    assert len({digest_of(again), digest_of(changed), digest_of(again[::-1])}) == 3
