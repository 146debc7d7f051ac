"""Features of a classifier: finite whatever is absent, scaled by constants that no label has touched."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.errors import Invalid
from labeling.learn.classifier import Inputs
from labeling.learn.fusions.concatenation import PRELABEL_SCALE, Concatenation
from labeling.learn.training import fit_classifier, predict_probs


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


@pytest.mark.parametrize("n", [40, 150])
def test_texts_that_say_nothing_count_less_and_cost_little(n: int) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(600) % 5
    image = np.eye(5, 16, dtype=np.float32)[truth] + rng.normal(0, 0.35, (600, 16)).astype(np.float32)
    text = rng.normal(size=(600, 64)).astype(np.float32)
    inputs, alone = _inputs(image, text), _inputs(image, np.empty((600, 0), np.float32))
    known, others = slice(0, n), slice(n, None)

    fitted = [fit_classifier(one.take(known), truth[:n], 5, reference=one) for one in (inputs, alone)]
    right = [
        (predict_probs(of, one.take(others)).argmax(axis=1) == truth[n:]).mean()
        for of, one in zip(fitted, (inputs, alone), strict=True)
    ]

    assert fitted[0].pack().fusion.text <= 0.5 and fitted[0].pack().fusion.image == 1
    assert right[0] >= right[1] - 0.03


def test_where_both_say_the_class_both_count() -> None:
    rng = np.random.default_rng(0)
    n, truth = 120, np.arange(120) % 3
    image, text = (np.eye(3, 8, dtype=np.float32)[truth] + rng.normal(0, 0.6, (n, 8)).astype(np.float32) for _ in "it")

    fusion = fit_classifier(_inputs(image, text, 3), truth, 3).pack().fusion

    assert fusion.image >= 0.5 and fusion.text >= 0.5


def test_what_it_is_multiplied_by_is_saved_and_read_again() -> None:
    kind = Concatenation(text=0.25, prelabel=0.0)
    rng = np.random.default_rng(0)
    inputs = _inputs(rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(9, 3)).astype(np.float32))
    plain, scaled = Concatenation().fit(inputs).features(inputs), kind.fit(inputs)

    again = kind.unpack(scaled.pack(), scaled.dims)

    assert again.kind == kind
    assert np.array_equal(again.features(inputs)[:, :4], plain[:, :4])
    assert np.array_equal(again.features(inputs)[:, 4:8], plain[:, 4:8] / 4)
    assert not again.features(inputs)[:, 8:].any()


@pytest.mark.parametrize(
    "labels", [np.arange(9) % 2, np.zeros(60, np.int64), np.arange(60)], ids=["few", "one class", "all apart"]
)
def test_with_nothing_to_choose_by_all_blocks_count_alike(labels: np.ndarray) -> None:
    n = len(labels)
    rng = np.random.default_rng(0)
    inputs = _inputs(rng.normal(size=(n, 4)).astype(np.float32), np.full((n, 3), np.nan, np.float32))
    fusion = Concatenation().fit(inputs)
    features = fusion.features(inputs)

    suited = fusion.suited(features, labels, np.arange(n))

    assert suited.kind == Concatenation()
    assert np.array_equal(features, fusion.features(inputs))


def _inputs(image: np.ndarray, text: np.ndarray, n_classes: int = 5) -> Inputs:
    return Inputs(image, text, np.full((len(image), n_classes), np.nan, np.float32))
