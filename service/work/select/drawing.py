"""Draws a query from what is given: the same function draws it the first time and again later.

In: the numbers that a query is drawn from, and what stands behind them: probabilities, vectors, labels. Out: its picks.
Nothing is read here but through what is given, so equal grounds give equal picks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.basis import Basis
from labeling.project import Policy
from labeling.select.query.draw import Candidates, Drawn, Pick, draw_query
from labeling.select.query.gold import draw_gold
from labeling.select.strategies.hedged import Evidence, hedged
from labeling.select.strategies.strategy import Gather, Labelled, Positions, Predicted, Strategy, View
from labeling.slices import slices

__all__ = ["Ground", "Probs", "Terms", "draw", "hash_of"]

_GOLD_STREAM = 1
"""Chance of its own for gold: the other images of a query are the same with and without it."""
_BLOCK = 65_536
Probs = Callable[[Positions], npt.NDArray[np.floating]]
"""Gives the (n, K) probabilities that n of the images are ranked by."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of a query beside its images. `asked` counts the images that were asked about in the end."""

    program: str
    """The hardcase that drew it."""
    config_version: int
    revision: str
    """The first engine's, whose pre-labels and encoders were used."""
    image_encoder: str
    text_encoder: str
    text_dimensions: int
    """Of the vectors of texts; 0 while no image had a text."""
    decided: int
    """Images of the random stream whose answer stood."""
    gold_asked: int
    promoted: bool
    """Whether a version was in use."""
    gave_way: bool
    """Whether a planned comparison had found the strategy worse than random."""
    evidence: Evidence | None
    """What the labels said of doubt: it decides the share that follows doubt."""
    ranked_by: str
    """sha256 of the probabilities that the images were ranked by, (N, K) float32 in the order of `images`; empty where
    nothing was predicted."""
    asked: int = 0
    rest: bool = False
    """Whether only the rest of the reserve was left, beside what a certificate has accepted."""
    stream_first: int = 0
    """How many groups of the stream came before anything else, for the sample of a certificate."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What query `number` is drawn from; `strategy` is the policy's own one. Positions are those of `basis.images`."""

    number: int
    policy: Policy
    strategy: Strategy
    terms: Terms
    basis: Basis
    ranking: Probs | None
    """None while nothing is predicted of any image that may be asked."""
    vectors: Gather
    labelled: Labelled
    classes: tuple[str, ...]
    members: Probs | None = None
    """Gives the (M, n, K) probabilities of the ensemble that the strategy needs; None where it needs none, or there is
    none."""


def draw(ground: Ground) -> tuple[Drawn, list[Pick]]:
    """The query, and the gold that is mixed in: positions among `basis.images`, and among `basis.gold`."""
    basis, terms, seed = ground.basis, ground.terms, ground.policy.seed % 2**63
    strategy = hedged(ground.strategy, terms.evidence, promoted=terms.promoted and not terms.gave_way)
    candidates = Candidates(
        basis.groups,
        basis.free,
        ~basis.free,
        basis.stream,
        lambda at: _view(ground, at),
        terms.rest,
        terms.stream_first,
    )
    rng = np.random.default_rng([seed, ground.number])
    drawn = draw_query(candidates, strategy, ground.policy, decided=terms.decided, rng=rng)
    if not drawn.picks:
        return drawn, []
    rng = np.random.default_rng([seed, ground.number, _GOLD_STREAM])
    return drawn, draw_gold(len(basis.gold), ground.policy, asked=terms.gold_asked, rng=rng)


def hash_of(ranking: Probs, n: int) -> str:
    """The sha256 of what n images are ranked by."""
    found = hashlib.sha256()
    for some in slices(n, _BLOCK):
        found.update(np.asarray(ranking(np.arange(some.start, some.stop)), "<f4").tobytes())
    return found.hexdigest()


def _view(ground: Ground, at: Positions) -> View:
    """What a strategy sees of these images."""
    predicted = None
    if ground.ranking is not None:
        members = _of(ground.members, at)
        predicted = Predicted(ground.ranking(at), ground.basis.conflicts[at], members, ground.classes)
    return View(
        groups=ground.basis.groups[at],
        gather=lambda some: ground.vectors(at[some]),
        labelled=lambda: ground.labelled,
        predicted=predicted,
        weights=None if ground.basis.weights is None else ground.basis.weights[at],
    )


def _of(members: Probs | None, at: Positions) -> Probs | None:
    return None if members is None else lambda some: members(at[some])
