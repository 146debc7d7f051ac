"""Which texts stand for a label: its own, the project's templates, or the engine's."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from labeling.errors import Invalid
from labeling.prelabel.engine import digest_of
from labeling.prelabel.zero_shot.templates import CAPTIONS, SENTENCES, label_texts, texts_by_label
from labeling.project import LabelClass
from labeling.text_templates import check_template

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


@pytest.mark.parametrize(
    ("template", "character"),
    [
        ("a {name:>800000000}", 3),
        ("{name!r}", 1),
        ("{name.__class__.__mro__}", 1),
        ("{name[0]}", 1),
        ("{name} {description.__init__.__globals__}", 8),
        ("{name} {0}", 8),
        ("{name} {}", 8),
        ("{name} {other}", 8),
        ("{ name }", 1),
        ("{NAME} {name}", 1),
        ("{{name}}", 1),
        ("{name}}", 7),
        ("{name} {", 8),
        ("{name:{description}}", 1),
        ("{{{name}}}", 1),
    ],
)
def test_anything_else_in_braces_is_refused_with_its_place_and_computes_nothing(template: str, character: int) -> None:
    tracemalloc.start()
    started = time.perf_counter()

    with pytest.raises(Invalid, match=f"at character {character}\\.$"):
        check_template(template)
    with pytest.raises(Invalid, match="nothing else in braces"):
        label_texts(BIRD, [template])  # one that an older version stored

    assert tracemalloc.get_traced_memory()[1] < 10**6
    assert time.perf_counter() - started < 1
    tracemalloc.stop()


def test_a_template_without_the_name_is_refused() -> None:
    with pytest.raises(Invalid, match=r"\{name\}"):
        check_template("a photo, {description}")


def test_braces_in_a_name_or_a_description_stay_what_they_are() -> None:
    odd = LabelClass("{description}", "of {name:>9} and {0}")

    assert label_texts(odd, ["{name}: {description}, {name}"]) == ["{description}: of {name:>9} and {0}, {description}"]
