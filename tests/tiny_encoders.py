"""Tiny random encoders, saved as any checkpoint is: dual encoders, vision models, a sentence model."""

from __future__ import annotations

import json
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BeitConfig,
    BeitModel,
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetModel,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
    ViTConfig,
    ViTModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

__all__ = ["VISION_MODELS", "save_bert", "save_clip", "save_published_siglip", "save_siglip", "save_vision"]

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TOWER, "image_size": 32, "patch_size": 8}


def _tokenizer(length: int) -> PreTrainedTokenizerFast:
    """One token a byte, and an end."""
    alphabet = ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {token: place for place, token in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=length
    )


def _text(tokenizer: PreTrainedTokenizerFast, length: int) -> dict[str, int]:
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    return {**TOWER, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": length}


def save_clip(folder: Path) -> None:
    tokenizer = _tokenizer(24)
    config = CLIPConfig(text_config=_text(tokenizer, 24), vision_config=VISION, projection_dim=24)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPModel(config).save_pretrained(folder)
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)


def save_siglip(folder: Path) -> None:
    tokenizer = _tokenizer(64)
    text = {**_text(tokenizer, 64), "projection_size": 32}
    images = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    SiglipModel(SiglipConfig(text_config=text, vision_config=VISION)).save_pretrained(folder)
    SiglipProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)


def save_published_siglip(folder: Path) -> None:
    """With the files that the hub has of SigLIP: a tokenizer by sentencepiece, and settings in files of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    said = "a photo of a cat. a picture of a red car, a sea bird. an old coin on a table; two flowers and a dog"
    lines = (f"{said[at:]} {said[:at]}" for at in range(0, len(said), 3))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "spiece"), vocab_size=40, minloglevel=2, pad_id=-1,
        unk_id=2, bos_id=-1, eos_id=1, control_symbols="<pad>",
    )  # fmt: skip
    (folder / "spiece.vocab").unlink()
    tower = {**TOWER, "vocab_size": 40, "max_position_embeddings": 64, "projection_size": 32}
    ids = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 1}
    SiglipModel(SiglipConfig(text_config={**tower, **ids}, vision_config=VISION)).save_pretrained(folder)
    kinds = {"processor_class": "SiglipProcessor"}
    names = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    tokenizer = {**kinds, **names, "tokenizer_class": "SiglipTokenizer", "model_max_length": 64, "do_lower_case": True}
    images = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 32, "width": 32}, "resample": 3}
    scaled = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
    mean = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    (folder / "preprocessor_config.json").write_text(json.dumps({**kinds, **images, **scaled, **mean}))


def _vit() -> PreTrainedModel:
    return ViTModel(ViTConfig(**VISION))


def _vit_without_pooler() -> PreTrainedModel:
    return ViTModel(ViTConfig(**VISION), add_pooling_layer=False)


def _dinov2() -> PreTrainedModel:
    return Dinov2Model(Dinov2Config(**VISION))


def _beit() -> PreTrainedModel:
    return BeitModel(BeitConfig(**VISION))


def _convnext() -> PreTrainedModel:
    return ConvNextModel(ConvNextConfig(hidden_sizes=[8, 16, 16, 24], depths=[1, 1, 1, 1], image_size=32))


def _resnet() -> PreTrainedModel:
    return ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 16, 24], depths=[1, 1, 1, 1]))


VISION_MODELS = {
    "vit": _vit,
    "vit without pooler": _vit_without_pooler,
    "dinov2": _dinov2,
    "beit": _beit,
    "convnext": _convnext,
    "resnet": _resnet,
}


def save_vision(kind: str, folder: Path) -> None:
    VISION_MODELS[kind]().save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def save_bert(folder: Path) -> None:
    """A sentence encoder of 32 numbers that reads bytes."""
    tokenizer = _tokenizer(64)
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=0, **TOWER)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
