"""The scripted engine: the same everywhere, from pixels and words alone, without a model."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from PIL import Image

from labeling.prelabel.engine import Item, check_look
from labeling.prelabel.engines.scripted import ScriptedEngine, class_colour

CLASSES = ("cat", "dog", "bird")


def _painted(k: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(-40, 40, (32, 32, 3))
    return Image.fromarray(np.clip(np.array(class_colour(k, 3)) + noise, 0, 255).astype(np.uint8))


def test_the_class_whose_colour_it_has_is_the_likeliest() -> None:
    engine = ScriptedEngine(CLASSES)

    look = check_look(engine.look([Item(_painted(k), None) for k in range(3)]), items=3, classes=3)

    assert [int(np.argmax(prelabel.probs)) for prelabel in look.prelabels] == [0, 1, 2]


def test_the_same_items_give_the_same_look_and_revision() -> None:
    items = [Item(_painted(0), "a cat on a mat"), Item(_painted(1), None)]

    one, other = ScriptedEngine(CLASSES), ScriptedEngine(CLASSES)

    np.testing.assert_array_equal(one.look(items).image_vectors, other.look(items).image_vectors)
    assert one.look(items).prelabels == other.look(items).prelabels
    assert one.revision == other.revision != ScriptedEngine(("cat", "dog")).revision


def test_vectors_are_unit_and_only_texts_that_are_there_have_one() -> None:
    noise = [Image.fromarray(np.random.default_rng(i).integers(0, 255, (32, 32, 3), dtype=np.uint8)) for i in (1, 2)]

    look = ScriptedEngine(CLASSES).look([Item(noise[0], "a cat"), Item(noise[1], None)])

    np.testing.assert_allclose(np.linalg.norm(look.image_vectors, axis=1), 1, atol=1e-5)
    assert float(look.image_vectors[0] @ look.image_vectors[1]) < 0.9
    assert look.text_vectors[0] is not None and look.text_vectors[1] is None


def test_a_script_decides_where_one_is_given() -> None:
    engine = ScriptedEngine(CLASSES, lambda item: [0.0, 1.0, 0.0] if item.text == "woof" else [1.0, 0.0, 0.0])

    look = engine.look([Item(_painted(2), "woof"), Item(_painted(2), None)])

    assert [prelabel.probs for prelabel in look.prelabels] == [(0.0, 1.0, 0.0), (1.0, 0.0, 0.0)]


def test_no_items_are_no_rows() -> None:
    look = check_look(ScriptedEngine(CLASSES).look([]), items=0, classes=3)

    assert look.image_vectors.shape[0] == 0


def test_it_loads_no_model_library() -> None:
    code = "import sys, labeling.prelabel.engines.scripted; print(sorted({'torch', 'transformers'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
