"""A language model with its tokeniser, kept loaded: log-likelihoods of labels after a prompt, or generated text.

In: prompts, and the labels that may follow. Out: log-likelihoods of the labels, or text. Invariant: where memory runs
out, fewer rows are computed at once, and at last an error says what to do; the process goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labeling.prelabel.encoders.model_hash import hash_of_model
from labeling.prelabel.language_models.likelihood import (
    Prefix,
    continue_greedily,
    join,
    label_logliks,
    read,
    rows_that_fit,
    within_memory,
)
from labeling.project import LabelClass

__all__ = ["LanguageModel", "Scored", "label_lines", "raw_answer", "spoken"]

TAIL = 64
"""Characters before an ending that its tokens may depend on."""
SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A prompt that was read, and the log-likelihood (K,) of every label after it."""

    prefix: Prefix
    logliks: NDArray[np.float64]


class LanguageModel:
    """Holds model and tokeniser. `settings` are what its answers also depend on; they go into the fingerprint."""

    def __init__(
        self, model: Any, tokenizer: Any, free_bytes: Callable[[], int], settings: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._model, self._tokenizer, self._free_bytes = model.eval(), tokenizer, free_bytes
        self._most_rows = 1_024
        self.fingerprint = hash_of_model(model, [model.config.to_dict(), tokenizer.get_vocab(), *settings])
        self.end: str = tokenizer.eos_token or ""
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, none added."""
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def inputs(self, prompt: str) -> dict[str, torch.Tensor]:
        """A prompt of text alone, as the model reads it: after what its tokeniser puts before every text."""
        begin = [token for token in self._tokenizer("")["input_ids"] if token != self._tokenizer.eos_token_id]
        return {"input_ids": torch.tensor([[*map(int, begin), *self.encode(prompt)]], device=self.device)}

    def score(
        self, inputs: Mapping[str, Any], prompt: str, endings: Sequence[str], kept: Prefix | None = None
    ) -> Scored:
        """How likely each ending is after the prompt; `inputs` are the same prompt as the model reads it.

        What the prompt has in common with `kept` is not read again (see `likelihood.read`).

        Raises
        ------
        Invalid
            When even one row is more than the memory holds.
        """
        joined = join(self.encode, prompt[-TAIL:], endings)
        prefix, _ = within_memory(lambda _: read(self._model, _without_last(inputs, joined.dropped), kept), 1)
        fit = min(rows_that_fit(prefix, joined.tokens, self._free_bytes()), self._most_rows)
        logliks, rows = within_memory(lambda n: label_logliks(self._model, prefix, joined.tokens, rows=n), fit)
        if rows < fit:
            self._most_rows = rows
        return Scored(prefix, logliks)

    def write(self, inputs: Mapping[str, Any], *, limit: int, kept: Prefix | None = None) -> tuple[str, int]:
        """The text generated after a prompt, greedily and at most `limit` tokens; and the number of tokens."""
        tokens, _ = within_memory(lambda _: self._write(inputs, limit, kept), 1)
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip(), len(tokens)

    def _write(self, inputs: Mapping[str, Any], limit: int, kept: Prefix | None) -> list[int]:
        return continue_greedily(self._model, read(self._model, inputs, kept), limit=limit, stops=self._stops())

    def _stops(self) -> list[int]:
        """All tokens that end an answer: a chat model may have several."""
        known = getattr(getattr(self._model, "generation_config", None), "eos_token_id", None)
        both = [*(known if isinstance(known, list) else [known]), self._tokenizer.eos_token_id]
        return [token for token in both if token is not None]


def spoken(label: LabelClass) -> str:
    """A label's name as text, with spaces for underscores.

    >>> spoken(LabelClass("sea_bird"))
    'sea bird'
    """
    return label.name.replace("_", " ")


def label_lines(labels: Sequence[LabelClass]) -> str:
    """The label set as a list, each with its description.

    >>> print(label_lines([LabelClass("sea_bird", "gulls and terns"), LabelClass("cat")]))
    - sea bird: gulls and terns
    - cat
    """
    return "\n".join(f"- {spoken(one)}: {one.description}" if one.description else f"- {spoken(one)}" for one in labels)


def raw_answer(classes: Sequence[str], logliks: NDArray[np.float64]) -> str:
    """The likeliest labels before calibration, and the share of all possible texts that the K labels have.

    >>> raw_answer(["cat", "dog"], np.log([0.5, 0.25]))
    '{"log_likelihood": {"cat": -0.693, "dog": -1.386}, "of_all_answers": 0.75}'
    """
    best = {classes[k]: round(float(logliks[k]), 3) for k in np.argsort(-logliks)[:SHOWN]}
    return json.dumps({"log_likelihood": best, "of_all_answers": float(f"{np.exp(logliks).sum():.3g}")})


def _without_last(inputs: Mapping[str, Any], n: int) -> dict[str, Any]:
    """The inputs without the last n tokens: whatever has a number for every token is cut."""
    shape = inputs["input_ids"].shape
    return {
        name: value[:, : shape[1] - n] if isinstance(value, torch.Tensor) and value.shape == shape else value
        for name, value in inputs.items()
    }
