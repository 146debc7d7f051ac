"""The likelihood of each of K endings after one prompt, which the model reads only once.

In: a causal or vision-language model of transformers, the tokens of a prompt, and of each ending. Out: K sums of
log-probabilities, and class probabilities made of them. Invariant: up to rounding they are those of reading the prompt
anew for every ending; a `Prefix` is never changed once it is made.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from labeling.errors import Invalid
from labeling.slices import batches
from labeling.vectors import softmax

__all__ = [
    "Endings",
    "Prefix",
    "calibrated",
    "continue_greedily",
    "join",
    "label_logliks",
    "read",
    "rows_that_fit",
    "within_memory",
]

T = TypeVar("T")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """A prompt that was read: its P tokens, the model's keys and values, and log-probabilities `after` it (V,)."""

    tokens: tuple[int, ...]
    cache: Any
    after: torch.Tensor


@dataclass(frozen=True, slots=True)
class Endings:
    """K endings as `tokens`, once the last `dropped` tokens are taken off their prompt."""

    dropped: int
    tokens: tuple[tuple[int, ...], ...]


def join(encode: Callable[[str], Sequence[int]], prompt: str, endings: Sequence[str]) -> Endings:
    """The tokens of each ending as they are where it stands right after the prompt.

    Tokenisers may merge the prompt's last characters with an ending's first. So prompt and ending are encoded
    together, and what differs between any two of them, or from the prompt alone, belongs to the endings.

    Parameters
    ----------
    encode
        Text to tokens, with no token added before or after.
    prompt, endings
        Texts; no ending is empty.

    Examples
    --------
    >>> def pairs(text):  # a tokeniser that merges two letters each
    ...     return [hash(text[i : i + 2]) for i in range(0, len(text), 2)]
    >>> join(pairs, "abc", ["d", "de"]).dropped, [len(tokens) for tokens in join(pairs, "abc", ["d", "de"]).tokens]
    (1, [1, 2])
    """
    bare = list(encode(prompt))
    whole = [list(encode(prompt + ending)) for ending in endings]
    shared = min(_in_common(bare, tokens) for tokens in whole)
    shared = min(shared, len(bare), *(len(tokens) - 1 for tokens in whole))
    return Endings(len(bare) - shared, tuple(tuple(tokens[shared:]) for tokens in whole))


def read(model: Any, inputs: Mapping[str, Any], kept: Prefix | None = None) -> Prefix:
    """Read a prompt, taking up what it has in common with another one that was `kept`.

    Parameters
    ----------
    model
        A model in evaluation mode that takes `past_key_values`.
    inputs
        `input_ids` (1, P), and pictures as its processor prepared them. With `kept`, both prompts begin with the
        same pictures.
    kept : Prefix or None
        It stays as it is.
    """
    ids: torch.Tensor = inputs["input_ids"]  # (1, P)
    tokens = tuple(ids[0].tolist())
    known, cache = _taken_up(kept, tokens)
    new: dict[str, Any] = {"input_ids": ids[:, known:]} if known else dict(inputs)
    new.pop("attention_mask", None)  # nothing is masked; some models take it for the positions of the new tokens
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        new["logits_to_keep"] = 1
    with torch.inference_mode():
        out = model(**new, past_key_values=cache, use_cache=True)
        return Prefix(tokens, out.past_key_values, out.logits[0, -1].float().log_softmax(dim=-1))


def label_logliks(model: Any, prefix: Prefix, labels: Sequence[Sequence[int]], *, rows: int) -> Floats:
    """The log-likelihood (K,) of each label's tokens after the prefix; higher is likelier, at most 0.

    `rows` labels are computed at once, each with a copy of the prefix's keys and values: it bounds the memory. Labels
    are padded on the right, which no token of theirs attends to.
    """
    parts = [_rows(model, prefix, some) for some in batches(labels, rows)]
    return torch.cat(parts).double().cpu().numpy()


def continue_greedily(model: Any, prefix: Prefix, *, limit: int, stops: Sequence[int]) -> list[int]:
    """At most `limit` tokens that the model writes after the prefix, always its likeliest; a stop is left out."""
    cache, after = copy.deepcopy(prefix.cache), prefix.after
    written: list[int] = []
    with torch.inference_mode():
        while len(written) < limit and (token := int(after.argmax())) not in stops:
            written.append(token)
            ids = torch.tensor([[token]], device=after.device)
            after = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[0, -1]
    return written


