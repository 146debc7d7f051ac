"""A tiny random CLIPSeg, saved as any checkpoint is. Made in a second; it finds nothing that means anything."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPSegProcessor, PreTrainedTokenizerFast
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

__all__ = ["make_clipseg"]

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
SIDE, TEXT = 32, 32


def make_clipseg(folder: Path) -> Path:
    """Save one under `folder`; its absolute path."""
    tokenizer = _tokenizer()
    torch.manual_seed(0)
    model = CLIPSegForImageSegmentation(
        CLIPSegConfig(
            text_config={
                **TOWER,
                "vocab_size": len(tokenizer),
                "max_position_embeddings": TEXT,
                "bos_token_id": 1,
                "eos_token_id": 2,
                "pad_token_id": 0,
            },
            vision_config={**TOWER, "image_size": SIDE, "patch_size": 8},
            projection_dim=16,
            reduce_dim=8,
            extract_layers=[0, 1, 2],
            decoder_num_attention_heads=2,
            decoder_intermediate_size=16,
        )
    )
    model.save_pretrained(folder)
    images = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    CLIPSegProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return folder.absolute()


def _tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, and an end."""
    alphabet = ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: place for place, token in enumerate(alphabet)}, [], unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=TEXT
    )
