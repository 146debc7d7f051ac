"""Features of a classifier: finite whatever is absent, scaled by constants that no label has touched."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.errors import Invalid
from labeling.learn.classifier import Inputs
from labeling.learn.fusions.concatenation import PRELABEL_SCALE, Concatenation


def some_inputs(n: int = 12) -> Inputs:
    rng = np.random.default_rng(0)
    return Inputs(
        rng.normal(size=(n, 5)).astype(np.float32),
        rng.normal(size=(n, 4)).astype(np.float32),
        rng.dirichlet(np.ones(3), size=n).astype(np.float32),
    )


def test_embeddings_come_out_with_length_one_and_prelabels_z_scored() -> None:
    inputs = some_inputs()

    features = Concatenation().fit(inputs).features(inputs)  # 5 image, 4 text, its indicator, 3 prelabel, its indicator

    assert features.shape == (12, 14)
    assert np.allclose(np.linalg.norm(features[:, :5], axis=1), 1, atol=1e-6)
    assert np.allclose(np.linalg.norm(features[:, 5:9], axis=1), 1, atol=1e-6)
    assert np.allclose(features[:, 10:13].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(features[:, 10:13].std(axis=0), PRELABEL_SCALE, atol=1e-5)


def test_an_absent_text_or_prelabel_takes_the_mean_and_raises_its_indicator() -> None:
    inputs = some_inputs()
    inputs.text[3] = np.nan
    inputs.prelabel[4] = np.nan

    fusion = Concatenation().fit(inputs)
    features = fusion.features(inputs)

    assert np.isfinite(features).all()
    assert np.allclose(features[3, 5:9], fusion.text_mean)
    assert features[:, 9].tolist() == [0, 0, 0, 1] + [0] * 8
    assert np.allclose(features[4, 10:13], 0)
    assert features[:, 13].tolist() == [0, 0, 0, 0, 1] + [0] * 7


def test_a_broken_image_vector_takes_the_mean_of_the_reference() -> None:
    inputs = some_inputs()
    inputs.image[0] = np.inf

    fusion = Concatenation().fit(inputs)

    assert np.allclose(fusion.features(inputs)[0, :5], fusion.image_mean)


def test_texts_that_come_after_a_fit_without_any_are_ignored() -> None:
    later = some_inputs()
    without = Inputs(later.image, np.empty((12, 0), np.float32), later.prelabel)

    fusion = Concatenation().fit(without)

    assert np.array_equal(fusion.features(later), fusion.features(without))


def test_a_fit_with_texts_takes_their_mean_where_a_project_has_none() -> None:
    inputs = some_inputs()
    fusion = Concatenation().fit(inputs)

    features = fusion.features(Inputs(inputs.image, np.empty((12, 0), np.float32), inputs.prelabel))

    assert (features[:, 9] == 1).all()
    assert np.allclose(features[:, 5:9], fusion.text_mean)


def test_prelabels_of_another_number_of_classes_are_refused() -> None:
    inputs = some_inputs()
    fusion = Concatenation().fit(inputs)
    more = np.concatenate([inputs.prelabel, inputs.prelabel], axis=1)

    with pytest.raises(Invalid, match="prelabel numbers"):
        fusion.features(Inputs(inputs.image, inputs.text, more))


def test_embeddings_of_another_encoder_are_refused() -> None:
    inputs = some_inputs()

    with pytest.raises(Invalid, match="expects 5 image numbers"):
        Concatenation().fit(inputs).features(Inputs(inputs.text, inputs.text, inputs.prelabel))
