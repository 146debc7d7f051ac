"""A classifier of one's own as engine: any trained head over images, its labels mapped to the project's classes.

In: items, and a model with its processor that are already loaded. Out: the probability of each class, given that one of
them is true. Invariant: every class has at least one label of the model, and what the model gave labels that stand for
no class is kept with the answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from labeling.errors import Invalid
from labeling.normal_form import same_name
from labeling.prelabel.encoders.aspect import within_aspect
from labeling.prelabel.encoders.model_hash import hash_of_model
from labeling.prelabel.engine import EngineOrder, Item, Look, digest_of, no_vectors, revision_of
from labeling.prelabel.picture_size import size_for
from labeling.slices import batches
from labeling.types import Evidence, Prelabel
from labeling.vectors import softmax

__all__ = ["OUTSIDE", "ImageClassifierEngine", "TrainedClassifier", "classes_of"]

IMAGES_A_BATCH = 8
IMAGES_ON_A_GPU = 64
OUTSIDE = "outside the label map"
"""The flag where the model's own first choice stands for no class of the project."""
RAW_SHOWN = 5
NAMED = 20
NO_CLASS = -1


class TrainedClassifier:
    """A model with its image processor, kept loaded on a device of torch's.

    Raises
    ------
    Invalid
        When it has fewer than two labels, or does not name each of them.
    """

    def __init__(self, model: Any, processor: Any, device: str = "cpu") -> None:
        named = {int(place): str(name) for place, name in model.config.id2label.items()}
        if len(named) < 2 or sorted(named) != list(range(len(named))):
            raise Invalid(f"{type(model).__name__} does not name two labels at least: it is no classifier.")
        self.labels = tuple(named[place] for place in range(len(named)))
        self.several = model.config.problem_type == "multi_label_classification"
        """Whether it was trained with a sigmoid a label."""
        self.fingerprint = hash_of_model(model, [model.config.to_dict(), processor.to_dict()])
        self.size = size_for(processor)
        self._model, self._processor = model.eval().to(device), processor
        self._at_once = IMAGES_A_BATCH if device == "cpu" else IMAGES_ON_A_GPU

    def logits(self, images: Sequence[Image.Image]) -> NDArray[np.float64]:
        """(N, L) of its own labels."""
        with ThreadPoolExecutor(2) as pool:  # the next batches are prepared during this one
            rows = [self._forward(pixels) for pixels in pool.map(self._pixels, batches(images, self._at_once))]
        return np.concatenate(rows) if rows else np.zeros((0, len(self.labels)))

    def probs(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, L) as it was trained to give them: summing to 1, or each for itself."""
        shares: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logits, -500, 500))) if self.several else softmax(logits)
        return shares

    def _pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        bounded = [within_aspect(image) for image in images]
        pixels: torch.Tensor = self._processor(images=bounded, return_tensors="pt")["pixel_values"]
        return pixels  # (B, 3, H, W)

    def _forward(self, pixels: torch.Tensor) -> NDArray[np.float64]:
        with torch.inference_mode():
            logits: NDArray[np.float64] = self._model(pixel_values=pixels.to(self._model.device)).logits.double().cpu()
            return np.asarray(logits)


class ImageClassifierEngine:
    """Gives each class what the model gives the labels that stand for it; costs nothing.

    Raises
    ------
    Invalid
        When the label map names what is not there, or leaves a class without a label of the model.
    """

    name = "classifier"
    image_encoder = text_encoder = ""

    def __init__(self, order: EngineOrder, model: TrainedClassifier, clock: Callable[[], float]) -> None:
        if order.use.templates or order.use.examples:
            raise Invalid("A `classifier` has learnt its labels: leave `templates` and `examples` out.")
        self._model, self._clock, self._classes = model, clock, order.classes
        self._class_of = classes_of(model.labels, order.classes, order.use.label_map)  # (L,)
        self.picture_size = model.size
        pinned = [model.fingerprint, order.classes, self._class_of.tolist()]
        self.revision = revision_of(self.name, order.model, pinned)
        self._evidence = Evidence(
            confidence_from="a classifier's own probabilities, given that one of the classes is true",
            prompt=digest_of(pinned),
            config_version=order.config_version,
        )

    def look(self, items: Sequence[Item]) -> Look:
        """Give each image probabilities for the label set."""
        if not items:
            return no_vectors([])
        started = self._clock()
        logits = self._model.logits([item.image for item in items])
        seconds = (self._clock() - started) / len(items)
        if not np.isfinite(logits).all():
            raise Invalid("The classifier answered with numbers that are not finite. Download or copy it again.")
        own = self._model.probs(logits)
        return no_vectors([self._prelabel(*row, seconds) for row in zip(logits, own, strict=True)])

    def _prelabel(self, logits: NDArray[np.float64], own: NDArray[np.float64], seconds: float) -> Prelabel:
        """One image's. Odds of labels that exclude each other add up: a class has the sum over its labels.

        That holds for a head with a softmax, and for one with a sigmoid a label on the condition that exactly one class
        is true.
        """
        scores = [np.logaddexp.reduce(logits[self._class_of == k]) for k in range(len(self._classes))]
        best = {self._model.labels[at]: round(float(own[at]), 4) for at in np.argsort(-own, kind="stable")[:RAW_SHOWN]}
        outside = self._class_of == NO_CLASS
        evidence = Evidence(
            raw=json.dumps({"labels": best, "outside": round(float(own[outside].sum()), 4)}, ensure_ascii=False),
            confidence_from=self._evidence.confidence_from,
            prompt=self._evidence.prompt,
            config_version=self._evidence.config_version,
            flags=(OUTSIDE,) if outside[int(np.argmax(logits))] else (),
        )
        probs = tuple(softmax(np.array(scores)).tolist())
        return Prelabel(self.name, self.revision, probs, "", seconds, 0, evidence=evidence)


def classes_of(labels: Sequence[str], classes: Sequence[str], label_map: Mapping[str, str]) -> NDArray[np.int64]:
    """(L,) the place of the class that each label of a model stands for; -1 where it stands for none.

    A label that the map does not name stands for the class of the same name, if there is one; else for the one whose
    name has spaces where the label has `_`, or the other way round.

    Examples
    --------
    >>> classes_of(["tabby", "Dog", "car"], ["cat", "dog"], {"tabby": "cat"}).tolist()
    [0, 1, -1]
    >>> classes_of(["sea_bird", "sea bird", "hot_dog"], ["sea bird", "sea_bird", "hot dog"], {}).tolist()
    [1, 0, 2]

    Raises
    ------
    Invalid
        When the map names a label or a class that is not there, or a label for two classes, or a class has no label, or
        a label may stand for several classes that differ by `_` alone.
    """
    _check_map(labels, classes, label_map)
    wanted = {same_name(label): name for label, name in label_map.items()}
    exact = {same_name(name): place for place, name in enumerate(classes)}
    alike: dict[str, list[int]] = {}
    for place, name in enumerate(classes):
        alike.setdefault(_spaced(name), []).append(place)

    def place_of(label: str) -> int:
        place = exact.get(same_name(wanted.get(same_name(label), label)))
        places = alike.get(_spaced(label), [NO_CLASS]) if place is None else [place]
        if len(places) > 1:
            raise Invalid(
                f"The classifier's label {label!r} may stand for {_some([classes[one] for one in places])}, which "
                f"differ by `_` alone. Say for which: `label_map: {{{label}: {classes[places[0]]}}}`."
            )
        return places[0]

    found = np.array([place_of(label) for label in labels], np.int64)
    without = [name for place, name in enumerate(classes) if place not in found]
    if without:
        raise Invalid(
            f"No label of the classifier stands for {_some(without)}. Write `label_map: {{LABEL: {without[0]}}}` with "
            f"one of its labels: {_some(labels)}."
        )
    return found


def _check_map(labels: Sequence[str], classes: Sequence[str], label_map: Mapping[str, str]) -> None:
    known, named = ({same_name(one) for one in some} for some in (labels, classes))
    unknown = sorted(label for label in label_map if same_name(label) not in known)
    if unknown:
        raise Invalid(
            f"`label_map` names {_some(unknown)}, which the classifier does not have. It has {_some(labels)}."
        )
    wanted = {same_name(label): name for label, name in label_map.items()}
    twice = sorted(label for label, name in label_map.items() if same_name(wanted[same_name(label)]) != same_name(name))
    if twice:
        raise Invalid(f"`label_map` names {_some(twice)} twice, for two labels of the project. Leave one out.")
    strange = sorted({name for name in label_map.values() if same_name(name) not in named})
    if strange:
        raise Invalid(f"`label_map` names {_some(strange)}, which is no label of the project: {_some(classes)}.")


def _spaced(name: str) -> str:
    return same_name(name.replace("_", " "))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(repr(str(name)[:80]) for name in names[:NAMED]) + more
