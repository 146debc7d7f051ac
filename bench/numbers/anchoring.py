"""Replays of anchoring: the pull of a shown pre-label on a team and on one person of it, by who was blind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from bench.numbers.replay import Drawn, Replay
from labeling.quality.annotators.anchoring import Contradicted, anchoring

__all__ = ["REPLAYS"]

TEAMS = ((3, 100), (5, 300), (10, 100))
"""People, and the first answers of each."""
PULLS = ((0.05, 0.04), (0.3, 0.1), (0.6, 0.2))
"""Mean and standard deviation over people."""


def pull(people: int, n: int, mean: float, spread: float, *, of_team: bool) -> Replay:
    """Each of `people` gives n first answers, one in ten blind; about half of the pre-labels are wrong.

    A shown pre-label turns a share of a person's answers to it, which varies among people by the standard deviation
    `spread`. The truth is the share that it turns of all that would say otherwise, or that of the first person.
    """
    strength = mean * (1 - mean) / spread**2 - 1

    def replay(rng: np.random.Generator) -> Drawn:
        pulls = rng.beta(mean * strength, (1 - mean) * strength, people)
        against = 0.5 + rng.uniform(-0.05, 0.15, people)
        blind = rng.binomial(n, 0.1, people)
        counts = zip(
            (n - blind).tolist(),
            rng.binomial(n - blind, against * (1 - pulls)).tolist(),
            blind.tolist(),
            rng.binomial(blind, against).tolist(),
            strict=True,
        )
        found = anchoring({who: Contradicted(*one) for who, one in enumerate(counts)})
        if of_team:
            return Drawn(found.team, float((against * pulls).sum() / against.sum()))
        return Drawn(found.people[0], float(pulls[0]))

    return replay


def _replays() -> Iterator[tuple[str, Replay]]:
    for of_team, (people, n), (mean, spread) in product((True, False), TEAMS, PULLS):
        name = (
            f"anchoring of {'the team' if of_team else 'a person'}, {people} people, {n} answers each, {mean:g} turned"
        )
        yield name, pull(people, n, mean, spread, of_team=of_team)


REPLAYS: Mapping[str, Replay] = dict(_replays())
