"""What is counted of people's work, as steps of the jobs `quality` (within seconds) and `inspect` (takes longer).

A step is a function of the parts and a project; it returns counts, may run twice, and does nothing while no fact that
it rests on has changed.

Offers `QUICK`, `SLOW`, `Step`, `answered_images.AnsweredImages`, `answered_images.read_answered`, `random_arm.GROWN`.
"""

from __future__ import annotations

from collections.abc import Callable

from labeling.types import ProjectId
from service.work.quality.agreement import refresh_agreement
from service.work.quality.annotators.team import refresh_team
from service.work.quality.consensus import refresh_consensus, refresh_large_consensus
from service.work.quality.drift import refresh_drift
from service.work.quality.endpoint_drift import look_again
from service.work.quality.gold import make_gold
from service.work.quality.label_alarms import watch_labels
from service.work.quality.label_quality import refresh_label_quality
from service.work.quality.next_action.refresh import refresh_next_action
from service.work.quality.overlap import ask_another_person
from service.work.quality.random_arm import refresh_random_arm
from service.work.quality.re_reviews import ask_another_re_reviewer, ask_more_re_reviews, ask_re_reviews
from service.work.quality.suspects import refresh_suspects
from service.work.quality.wrong_labels import refresh_wrong_labels
from service.work.wiring import Parts

__all__ = ["QUICK", "SLOW", "Step"]

Step = Callable[[Parts, ProjectId], dict[str, int]]

QUICK: tuple[Step, ...] = (
    refresh_consensus,
    ask_another_person,
    ask_another_re_reviewer,
    ask_more_re_reviews,
    refresh_agreement,
    make_gold,
    refresh_team,
    refresh_wrong_labels,
    watch_labels,
    refresh_label_quality,
)
SLOW: tuple[Step, ...] = (
    refresh_large_consensus,
    refresh_suspects,
    ask_re_reviews,
    refresh_drift,
    refresh_wrong_labels,
    watch_labels,
    refresh_label_quality,
    look_again,
    refresh_next_action,
    refresh_random_arm,
)
"""The random arm is the last: it is hundreds of fits, and nothing else here rests on it."""
