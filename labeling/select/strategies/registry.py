"""Our own strategies by name: what may stand at `policy.strategy` in a project file, plug-ins aside."""

from __future__ import annotations

from labeling.select.strategies.badge import Badge
from labeling.select.strategies.by_score import ByScore
from labeling.select.strategies.classes.class_balanced import ClassBalanced
from labeling.select.strategies.classes.rare_class import RareClass
from labeling.select.strategies.cluster_margin import ClusterMargin
from labeling.select.strategies.covering.herding import Herding
from labeling.select.strategies.covering.prob_cover import ProbCover
from labeling.select.strategies.disagreement.by_members import ByMembers
from labeling.select.strategies.disagreement.drop_query import DropQuery
from labeling.select.strategies.disagreement.members import bald, disagreement
from labeling.select.strategies.k_center import KCenter
from labeling.select.strategies.strategy import Strategy
from labeling.select.strategies.typical import Typical
from labeling.select.strategies.uncertainty import entropy, least_confidence, margin
from labeling.select.strategies.uniform import Uniform
from labeling.select.strategies.weighted import Weighted

__all__ = ["STRATEGIES"]

STRATEGIES: dict[str, Strategy] = {
    "badge": Badge(),
    "bald": ByMembers("bald", bald),
    "class_balanced": ClassBalanced(),
    "cluster_margin": ClusterMargin(),
    "disagreement": ByMembers("disagreement", disagreement),
    "drop_query": DropQuery(),
    "entropy": ByScore("entropy", entropy),
    "herding": Herding(),
    "k_center": KCenter(),
    "least_confidence": ByScore("least_confidence", least_confidence),
    "margin": ByScore("margin", margin),
    "prob_cover": ProbCover(),
    "random": Uniform(),
    "rare_class": RareClass(),
    "typical": Typical(),
    "weighted": Weighted(),
}
"""`service.plugins` lists the same names without loading this."""
