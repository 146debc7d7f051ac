"""From many annotators' answers to one value an image, with its confidence and the quality of each annotator.

In: a table of (image, annotator, label); an engine is an annotator like any other. Out: for every image of the table a
value and a soft label over the classes and "none of these", which is a class of its own here. The methods are
crowd-kit's and cleanlab's; no image's result depends on the order of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.multiannotator import get_label_quality_multiannotator
from crowdkit.aggregation import GLAD, DawidSkene

from labeling.answers import MISSING, AnswerSet
from labeling.errors import Invalid
from labeling.quality.annotators.soft_labels import Aggregation, RaterAnswer, SoftLabel

__all__ = ["aggregate", "crowdlab", "dawid_skene", "glad", "majority"]

Probs = npt.NDArray[np.float64]
LEAST = 1e-3
"""A smaller share of a soft label is not kept."""


def aggregate(
    method: str, table: Iterable[RaterAnswer], known: AnswerSet, probs: Mapping[int, Sequence[float]] | None = None
) -> Aggregation:
    """Apply the method of this name: `majority`, `dawid-skene`, `glad` or `crowdlab`; Invalid for another.

    Parameters
    ----------
    method : str
        As in a project's policy.
    table : iterable of RaterAnswer
        One answer an annotator and image; of several the last by label counts.
    known : AnswerSet
        The answers of the project, with its K classes.
    probs : mapping, optional
        Per image (K,) probabilities by a classifier that was not fitted on its label; only `crowdlab` reads them.

    Examples
    --------
    >>> table = [RaterAnswer(1, "ann", "cat"), RaterAnswer(1, "bob", "cat"), RaterAnswer(1, "eve", "dog")]
    >>> aggregate("majority", table, AnswerSet(("cat", "dog"))).labels[1].value
    'cat'
    """
    if method == "crowdlab":
        return crowdlab(table, known, probs or {})
    methods = {"majority": majority, "dawid-skene": dawid_skene, "glad": glad}
    if method not in methods:
        raise Invalid(f"There is no consensus method {method!r}; choose one of {', '.join([*methods, 'crowdlab'])}.")
    return methods[method](table, known)


def majority(table: Iterable[RaterAnswer], known: AnswerSet) -> Aggregation:
    """Vote shares: every annotator weighs the same.

    Examples
    --------
    >>> table = [RaterAnswer(1, "ann", "cat"), RaterAnswer(1, "bob", "dog")]
    >>> majority(table, AnswerSet(("cat", "dog"))).labels[1].confidence
    0.5
    """
    frame = _frame(table, known)
    return _aggregation(frame, pd.crosstab(frame.task, frame.label, normalize="index"), known)


def dawid_skene(table: Iterable[RaterAnswer], known: AnswerSet) -> Aggregation:
    """Expectation-maximization over one confusion matrix an annotator: how each annotator errs is learnt.

    It needs many images with several answers; with few it relies too much on the errors of the majority.

    Notes
    -----
    Source: Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm".
    """
    frame = _frame(table, known)
    if frame.label.nunique() < 2:
        return majority(table, known)
    model = DawidSkene().fit(frame)
    return _aggregation(frame, model.probas_, known, _confusions(model.errors_, len(known.labels)))


def glad(table: Iterable[RaterAnswer], known: AnswerSet) -> Aggregation:
    """One ability an annotator and one difficulty an image: an expert's answer on a hard image weighs most.

    Notes
    -----
    Source: Whitehill et al. (2009), "Whose vote should count more: optimal integration of labels from labelers of
    unknown expertise".
    """
    frame = _frame(table, known)
    if frame.label.nunique() < 2:
        return majority(table, known)
    return _aggregation(frame, GLAD().fit_predict_proba(frame), known)


def crowdlab(table: Iterable[RaterAnswer], known: AnswerSet, probs: Mapping[int, Sequence[float]]) -> Aggregation:
    """People and a classifier together, each weighed by how well it agrees with the others.

    An image without probabilities gets the shares of the labels in the table instead. Where no image has two
    answers there are no weights: then it is the majority.

    Notes
    -----
    Source: Goh, Tkachenko and Mueller (2022), "CROWDLAB: supervised learning to infer consensus labels and quality
    scores for data with multiple annotators", arXiv:2210.06812.
    """
    frame = _frame(table, known)
    if frame.label.nunique() < 2 or frame.task.is_unique:
        return majority(table, known)
    wide = frame.pivot(index="task", columns="worker", values="label")
    prior = _prior(wide.index, frame.label, probs, len(known.classes))
    found = get_label_quality_multiannotator(wide, prior, verbose=False)
    soft = _aggregation(frame, _posterior(wide, prior, found), known).labels
    quality = {str(who): float(value) for who, value in found["annotator_stats"].annotator_quality.items()}
    return Aggregation(_with_consensus(soft, found["label_quality"], known), quality, {})


def _frame(table: Iterable[RaterAnswer], known: AnswerSet) -> pd.DataFrame:
    """The table as the libraries read it: numbers for labels, in one order; what is no label is left out."""
    in_order = sorted(table, key=lambda one: (one.image, one.annotator, one.label))
    held = {(one.image, one.annotator): code for one in in_order if (code := known.code(one.label)) != MISSING}
    rows = [(image, annotator, code) for (image, annotator), code in sorted(held.items())]
    frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
    return frame.astype({"task": "int64", "label": "int64"})


def _aggregation(
    frame: pd.DataFrame, posterior: pd.DataFrame, known: AnswerSet, confusion: dict[str, Probs] | None = None
) -> Aggregation:
    """`posterior`: a row an image, a column a label's number; numbers that are missing have no share."""
    names = known.labels
    full = posterior.reindex(columns=range(len(names)), fill_value=0.0).fillna(0.0)
    labels = {int(image): _soft(row, names) for image, row in zip(full.index, full.to_numpy(float), strict=True)}
    said = full.to_numpy(float)[full.index.get_indexer(frame.task), frame.label.to_numpy()] if len(frame) else []
    quality = pd.Series(said, dtype=float).groupby(frame.worker.to_numpy()).mean()
    return Aggregation(labels, {str(who): float(value) for who, value in quality.items()}, confusion or {})


