"""Tiny random checkpoints, saved as any is: LLaVA and Idefics3, which read pictures, and Llama, which reads text.

Made in a tenth of a second each and loaded by the code that loads real ones. They know nothing.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

__all__ = ["make_idefics3", "make_llama", "make_llava"]

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TOWER, "image_size": 32, "patch_size": 8}
LENGTH = 2_048
COMMON = ["<s>", "</s>", "<pad>"]
TILES = ["<fake_token_around_image>", "<global-img>", *(f"<row_{i}_col_{j}>" for i in range(1, 5) for j in range(1, 5))]
CORPUS = [
    "which one of these does the picture show? answer with its name alone.",
    "a cat, an old coin, a red flower, a sea bird, a birdhouse, a vehicle, a vegetable",
    "describe the picture in one sentence. picture: a tiger 80%, a tabby cat 12%\nkind: cat\n\n",
]
CHAT = (
    "{% for message in messages %}{{ message['role']|upper }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def make_llava(folder: Path, seed: int = 0) -> Path:
    """A LLaVA: one picture is 16 tokens."""
    tokenizer = _tokenizer(["<image>"])
    torch.manual_seed(seed)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION),
        text_config=_text(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    _save(LlavaForConditionalGeneration(config), folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    ).save_pretrained(folder)
    return folder


def make_idefics3(folder: Path, seed: int = 0) -> Path:
    """An Idefics3: a picture is cut into tiles."""
    tokenizer = _tokenizer(["<image>", *TILES, "<end_of_utterance>"])
    torch.manual_seed(seed)
    config = Idefics3Config(
        vision_config=VISION,
        text_config=_text(tokenizer),
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=2,
    )
    _save(Idefics3ForConditionalGeneration(config), folder)
    images = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    Idefics3Processor(image_processor=images, tokenizer=tokenizer, image_seq_len=4, chat_template=CHAT).save_pretrained(
        folder
    )
    return folder


def make_llama(folder: Path, seed: int = 0) -> Path:
    """A Llama with a tokeniser that merges."""
    tokenizer = _tokenizer([])
    torch.manual_seed(seed)
    _save(LlamaForCausalLM(_text(tokenizer)), folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(special: list[str]) -> PreTrainedTokenizerFast:
    """Merges of bytes, learned from a few sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[*COMMON, *special], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 20, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=LENGTH,
        additional_special_tokens=special,
    )


def _text(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Its weights are large enough that what it reads changes what it says."""
    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": LENGTH, "num_key_value_heads": 1}
    return LlamaConfig(**TOWER, **ids, **sizes, initializer_range=0.3)


def _save(model: torch.nn.Module, folder: Path) -> None:
    model.save_pretrained(folder)  # type: ignore[operator]
