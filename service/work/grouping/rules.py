"""By what rule a project's near-duplicates are found now: its policy, and what was frozen of the pool's own distances.

In: a project. Out: a rule. While nothing is frozen under `adaptive`, only equal bytes are one image.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy.orm import Session

from db.repositories.images import groups
from db.repositories.images.groups import ADAPTIVE, APART, KEPT, TOO_MANY, Grouping
from labeling.ingest.fingerprints import Fingerprints
from labeling.ingest.groups import MAX_JOINED
from labeling.ingest.twins import NOTHING, TwinRule, adaptive_rule, fixed_rule
from labeling.project import Project
from service.work.wiring import Parts

__all__ = ["apart", "measured", "policy_rule", "rule_in_force", "too_many"]


def rule_in_force(session: Session, project: Project) -> TwinRule | None:
    """The rule for new images; None where thresholds are still to be frozen."""
    given = policy_rule(project)
    if given is not None:
        return given
    frozen = groups.in_force(session, project.id)
    if frozen is None or frozen.kind == KEPT:
        return None
    return TwinRule(frozen.sure, frozen.near)


def policy_rule(project: Project) -> TwinRule | None:
    """The rule that the policy gives; None where it follows the pool."""
    wanted = project.config.policy.near_duplicates
    if isinstance(wanted, int):
        return fixed_rule(wanted)
    return NOTHING if wanted == "off" else None


def measured(parts: Parts, project: Project, images: Fingerprints) -> Grouping:
    """The thresholds of a pool, to be frozen; the same pool gives the same."""
    rule = adaptive_rule(images, np.random.default_rng(project.config.policy.seed))
    reason = f"measured from the distances between {len(images)} images"
    return Grouping(ADAPTIVE, rule.sure, rule.near, len(images), reason, parts.now())


def too_many(parts: Parts, joined: int, of: int) -> Grouping:
    """What stands in place of thresholds that would join too many images."""
    reason = f"{_would_join(joined, of)}: only equal bytes are one image"
    return Grouping(TOO_MANY, NOTHING.sure, NOTHING.near, of, reason, parts.now())


def apart(parts: Parts, rule: TwinRule, joined: int, of: int) -> Grouping:
    """The same thresholds, and the fact that some new images stayed apart."""
    reason = f"{_would_join(joined, of)} at {parts.now():%Y-%m-%d %H:%M}: these stay apart"
    return Grouping(APART, rule.sure, rule.near, of, reason, parts.now())


def _would_join(joined: int, of: int) -> str:
    return f"{joined} of {of} images would have joined others, more than {MAX_JOINED:.0%}"