def calibrated(logliks: Floats, content_free: Floats) -> Floats:
    """Probabilities (K,): each label's likelihood over its likelihood after content-free prompts.

    Without this, short and common words get too much, whatever the picture shows. The comparison is the mean likelihood
    over M content-free prompts; it also corrects for the labels' lengths.

    Parameters
    ----------
    logliks : array (K,)
        Log-likelihoods of the labels after the real prompt.
    content_free : array (M, K)
        The same after prompts without content, M >= 1.

    Source: Zhao et al., Calibrate Before Use (2021); Holtzman et al., Surface Form Competition (2021).

    Examples
    --------
    >>> calibrated(np.log([0.3, 0.1]), np.log([[0.6, 0.1], [0.6, 0.1]])).round(3).tolist()
    [0.333, 0.667]
    """
    common = np.logaddexp.reduce(content_free, axis=0) - np.log(len(content_free))  # (K,)
    return np.asarray(softmax(logliks - common), np.float64)


def rows_that_fit(prefix: Prefix, labels: Sequence[Sequence[int]], free_bytes: int) -> int:
    """How many labels at once fit into half of the free memory; at least one.

    A row needs the prefix's keys and values twice, while they are extended, and its logits twice in 32 bits.
    """
    layers = getattr(prefix.cache, "layers", [])
    held = [part for layer in layers for part in (getattr(layer, "keys", None), getattr(layer, "values", None))]
    keys = sum(part.nbytes for part in held if isinstance(part, torch.Tensor))
    logits = max(len(label) for label in labels) * prefix.after.numel() * 4
    return int(min(max(1, free_bytes // 2 // (2 * (keys + logits))), len(labels)))


def within_memory(work: Callable[[int], T], rows: int) -> tuple[T, int]:
    """What `work(rows)` gives, with fewer rows where memory runs out; and the number of rows that did it.

    Raises
    ------
    Invalid
        When one row is too much.
    """
    while True:
        try:
            return work(rows), rows
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if rows == 1:
                raise Invalid(
                    "The model runs out of memory. Set HARDCASE_DTYPE to bfloat16, int8 or int4, HARDCASE_DEVICE to "
                    "cpu, or name a smaller model."
                ) from error
        rows //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _rows(model: Any, prefix: Prefix, labels: Sequence[Sequence[int]]) -> torch.Tensor:
    device, longest = prefix.after.device, max(len(label) for label in labels)
    lengths = torch.tensor([len(label) for label in labels], device=device)
    ids = torch.tensor([[*label, *[0] * (longest - len(label))] for label in labels], device=device)  # (R, L)
    first = prefix.after[ids[:, 0]]  # (R,)
    if longest == 1:
        return first
    cache = copy.deepcopy(prefix.cache)
    cache.batch_repeat_interleave(len(labels))
    with torch.inference_mode():
        logits = model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True).logits.float()  # (R, L - 1, V)
        rest = logits.gather(2, ids[:, 1:, None]).squeeze(2) - logits.logsumexp(dim=2)  # (R, L - 1)
        is_real = torch.arange(1, longest, device=device) < lengths[:, None]
        return first + torch.where(is_real, rest, 0).sum(dim=1)


def _taken_up(kept: Prefix | None, tokens: Sequence[int]) -> tuple[int, Any]:
    """How many tokens a copy of the kept cache already holds; 0 and None where nothing can be used."""
    if kept is None:
        return 0, None
    known = min(_in_common(kept.tokens, tokens), len(tokens) - 1)  # the last one is read for what comes after it
    if not known:
        return 0, None
    cache = copy.deepcopy(kept.cache)
    try:
        cache.crop(known - len(kept.tokens))  # it takes the number of tokens to remove, as a negative one
    except RuntimeError:  # a sliding window that has moved on, or a state without places: these cannot go back
        return 0, None
    return known, cache


def _in_common(one: Sequence[int], other: Sequence[int]) -> int:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in ("can't allocate memory", "not enough memory"))
