"""A local vision-language model as engine: the likelihood of each label as the answer about a picture.

In: items, and a model with its processor that are already loaded. Out: probabilities from the likelihoods of the
labels' names as answers, calibrated against empty pictures, and a caption as description. Invariant: only a
label of the set can be the answer, whatever is written in the picture or beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labeling.errors import Invalid
from labeling.prelabel.encoders.aspect import fit, within_aspect
from labeling.prelabel.endpoints import untrusted_text
from labeling.prelabel.engine import EngineOrder, Item, Look, digest_of, no_vectors, revision_of
from labeling.prelabel.language_models.language import LanguageModel, Scored, label_lines, raw_answer, spoken
from labeling.prelabel.language_models.likelihood import Prefix, calibrated
from labeling.prelabel.picture_size import PictureSize
from labeling.types import Evidence, Prelabel

__all__ = ["GenerativeEngine", "PictureModel", "refuse_unused"]

QUESTION = (
    "{guidelines}{rule}\n\n{text}Which one of these does the picture show?\n{labels}\nAnswer with its name alone."
)
CAPTION = "Say in one sentence what the picture shows. Then name the things in it, separated by commas."
CAPTION_TOKENS = 48
CAPTION_LENGTH = 300
NOTHING = "N/A"
SIDE = 384
PICTURE_SIDE = 1_024
"""Pixels on the longer side of its pictures, where the project does not say it."""


class PictureModel:
    """A vision-language model with its processor, kept loaded.

    Raises
    ------
    Invalid
        When the processor reads no pictures, or has no chat template.
    """

    def __init__(self, model: Any, processor: Any, free_bytes: Callable[[], int]) -> None:
        if not all(hasattr(processor, part) for part in ("image_processor", "tokenizer")):
            raise Invalid(f"{type(model).__name__} has no processor for both pictures and text; download it again.")
        if not processor.chat_template:
            raise Invalid(
                f"{type(model).__name__} has no chat template, so it cannot be asked: name a model that was trained to "
                "follow instructions (its name often ends in -Instruct, -it or -chat)."
            )
        settings = [processor.image_processor.to_dict(), {"chat": processor.chat_template}]
        self._processor, self._language = processor, LanguageModel(model, processor.tokenizer, free_bytes, settings)
        self.fingerprint = self._language.fingerprint

    def score(self, image: Image.Image, question: str, answers: Sequence[str]) -> Scored:
        """How likely each answer is, including its end token."""
        prompt = self._processor.apply_chat_template(_turn(image, question), add_generation_prompt=True, tokenize=False)
        space = "" if prompt[-1:].isspace() else " "
        endings = [f"{space}{answer}{self._language.end}" for answer in answers]
        return self._language.score(self._inputs(image, question), prompt, endings)

    def write(self, image: Image.Image, question: str, kept: Prefix) -> tuple[str, int]:
        """A short answer in its own words, and its number of tokens; `kept` is the same picture's."""
        return self._language.write(self._inputs(image, question), limit=CAPTION_TOKENS, kept=kept)

    def _inputs(self, image: Image.Image, question: str) -> Mapping[str, Any]:
        inputs = self._processor.apply_chat_template(
            _turn(within_aspect(image), question),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        moved: Mapping[str, Any] = inputs.to(self._language.device, dtype=self._language.dtype)
        return moved


class GenerativeEngine:
    """Asks the model about each picture, and calibrates by its answers to empty pictures.

    Raises
    ------
    Invalid
        When the project asks for what it does not support, or the model's numbers are not finite.
    """

    name = "vlm"
    image_encoder = text_encoder = ""

    def __init__(self, order: EngineOrder, model: PictureModel, clock: Callable[[], float]) -> None:
        refuse_unused(order)
        if "image" not in order.use.sends:
            raise Invalid("A `vlm` needs pictures: add `image` to its `sends`, or name another engine.")
        if order.use.examples:
            raise Invalid("A `vlm` is shown no examples: leave `examples` out, or name an `agent`.")
        self._order, self._model, self._clock = order, model, clock
        self._answers = [spoken(label) for label in order.labels]
        self.picture_size = PictureSize(longest=order.use.picture_side or PICTURE_SIDE)
        self._reads_text = "text" in order.use.sends
        asked = [self._question(None, ""), CAPTION, self._answers, self._reads_text, self.picture_size.longest]
        self._prompt = digest_of(asked)
        self.revision = revision_of(self.name, order.model, [model.fingerprint, order.classes, asked])
        self._nothing: dict[bool, NDArray[np.float64]] = {}
        if not np.isfinite(self._content_free(with_text=False)).all():
            raise Invalid(
                f"{order.model!r} answers with numbers that are not finite. Download or copy it again; if it does not "
                "help, set HARDCASE_DTYPE=float32."
            )

    def look(self, items: Sequence[Item]) -> Look:
        """Give each picture probabilities for the label set, and a caption."""
        return no_vectors([self._prelabel(item) for item in items])

    def _prelabel(self, item: Item) -> Prelabel:
        started = self._clock()
        text = item.text if self._reads_text else None
        image = fit(item.image, self.picture_size.longest)
        scored = self._model.score(image, self._question(text, item.key), self._answers)
        probs = calibrated(scored.logliks, self._content_free(with_text=bool(text)))
        caption, written = self._model.write(image, CAPTION, scored.prefix)
        evidence = Evidence(
            raw=raw_answer(self._order.classes, scored.logliks),
            confidence_from="label likelihoods",
            prompt=self._prompt,
            config_version=self._order.config_version,
            tokens_in=len(scored.prefix.tokens),
            tokens_out=written,
        )
        description = untrusted_text.clean(caption, CAPTION_LENGTH)
        seconds = self._clock() - started
        return Prelabel(self.name, self.revision, tuple(probs.tolist()), description, seconds, 0, evidence=evidence)

    def _question(self, text: str | None, key: str) -> str:
        guidelines = self._order.guidelines.strip()
        return QUESTION.format(
            guidelines=f"{guidelines}\n\n" if guidelines else "",
            rule=untrusted_text.RULE,
            text=f"{untrusted_text.delimited(text, 'text', key)}\n\n" if text else "",
            labels=label_lines(self._order.labels),
        )

    def _content_free(self, *, with_text: bool) -> NDArray[np.float64]:
        """Log-likelihoods (2, K) for empty pictures; computed once."""
        if with_text not in self._nothing:
            question = self._question(NOTHING if with_text else None, "")
            rows = [self._model.score(image, question, self._answers).logliks for image in _empty_pictures()]
            self._nothing[with_text] = np.stack(rows)
        return self._nothing[with_text]


def refuse_unused(order: EngineOrder) -> None:
    """Invalid where the project asks this engine for something that it would ignore."""
    if order.use.templates:
        raise Invalid(
            f"{order.use.engine!r} does not compare texts, so it has no use for `templates`: write what it should know "
            "into `guidelines` and the labels' descriptions."
        )


def _turn(image: Image.Image, question: str) -> list[dict[str, Any]]:
    """One question. The picture comes first: two questions about it share its prefix."""
    return [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": question}]}]


def _empty_pictures() -> list[Image.Image]:
    """Plain grey, and noise; always the same."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return [Image.new("RGB", (SIDE, SIDE), (127, 127, 127)), Image.fromarray(noise)]
