"""What a user would write instead, by the documentation of Label Studio's SDK, scikit-activeml and scikit-learn.

A round draws a batch by margin, makes its tasks and predictions, reads the annotations back, fits a logistic
regression and predicts every image.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from label_studio_sdk import LabelStudio
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

__all__ = ["Script"]

C = 30.0


class Script:
    """One project of the script: vectors (N, D), and what it has read back so far."""

    def __init__(self, sdk: LabelStudio, project: int, vectors: NDArray[np.float32], classes: Sequence[str]) -> None:
        self.sdk, self.project, self.vectors, self.classes = sdk, project, vectors, list(classes)
        self.answers = np.full(len(vectors), np.nan)
        self.rows: dict[int, int] = {}
        """The image of each task."""
        self.predicted = np.zeros(len(vectors), np.int64)

    def ask(self, n: int, seed: int) -> list[int]:
        """Draw a batch and bring it to Label Studio; the numbers of its tasks."""
        tasks = []
        for row in self._drawn(n, seed).tolist():
            task = self.sdk.tasks.create(project=self.project, data={"image": f"/data/{row}.png"})
            said = self.classes[int(self.predicted[row])]
            choice = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [said]}}
            self.sdk.predictions.create(task=task.id, result=[choice], score=0.5, model_version="script")
            self.rows[int(task.id)] = row
            tasks.append(int(task.id))
        return tasks

    def read(self) -> None:
        """Read all annotations back."""
        for task in self.sdk.tasks.list(project=self.project, fields="all"):
            for annotation in task.annotations or []:
                said = annotation["result"][0]["value"]["choices"][0]
                self.answers[self.rows[int(task.id)]] = self.classes.index(said)

    def learn(self) -> None:
        """Fit, and predict every image."""
        known = ~np.isnan(self.answers)
        labels = self.answers[known].astype(int)
        if len(np.unique(labels)) > 1:
            model = LogisticRegression(C=C, max_iter=300).fit(self.vectors[known], labels)
            self.predicted = model.predict(self.vectors).astype(np.int64)

    def _drawn(self, n: int, seed: int) -> NDArray[np.int64]:
        from skactiveml.classifier import SklearnClassifier
        from skactiveml.pool import UncertaintySampling

        if np.isnan(self.answers).all():
            return np.random.default_rng(seed).permutation(len(self.vectors))[:n]
        model = SklearnClassifier(LogisticRegression(C=C, max_iter=300), classes=range(len(self.classes)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = UncertaintySampling(method="margin_sampling", random_state=seed).query(
                X=self.vectors, y=self.answers, clf=model, batch_size=n
            )
        return np.asarray(found, np.int64)
