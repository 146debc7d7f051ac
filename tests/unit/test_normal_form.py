"""One way of writing for texts and names, whoever wrote them. The numbers in the docstrings are those of the cases."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.answers import AnswerSet
from labeling.errors import Invalid
from labeling.ingest.text import clean_text
from labeling.normal_form import check_name, clean_name, is_blank, one_line, same_name, visible

ODD = "\u200c\u200d\u0645\u06cc\u094d\u0915\u0301\u0323e\ufe0f\U0001f469\U0001f33e \n\u202e\u00ad"
KEPT = {
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "a Persian plural after Latin letters": "PDF\u200c\u0647\u0627",
    "the shape of an Arabic letter at the end": "\u0647\u200d.\u0642",
    "Bengali, a joiner before the virama": "\u09b0\u200d\u09cd\u09af\u09be\u09ac",
    "Malayalam, a joiner after the virama at the end": "\u0d28\u0d4d\u200d",
    "Sinhala": "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "Devanagari": "\u0915\u094d\u200c\u0937",
    "a farmer": "\U0001f469\u200d\U0001f33e",
    "a farmer with a colour of skin": "\U0001f469\U0001f3fd\u200d\U0001f33e",
    "a flag of two signs": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "a head that shakes": "\U0001f642\u200d\u2194\ufe0f",
    "the flag of a region": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_b13_b14_joiners_that_change_a_word_or_a_sign_are_kept_in_texts_and_names(text: str) -> None:
    assert clean_text(f"x {text} y") == f"x {text} y"
    assert clean_text(text) == text
    assert check_name(text) == text
    assert clean_name(f"{text}.png") == f"{text}.png"


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\u200db", "ab"), ("a\u200cb", "ab"), ("\u0645\u06cc\u200c", "\u0645\u06cc"), ("\u200c\u0645", "\u0645")]
    + [("\u0645\u06cc\u200c\u200c\u062e", "\u0645\u06cc\u200c\u062e"), ("+\u200d+", "++"), ("a\ufe0f\u200d", "a\ufe0f")]
    + [("x\U000e0061\U000e0062", "x"), ("a\u061cb\u200eb", "abb"), ("a\u2028b\x0bc\x85d", "a\nb\nc\nd")],
)
def test_b13_joiners_elsewhere_and_what_is_invisible_are_left_out_and_words_stay_apart(text: str, kept: str) -> None:
    assert clean_text(text) == kept


@given(st.text() | st.text(alphabet=ODD))
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    for form in (visible, one_line, same_name):
        assert form(form(text)) == form(text)
        assert unicodedata.is_normalized("NFC", form(text))


@pytest.mark.parametrize(
    "written",
    [
        "K\u00e4fer",
        "Ka\u0308fer",
        " k\u00c4fer ",
        "K\u00c4FER",
        "K\u00e4fer\u200b",
        "\u200fK\u00e4fer",
        "K\u00e4fer\u3000",
    ],
)
def test_b11_a_label_is_found_in_every_way_of_writing(written: str) -> None:
    assert AnswerSet(("Hund", "K\u00e4fer", "hot dog")).find(written) == "K\u00e4fer"


def test_b11_a_class_of_an_older_project_is_found_though_it_is_decomposed() -> None:
    assert AnswerSet(("Ka\u0308fer",)).find("K\u00e4fer") == "Ka\u0308fer"


def test_a_label_that_is_written_exactly_like_a_class_is_that_class() -> None:
    known = AnswerSet(("Polish", "polish"))

    assert (known.find("polish"), known.find("Polish"), known.find("POLISH")) == ("polish", "Polish", "Polish")
    assert known.find("None of these") == "none of these"
    assert known.find("pol ish") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\nb.png", "U+000A"),
        ("a\u202eb", "RIGHT-TO-LEFT OVERRIDE"),
        ("M\udcfcller", "byte FC"),
        ("\ud800", "surrogate"),
    ],
)
def test_a_name_that_cannot_be_stored_is_refused_with_the_sign_and_its_place(name: str, words: str) -> None:
    with pytest.raises(Invalid, match="Give it another name") as refused:
        clean_name(name)

    assert words in refused.value.message


@pytest.mark.parametrize("text", ["", " ", "\u3000", "\u200b", "\u3164", "\u2800", "\u0301", "\ufe0f", "\u200c \u200d"])
def test_b38_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["\u180e", "\U0001d173", "\ufffe", "\U0001bca0"])
def test_b38_what_only_shapes_other_signs_is_blank_alone(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("sign", ["\ufff0", "\ufffe", "\ufdd0", "\U0001d173"])
def test_what_no_text_may_hold_is_left_out_and_refused_in_a_name(sign: str) -> None:
    """Noncharacters are no XML, which Label Studio's config is."""
    assert visible(f"a{sign}b") == "ab"
    with pytest.raises(Invalid, match=f"U\\+{ord(sign):04X}"):
        check_name(f"a{sign}b")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u2764\ufe0f", "\u2764"),
        ("\u2764\ufe0e", "\u2764"),
        ("\u845b\U000e0100", "\u845b"),
        ("hot\u3164dog", "hot dog"),
    ],
    ids=["in colour", "in black", "another drawing of an ideograph", "a blank letter"],
)
def test_b11_a_sign_is_the_same_in_each_of_its_drawings(one: str, other: str) -> None:
    assert same_name(one) == same_name(other)
    assert AnswerSet((one, "cat")).find(other) == one


def test_b13_a_pictograph_that_is_newer_than_the_tables_keeps_its_joiner() -> None:
    assert visible("\U0001fae9\u200d\U0001f33e") == "\U0001fae9\u200d\U0001f33e"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\uff23\uff21\uff34", "cat"),
        ("\uff76\uff9e\uff97\uff7d", "\u30ac\u30e9\u30b9"),
        ("cat\u2019s eye", "cat's eye"),
        ("x\u2011ray", "X-ray"),
        ("\u0643\u0640\u0644\u0628", "\u0643\u0644\u0628"),
        ("\u1780\u200b\u1781", "\u1780\u1781"),
    ],
)
def test_b11_widths_and_what_word_processors_write_make_no_other_name(one: str, other: str) -> None:
    """B11, siblings: a Japanese keyboard, an apostrophe of Word, a longer Arabic letter, a parted Khmer word."""
    assert same_name(one) == same_name(other)


@pytest.mark.parametrize("word", ["\u1780\u17b6\u200b\u1781", "\u0e01\u0e33\u200b\u0e02", "\u1000\u200b\u1001"])
def test_b13_what_parts_words_without_spaces_stays(word: str) -> None:
    """B13, sibling: a Khmer keyboard writes U+200B for its space bar."""
    assert visible(word) == check_name(word) == word
    assert visible(f"{word}\u200b cat\u200b") == f"{word} cat"
