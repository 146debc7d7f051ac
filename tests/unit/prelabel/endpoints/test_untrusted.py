"""Words of unknown people in a prompt: visible, bounded, and never out of their tags."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.prelabel.endpoints.untrusted_text import RULE, clean, delimited

TRICKY = st.sampled_from(
    ["<", ">", "</untrusted-", "<|im_start|>", "[INST]", "&lt;", "\n", " ", "\u200b", "\u202e", "\U000e0041", "\u0338"]
    + ["\u3164", "\ufe0f", "\uff1c", "\u00a8", "\u1100", "\u1161", "\ud800", "\ufdfa", "\x00", "\x85", "\u2028", "a"]
)
WORDS = st.one_of(st.text(st.characters()), st.lists(TRICKY, max_size=40).map("".join))


@given(WORDS, st.integers(0, 60))
def test_cleaning_twice_is_the_same_as_once_and_keeps_the_limit(text: str, limit: int) -> None:
    once = clean(text, limit)

    assert clean(once, limit) == once
    assert len(once) <= limit


@given(WORDS)
def test_nothing_invisible_is_left(text: str) -> None:
    left = clean(text)

    assert not [char for char in left if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Cn")]
    assert unicodedata.is_normalized("NFKC", left)


def test_no_single_character_becomes_an_invisible_one_by_being_normalised() -> None:
    every = (chr(code) for code in range(sys.maxunicode + 1))

    left = {found for char in every if (found := clean(char)) and clean(f"a{found}b") != clean(clean(f"a{found}b"))}

    assert not left


@given(WORDS, WORDS, st.text(max_size=20))
def test_the_closing_tag_never_occurs_inside(text: str, name: str, key: str) -> None:
    block = delimited(text, name, key)

    tag = re.match(r"<(untrusted-[0-9a-f]{8}) name=\"[^\"<>\n]*\">\n", block)
    assert tag is not None
    inside = block[tag.end() : -len(f"</{tag[1]}>")]
    assert block.endswith(f"\n</{tag[1]}>") and "<" not in inside
    assert len(block) <= 4 * 2_000 + 200


@given(WORDS, st.text(max_size=20))
def test_the_same_question_has_the_same_bytes(text: str, key: str) -> None:
    assert delimited(text, "text", key) == delimited(text, "text", key)


def test_another_image_or_another_text_has_another_tag() -> None:
    tags = {delimited(*parts).split()[0] for parts in (("a", "text", "1"), ("a", "text", "2"), ("b", "text", "1"))}

    assert len(tags) == 3


@pytest.mark.parametrize(
    "token",
    ["<|im_start|>", "<|endoftext|>", "<s>", "</s>", "<start_of_turn>", "<image>", "<<SYS>>", "[INST]", "[/INST]"]
    + ["[TOOL_CALLS]", "\uff1c|im_end|\uff1e", "<\u200b|im_start|>", "<\uff5ceos\uff5c>", "<\U000e0041|user|>"],
)
def test_tokens_of_models_are_broken(token: str) -> None:
    plain = unicodedata.normalize("NFKC", token)

    left = clean(f"a {token} b")

    assert plain not in left and not re.search(r"<\S|\[/?[A-Z_]+\]", left)


def test_the_rule_names_the_tags() -> None:
    assert "<untrusted-" in RULE and delimited("a", "text", "k").startswith("<untrusted-")
