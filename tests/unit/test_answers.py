"""What an answer is: sets of choices, their codes in arrays, and what an engine named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.answers import MISSING, Answer, AnswerSet, is_always_offered, is_none
from labeling.types import NONE_OF_THESE, UNSURE, Outcome

ANIMALS = AnswerSet(("cat", "dog", "bird"))
NAMES = st.text(min_size=1, max_size=8).filter(lambda name: not is_always_offered(name))
SETS = st.lists(NAMES, min_size=1, max_size=6, unique=True).map(lambda names: AnswerSet(tuple(names)))


@given(st.lists(st.sampled_from(["cat", "dog", NONE_OF_THESE, UNSURE, "wolf"])))
def test_an_answer_is_a_set_whatever_the_order_and_however_often_a_choice_is_stored(stored: list[str]) -> None:
    answer = Answer.of(stored)

    assert answer == Answer.of(reversed(stored)) == Answer.of([*stored, *stored]) == Answer.of(answer.choices)
    assert hash(answer) == hash(Answer.of(reversed(stored)))
    assert list(answer.choices) == sorted(set(stored))


@pytest.mark.parametrize(
    ("stored", "single", "none", "unsure"),
    [
        (["cat"], "cat", False, False),
        (["cat", "cat"], "cat", False, False),
        ([NONE_OF_THESE], NONE_OF_THESE, True, False),
        ([UNSURE], None, False, True),
        (["cat", "dog"], None, False, False),
        (["cat", NONE_OF_THESE], None, False, False),
        (["cat", UNSURE], None, False, False),
        ([], None, False, False),
    ],
)
def test_one_choice_is_a_label_unless_it_is_unsure(
    stored: list[str], single: str | None, none: bool, unsure: bool
) -> None:
    answer = Answer.of(stored)

    assert (answer.single, answer.is_none, answer.is_unsure) == (single, none, unsure)


def test_an_answer_keeps_what_was_shown_only_where_it_is_exactly_that() -> None:
    assert Answer.one("cat").keeps("cat") and Answer.one(UNSURE).keeps(UNSURE)
    assert not Answer.one("cat").keeps("dog") and not Answer.of(["cat", "dog"]).keeps("cat")
    assert not Answer().keeps(None) and not Answer.one("cat").keeps(None)


def test_an_answer_reads_as_its_choices() -> None:
    assert [str(answer) for answer in (Answer(), Answer.one("cat"), Answer.of(["dog", "cat"]))] == [
        "",
        "cat",
        "cat, dog",
    ]


@given(SETS)
def test_codes_and_labels_are_one_to_one_with_the_classes_first_and_none_of_these_last(known: AnswerSet) -> None:
    codes = known.codes(known.labels)

    assert codes == list(range(len(known.classes) + 1)) and codes[-1] == known.none_code
    assert [known.decode(code) for code in codes] == list(known.labels) == [*known.classes, NONE_OF_THESE]
    assert known.codes(Answer.one(label) for label in known.labels) == codes
    assert known.class_codes(known.labels) == [*range(len(known.classes)), MISSING]


@given(SETS, st.text() | st.none())
def test_what_is_no_label_of_the_set_is_missing(known: AnswerSet, text: str | None) -> None:
    assert (known.code(text) == MISSING) is (not known.is_label(text))
    assert known.is_label(text) is (text in known.labels) and known.is_choice(text) is (text in known.choices)


def test_unsure_can_be_chosen_and_is_no_label() -> None:
    assert ANIMALS.choices == ("cat", "dog", "bird", NONE_OF_THESE, UNSURE)
    assert ANIMALS.is_choice(UNSURE) and not ANIMALS.is_label(UNSURE)
    assert (
        ANIMALS.codes([UNSURE, Answer.one(UNSURE), "wolf", Answer.of(["cat", "dog"]), Answer(), None]) == [MISSING] * 6
    )
    assert ANIMALS.decode(MISSING) is None


def test_a_code_of_another_set_is_refused() -> None:
    with pytest.raises(IndexError):
        ANIMALS.decode(4)


def test_only_none_of_these_and_unsure_are_offered_in_every_project() -> None:
    assert [text for text in ANIMALS.choices if is_always_offered(text)] == [NONE_OF_THESE, UNSURE]
    assert [text for text in ANIMALS.choices if is_none(text)] == [NONE_OF_THESE] and not is_none(None)


@pytest.mark.parametrize("outcome", Outcome)
def test_what_an_engine_named_says_its_outcome_again(outcome: Outcome) -> None:
    label = "cat" if outcome is Outcome.LABEL else None

    assert Answer.named(outcome, label).outcome is outcome
    assert Answer.named(outcome, None).outcome is outcome


def test_an_engine_names_one_label_or_abstains_or_gives_probabilities_only() -> None:
    named = [
        Answer.named(Outcome.LABEL, "cat"),
        Answer.named(Outcome.NONE_OF_THESE, None),
        Answer.named(Outcome.ABSTAINED, None),
        Answer.named(Outcome.LABEL, None),
    ]

    assert [ANIMALS.label_of(one, [0.1, 0.2, 0.7]) for one in named] == ["cat", NONE_OF_THESE, None, "bird"]
    assert [ANIMALS.label_of(one) for one in named] == ["cat", NONE_OF_THESE, None, None]


def test_a_name_outside_the_set_leaves_it_to_the_probabilities_if_there_is_one_a_class() -> None:
    assert ANIMALS.label_of("wolf", [0.4, 0.4, 0.2]) == "cat"
    assert ANIMALS.label_of("wolf", [0.4, 0.6]) is None


def test_sets_of_the_same_classes_in_the_same_order_are_equal() -> None:
    assert ANIMALS == AnswerSet(("cat", "dog", "bird")) != AnswerSet(("dog", "cat", "bird"))
    assert len({ANIMALS, AnswerSet(("cat", "dog", "bird"))}) == 1
