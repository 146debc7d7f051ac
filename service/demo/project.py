"""The demo's project file: the label set with a line for each class, guidelines, and a policy for a short run."""

from __future__ import annotations

from typing import Any

import yaml

from service.demo.images import DemoImages

__all__ = ["PROJECT", "project_file"]

PROJECT = "demo"

_GUIDELINES = """\
What does the picture show? Choose the class that a person would look for it under.
A caption came with most pictures; believe the picture where the two disagree.
"""


def project_file(images: DemoImages) -> str:
    """YAML for `hardcase project create`.

    Half of each query are evaluation images until there are 100 labels of them: the demo wants its gate to work from
    the first round on, where a real project can wait. A few images get a smaller query and, said plainly, a gate that
    proves next to nothing: it is content with 10 labels, and with a lower bound of -30 points.
    """
    few = len(images.truth) < 200
    policy: dict[str, Any] = {
        "engine": "bundled",
        "holdout_share": 0.4 if few else 0.25,
        "query_size": 10 if few else 70,
        "low_water": 2,
        "learn_after_labels": 4 if few else 30,
        "shares": {"evaluation_until_target": 0.4 if few else 0.5},
    }
    if few:
        policy["gate"] = {"min_labels": 10, "margin": 0.3}
    labels = [{"name": name, "description": text} if text else {"name": name} for name, text in images.classes]
    content = {"name": PROJECT, "labels": labels, "guidelines": _GUIDELINES, "policy": policy}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
