"""Label Studio's own ML backend with a model that always says the same; run by gunicorn out of a checkout of it.

BENCH_ML_BACKEND names the checkout, with a `.venv` in it that holds its requirements and gunicorn.
"""

from __future__ import annotations

from typing import Any

from label_studio_ml.api import init_app  # type: ignore[import-not-found]
from label_studio_ml.model import LabelStudioMLBase  # type: ignore[import-not-found]

CHOICE = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["cat"]}}


class Constant(LabelStudioMLBase):  # type: ignore[misc]  # not installed here
    """Says cat."""

    def setup(self) -> None:
        self.set("model_version", "constant")

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        return [{"result": [CHOICE], "score": 0.5, "model_version": "constant"} for _ in tasks]


app = init_app(model_class=Constant)