def _soft(row: Probs, names: Sequence[str]) -> SoftLabel:
    """One (C,) row in words: shares under a thousandth are left out, the rest sums to 1."""
    kept = np.where(row >= LEAST, row, 0.0)
    kept /= kept.sum()
    first, second = np.sort(kept)[:-3:-1]
    best = int(np.argmax(kept))
    value = None if np.isclose(first, second) else names[best]
    return SoftLabel(value, float(first), {names[k]: float(kept[k]) for k in np.flatnonzero(kept)})


def _confusions(errors: pd.DataFrame, size: int) -> dict[str, Probs]:
    """crowd-kit has (annotator, said) rows and true columns; here it is (truth, said) for each annotator."""
    found = {}
    for who, block in errors.groupby(level="worker"):
        said = block.droplevel("worker")
        found[str(who)] = said.reindex(index=range(size), columns=range(size), fill_value=0.0).to_numpy(float).T.copy()
    return found


def _prior(images: pd.Index, labels: pd.Series, probs: Mapping[int, Sequence[float]], size: int) -> Probs:
    """(N, K + 1): a classifier's probabilities, its "none of these" from the share of that answer; else the shares."""
    shares = (np.bincount(labels, minlength=size + 1) + 1.0) / (len(labels) + size + 1)  # (K + 1,)
    rows = []
    for image in images:
        known = probs.get(int(image), ())
        rows.append([*(np.asarray(known) * (1 - shares[-1])), shares[-1]] if len(known) == size else shares)
    return np.array(rows, dtype=float)


def _posterior(wide: pd.DataFrame, prior: Probs, found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """CROWDLAB's probability of each label that it scores; the others share the rest in proportion to the prior."""
    scored = np.full(prior.shape, np.nan)
    position = np.arange(len(wide))
    for said, score in zip(wide.to_numpy().T, found["detailed_label_quality"].to_numpy().T, strict=True):
        given = ~np.isnan(said)
        scored[position[given], said[given].astype(int)] = score[given]
    consensus = found["label_quality"]
    scored[position, consensus.consensus_label.to_numpy(int)] = consensus.consensus_quality_score.to_numpy(float)
    rest = np.where(np.isnan(scored), prior, 0.0)
    rest *= ((1 - np.nansum(scored, axis=1)) / np.maximum(rest.sum(axis=1), 1e-12))[:, None]
    return pd.DataFrame(np.where(np.isnan(scored), rest.clip(min=0), scored), index=wide.index)


def _with_consensus(soft: Mapping[int, SoftLabel], found: pd.DataFrame, known: AnswerSet) -> dict[int, SoftLabel]:
    """CROWDLAB's own choice, which may differ from its likeliest class: it weighs again after the choice."""
    names = known.labels
    chosen = zip(found.index, found.consensus_label, found.consensus_quality_score, strict=True)
    return {
        int(image): SoftLabel(names[int(code)], float(score), soft[int(image)].probs) for image, code, score in chosen
    }
