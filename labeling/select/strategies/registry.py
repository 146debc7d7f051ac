"""Our own strategies by name: what may stand at `policy.strategy` in a project file, plug-ins aside."""

from __future__ import annotations

from labeling.select.strategies.by_score import ByScore
from labeling.select.strategies.k_center import KCenter
from labeling.select.strategies.strategy import Strategy
from labeling.select.strategies.typical import Typical
from labeling.select.strategies.uncertainty import entropy, least_confidence, margin
from labeling.select.strategies.uniform import Uniform

__all__ = ["STRATEGIES"]

STRATEGIES: dict[str, Strategy] = {
    "entropy": ByScore("entropy", entropy),
    "k_center": KCenter(),
    "least_confidence": ByScore("least_confidence", least_confidence),
    "margin": ByScore("margin", margin),
    "random": Uniform(),
    "typical": Typical(),
}
"""`service.plugins` lists the same names without loading this."""
