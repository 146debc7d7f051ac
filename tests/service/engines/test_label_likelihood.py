"""Label likelihoods with a shared prefix against reading every prompt anew, on models loaded from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    MistralConfig,
    MistralForCausalLM,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)

from labeling.prelabel.language_models.likelihood import continue_greedily, join, label_logliks, read
from tests.tiny_models import make_idefics3, make_llama, make_llava

NAMES = [" cat", " old coin", " a red flower", " bird", " birdhouse", " vegetable"]
RNG = np.random.default_rng(0)
PICTURE = Image.fromarray(RNG.integers(0, 255, (48, 64, 3), dtype=np.uint8))

Inputs = dict[str, Any]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def naive(model: Any, inputs: Inputs, ending: Sequence[int]) -> float:
    """One prompt and one ending in one pass, without any cache."""
    ids = torch.cat([inputs["input_ids"], torch.tensor([list(ending)])], dim=1)
    places = range(inputs["input_ids"].shape[1] - 1, ids.shape[1] - 1)
    whole = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "mm_token_type_ids" in inputs:
        more = torch.zeros((1, len(ending)), dtype=inputs["mm_token_type_ids"].dtype)
        whole["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], more], dim=1)
    with torch.inference_mode():
        logprobs = model(**whole, use_cache=False).logits[0].log_softmax(dim=-1)
    return sum(float(logprobs[place, token]) for place, token in zip(places, ending, strict=True))


def _asked(make: Callable[[Path], Path], folder: Path) -> tuple[Any, Inputs, Sequence[Sequence[int]]]:
    """A vision-language model, a question about a picture, and the tokens of the answers."""
    model = AutoModelForImageTextToText.from_pretrained(make(folder)).eval()
    processor = AutoProcessor.from_pretrained(folder)
    parts = [{"type": "image", "image": PICTURE}, {"type": "text", "text": "which one of these?"}]
    turn, told = [{"role": "user", "content": parts}], {"add_generation_prompt": True}
    inputs = processor.apply_chat_template(turn, **told, tokenize=True, return_dict=True, return_tensors="pt")
    prompt = processor.apply_chat_template(turn, **told, tokenize=False)
    joined = join(lambda text: processor.tokenizer(text, add_special_tokens=False)["input_ids"], prompt, NAMES)
    assert not joined.dropped
    return model, dict(inputs), joined.tokens


def _read_text(folder: Path) -> tuple[Any, Callable[[str], Inputs], Callable[[str], list[int]]]:
    model = AutoModelForCausalLM.from_pretrained(make_llama(folder)).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(text: str) -> list[int]:
        tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    return model, lambda text: {"input_ids": torch.tensor([encode(text)])}, encode


@pytest.mark.parametrize("make", [make_llava, make_idefics3])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_with_a_picture_the_shared_prefix_gives_the_naive_numbers(
    make: Callable[[Path], Path], rows: int, tmp_path: Path
) -> None:
    model, inputs, labels = _asked(make, tmp_path)

    found = label_logliks(model, read(model, inputs), labels, rows=rows)

    np.testing.assert_allclose(found, [naive(model, inputs, label) for label in labels], atol=1e-4)
    assert np.ptp(found) > 1


def test_with_text_alone_too(tmp_path: Path) -> None:
    model, inputs_of, encode = _read_text(tmp_path)
    prompt = "picture: a tiger 80%, a tabby cat 12%\nkind:"

    labels = join(encode, prompt, NAMES).tokens
    found = label_logliks(model, read(model, inputs_of(prompt)), labels, rows=4)

    np.testing.assert_allclose(found, [naive(model, inputs_of(prompt), label) for label in labels], atol=1e-4)


def test_what_two_prompts_share_is_read_once_and_gives_the_same_numbers(tmp_path: Path) -> None:
    model, inputs_of, encode = _read_text(tmp_path)
    head = "which one of these does the picture show? a cat, an old coin\n"
    prompts = [f"{head}picture: a tiger\nkind:", f"{head}picture: a sea bird\nkind:", head, head]
    labels = join(encode, "kind:", NAMES).tokens
    passed: list[int] = []
    model.register_forward_pre_hook(lambda _, args, given: passed.append(given["input_ids"].shape[1]), with_kwargs=True)

    reads, kept = [], None
    for prompt in prompts:
        passed.clear()
        kept = read(model, inputs_of(prompt), kept)
        reads += passed
        found = label_logliks(model, kept, labels, rows=4)
        anew = label_logliks(model, read(model, inputs_of(prompt)), labels, rows=4)
        np.testing.assert_allclose(found, anew, atol=1e-5)

    whole = [len(encode(prompt)) for prompt in prompts]
    assert reads[0] == whole[0] and reads[1] < whole[1] / 2 and reads[2:] == [1, 1]


def test_a_prefix_stays_as_it_is_when_labels_and_words_follow_it(tmp_path: Path) -> None:
    model, inputs, labels = _asked(make_llava, tmp_path)
    prefix = read(model, inputs)

    first = label_logliks(model, prefix, labels, rows=3)
    continue_greedily(model, prefix, limit=5, stops=[])
    again = label_logliks(model, prefix, labels, rows=3)

    np.testing.assert_array_equal(first, again)
    assert prefix.cache.get_seq_length() == len(prefix.tokens)


@pytest.mark.parametrize("make", [make_llava, make_idefics3])
def test_what_it_writes_is_what_generate_writes(make: Callable[[Path], Path], tmp_path: Path) -> None:
    model, inputs, _ = _asked(make, tmp_path)

    written = continue_greedily(model, read(model, inputs), limit=8, stops=[1])

    generated = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert written == generated.tolist()[: len(written)] and len(written) > 2


def test_a_stop_ends_what_is_written(tmp_path: Path) -> None:
    model, inputs, _ = _asked(make_llava, tmp_path)
    prefix = read(model, inputs)

    whole = continue_greedily(model, prefix, limit=8, stops=[])

    assert continue_greedily(model, prefix, limit=8, stops=[whole[3]]) == whole[: whole.index(whole[3])]


def test_a_model_with_a_sliding_window_gives_the_naive_numbers_and_reads_anew() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = MistralForCausalLM(MistralConfig(vocab_size=50, num_key_value_heads=1, sliding_window=8, **sizes)).eval()
    prompts = [{"input_ids": torch.tensor([[*range(1, 20), last]])} for last in (30, 31)]
    labels = [[3], [4, 5], [6, 7, 8]]

    kept = read(model, prompts[0])
    found = label_logliks(model, read(model, prompts[1], kept), labels, rows=2)

    np.testing.assert_allclose(found, [naive(model, prompts[1], label) for label in labels], atol=1e-4)


def test_a_model_with_places_in_two_dimensions_gives_the_naive_numbers() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    eyes = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14}
    config = Qwen2VLConfig(
        vision_config={**eyes, "spatial_merge_size": 2, "temporal_patch_size": 2},
        text_config={**sizes, "vocab_size": 60, "num_key_value_heads": 2, "rope_parameters": rope, **ends},
        image_token_id=50,
        video_token_id=51,
        vision_start_token_id=52,
        vision_end_token_id=53,
    )
    model = Qwen2VLForConditionalGeneration(config).eval()
    ids = torch.tensor([[1, 52, 50, 50, 50, 50, 53, 7, 8, 9]])
    inputs = {
        "input_ids": ids,
        "mm_token_type_ids": (ids == 50).int(),
        "pixel_values": torch.randn(16, 3 * 2 * 14 * 14),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
    }
    labels = [[3], [4, 5], [6, 7, 8]]

    found = label_logliks(model, read(model, inputs), labels, rows=2)

    np.testing.assert_allclose(found, [naive(model, inputs, label) for label in labels], atol=1e-4)
