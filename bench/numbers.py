"""Are the shown numbers true? Every interval is computed on data whose truth is known, and held against it.

A replay draws one project with a seeded `rng` and gives what would be shown beside the truth. `REPLAYS` names one for
each figure; `replayed` runs it over seeds. Printed: coverage, the median width against that of the exact interval of a
uniform sample of the same size, and the mean error in half-widths. Tests run the same replays with fewer seeds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from bench.report import Target, at_least, at_most, emit
from labeling.estimates import Estimate
from labeling.project import Gate
from labeling.promote.judgement import Sample, difference, judge
from labeling.promote.out_of_fold import Predictor, out_of_fold
from labeling.quality.comparison import calibration_error
from labeling.quality.finite_samples import Stratum, finite_share, share_of_cohorts, share_of_what_is_left
from labeling.quality.labels.re_review_plan import plan_re_reviews
from labeling.quality.labels.wrong_labels import Outcome, wrong_labels
from labeling.quality.metrics import expected_calibration_error
from labeling.quality.random_arm import Arm, Fit, random_arm, savings
from labeling.select.query.stream import Order, cohorts

__all__ = ["REPLAYS", "Drawn", "Recipe", "Replay", "Summary", "promoted_share", "promotions_on_digits", "replayed"]

COVERS, WIDTH_RATIO, ERROR_RATIO = 0.93, 1.2, 0.25
MANY = 200_000

Vectors = NDArray[np.floating]
Classes = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one project would show, beside the truth; `width` is the exact interval's, where there is one."""

    shown: Estimate
    truth: float
    width: float | None = None


Replay = Callable[[np.random.Generator], Drawn]


@dataclass(frozen=True, slots=True)
class Summary:
    """Over all seeds: the share of intervals that hold the truth, their median width and its ratio to the exact one's,
    and the mean error as a share of the median half-width."""

    seeds: int
    coverage: float
    width: float
    width_ratio: float | None
    error_ratio: float

    @property
    def covers(self) -> bool:
        """Whether the coverage is at least .93 as far as so many seeds can say: two standard errors are allowed."""
        return self.coverage >= COVERS - 2 * math.sqrt(COVERS * (1 - COVERS) / self.seeds)


def replayed(replay: Replay, seeds: int) -> Summary:
    """The replay over seeds 0 to `seeds` - 1."""
    drawn = [replay(np.random.default_rng(seed)) for seed in range(seeds)]
    lower, upper = (np.array([getattr(one.shown, end) for one in drawn]) for end in ("lower", "upper"))
    value, truth = np.array([one.shown.value for one in drawn]), np.array([one.truth for one in drawn])
    width = float(np.median(upper - lower))
    exact = [one.width for one in drawn if one.width is not None]
    return Summary(
        seeds,
        float(((lower <= truth) & (truth <= upper)).mean()),
        width,
        width / float(np.median(exact)) if exact else None,
        float(abs((value - truth).mean()) / max(width / 2, 1e-9)),
    )


def calibration(n: int, temperature: float) -> Replay:
    """The calibration error of two classes, whose stated log odds are `temperature` times too large."""

    def rightly(stated: NDArray[np.float64]) -> NDArray[np.float64]:
        odds = (stated / (1 - stated)) ** (1 / temperature)
        return odds / (1 + odds)

    def stated_and_truth(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        first = np.clip(rng.beta(6, 0.75, size=n), 0.5, 1 - 1e-9)
        return np.stack([first, 1 - first], axis=1), (rng.random(n) >= rightly(first)).astype(np.int64)

    truth = expected_calibration_error(*stated_and_truth(MANY, np.random.default_rng(0))) if temperature != 1 else 0.0

    def replay(rng: np.random.Generator) -> Drawn:
        return Drawn(calibration_error(*stated_and_truth(n, rng), np.arange(n), rng), truth)

    return replay


def gain(n: int, flips: float, better: float) -> Replay:
    """The difference of two classifiers on n images, which disagree on a share `flips` and differ by `better`."""

    def replay(rng: np.random.Generator) -> Drawn:
        ours, theirs = paired(n, flips, better, rng)
        return Drawn(difference(ours, theirs, np.zeros(n, np.int64), Gate(), rng), better)

    return replay


def paired(
    n: int, flips: float, better: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (n, 2) of two classifiers for images whose class is 0; one in ten is wrong by both."""
    shares = [(flips + better) / 2, (flips - better) / 2, (1 - flips) * 0.9, (1 - flips) * 0.1]
    kind = rng.choice(4, size=n, p=shares)
    right = np.array([[0.9, 0.1], [0.2, 0.8]])
    ours, theirs = np.array([0, 1, 0, 1])[kind], np.array([1, 0, 0, 1])[kind]
    return right[ours] - [[0.01, -0.01]], right[theirs]


def promoted_share(n: int, flips: float, better: float, seeds: int, gate: Gate | None = None) -> float:
    """How often the gate promotes a candidate that is better by `better` (worse below 0) on n images."""
    rngs = [np.random.default_rng(seed) for seed in range(seeds)]
    truth, gate = np.zeros(n, np.int64), gate or Gate()
    return float(np.mean([judge(*paired(n, flips, better, rng), truth, gate, rng).promoted for rng in rngs]))


@dataclass(frozen=True, slots=True)
class Promotions:
    """Verdicts by training labels alone: how often the candidate was promoted, and its true gain on average."""

    promoted: float
    true_gain: float


def promotions_on_digits(n: int, candidate: Recipe, champion: Recipe, seeds: int) -> Promotions:
    """The gate on n labelled digits, by ten folds of them: each recipe learns from the first of them that it names."""
    images, truth = load_digits(return_X_y=True)
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    promoted, gains = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(truth))
        known, rest = order[:n], order[n:]
        fits = [recipe.predictor(images, truth, known) for recipe in (candidate, champion)]
        ours, theirs = out_of_fold(np.arange(n), fits[0], fits[1], rng)
        promoted.append(judge(ours, theirs, truth[known], Gate(), rng, sample=Sample.TRAINING).promoted)
        right = [
            recipe.fitted(images, truth, known)(rest).argmax(axis=1) == truth[rest] for recipe in (candidate, champion)
        ]
        gains.append(right[0].mean() - right[1].mean())
    return Promotions(float(np.mean(promoted)), float(np.mean(gains)))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A logistic regression on the first `share` of the labels and the first `pixels` of an image."""

    share: float = 1.0
    pixels: int = 64
    c: float = 30.0

    def predictor(self, images: Vectors, truth: Classes, known: Classes) -> Predictor:
        """What it predicts of some of the known images, fitted on its share without them."""

        def predict(fold: NDArray[np.int64]) -> NDArray[np.float64]:
            mine = np.setdiff1d(np.arange(round(self.share * len(known))), fold)
            return self.fitted(images, truth, known[mine], whole=True)(known[fold])

        return predict

    def fitted(
        self, images: Vectors, truth: Classes, known: Classes, *, whole: bool = False
    ) -> Callable[[Classes], NDArray[np.float64]]:
        """What it predicts of any images, fitted on its share of the known ones, or on all."""
        mine = known if whole else known[: round(self.share * len(known))]
        model = LogisticRegression(C=self.c, max_iter=2_000).fit(images[mine, : self.pixels], truth[mine])

        def predict(rows: Classes) -> NDArray[np.float64]:
            probs = np.zeros((len(rows), 10))
            probs[:, model.classes_] = model.predict_proba(images[rows, : self.pixels])
            return probs

        return predict


def on_collection(size: int, n: int, share: float) -> Replay:
    """The accuracy on a collection of `size` groups, of which `n` were drawn."""
    right = round(share * size)

    def replay(rng: np.random.Generator) -> Drawn:
        return Drawn(finite_share(int(rng.hypergeometric(right, size - right, n)), n, size), right / size)

    return replay


def on_what_is_left(size: int, n: int, shadows: float, of_rest: float, of_shadows: float) -> Replay:
    """The accuracy on what is left of a collection of `size` groups, a quarter of which is the reserve.

    A share `shadows` of the groups is what the strategy asks for: it has asked all of them but those of the reserve,
    which are shadow picks. Of the reserve `n` groups were drawn.
    """

    def replay(rng: np.random.Generator) -> Drawn:
        hard = np.arange(size) < round(shadows * size)
        right = rng.random(size) < np.where(hard, of_shadows, of_rest)
        order = rng.permutation(size)
        reserve = np.zeros(size, bool)
        reserve[order[: size // 4]] = True
        drawn = np.zeros(size, bool)
        drawn[order[:n]] = True
        left = ~drawn & (reserve | ~hard)
        strata = [
            Stratum(int((right & drawn & kind).sum()), int((drawn & kind).sum()), int((left & kind).sum()))
            for kind in (~hard, hard)
        ]
        truth, all_left = float(right[left].mean()), int(left.sum())
        uniform = share_of_what_is_left([Stratum(int(rng.binomial(n, truth)), n, all_left)])
        return Drawn(share_of_what_is_left(strata), truth, uniform.upper - uniform.lower)

    return replay


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`old` groups of which `n` were drawn, then `new` ones of which `m` were, and how often each part is right."""

    old: int
    n: int
    new: int
    m: int
    of_old: float
    of_new: float


def on_arrivals(of: Arrivals, *, everything: bool) -> Replay:
    """The accuracy on newcomers, or on everything, while the stream draws the newcomers that stand under its cursor.

    The width is held against that of a uniform sample: of the newcomers as many as were drawn; of everything so many as
    tell as much as both parts, each weighed by its numbers.
    """
    size, shares = of.old + of.new, np.array([of.old, of.new]) / (of.old + of.new)
    as_many = of.m if not everything else round(1 / float((shares**2 / [of.n, of.m]).sum()))

    def replay(rng: np.random.Generator) -> Drawn:
        ids, positions = np.arange(1, size + 1), rng.random(size)
        late = ids > of.old
        right = rng.random(size) < np.where(late, of.of_new, of.of_old)
        drawn = np.zeros(size, bool)
        drawn[np.flatnonzero(~late)[np.argsort(positions[~late])[: of.n]]] = True
        drawn[np.flatnonzero(late)[np.argsort(positions[late])[: of.m]]] = True
        found = cohorts(Order(ids, positions, drawn, drawn), 1.0, [of.old], size)
        ends = [0, *(one.until for one in found)]
        strata = [
            Stratum(int(right[one.groups - 1].sum()), len(one.groups), one.until - begin - len(one.groups))
            for begin, one in zip(ends, found, strict=False)
        ]
        shown = share_of_cohorts(strata if everything else strata[1:])
        truth = float(right.mean() if everything else right[late].mean())
        uniform = finite_share(int(rng.binomial(as_many, truth)), as_many, size if everything else of.new)
        return Drawn(shown, truth, uniform.upper - uniform.lower)

    return replay


def of_arrivals() -> dict[str, Replay]:
    """The replays of newcomers and of everything, by name."""
    cells = [
        Arrivals(old, n, new, m, of_old, of_new)
        for old, n, new, m in ((1_000, 100, 10_000, 40), (400, 60, 800, 60), (1_200, 200, 500, 30))
        for of_old, of_new in ((0.95, 0.7), (0.8, 0.95), (0.9, 0.9))
    ]
    return {
        f"accuracy on {what}, {one.n} of {one.old} and {one.m} of {one.new}, {one.of_old} and {one.of_new}": replay
        for one in cells
        for what, replay in (
            ("newcomers", on_arrivals(one, everything=False)),
            ("everything", on_arrivals(one, everything=True)),
        )
    }


def share_of_wrong_labels(labels: int, m: int, wrong: float, erring: float) -> Replay:
    """The share of wrong labels of ten classes from m re-reviews by people who err in a share `erring`.

    A wrong label is more suspicious than a right one in nine of ten pairs. Where a re-review differs a lead decides.
    """

    def replay(rng: np.random.Generator) -> Drawn:
        truth = np.arange(labels) % 10
        bad = rng.permutation(labels) < round(wrong * labels)
        given = np.where(bad, (truth + rng.integers(1, 10, labels)) % 10, truth)
        plan = plan_re_reviews(rng.normal(size=labels) + 1.8 * bad, m, rng.permutation(labels))
        slips = rng.random(labels) < erring
        said = np.where(slips, (truth + rng.integers(1, 10, labels)) % 10, truth)

        def outcomes(positions: Classes) -> list[Outcome]:
            return [Outcome.WRONG if said[at] != given[at] and bad[at] else Outcome.UPHELD for at in positions]

        found = wrong_labels(outcomes(plan.suspicious), outcomes(plan.uniform), labels)
        assert found is not None
        uniform = finite_share(int(bad[rng.permutation(labels)[:m]].sum()), m, labels)
        return Drawn(found.share, float(bad.mean()), uniform.upper - uniform.lower)

    return replay


def arm_on_digits(n: int, pixels: int) -> Replay:
    """The random arm of n labelled digits by class means; the truth is the mean over many random samples of .9 n."""
    images, truth = load_digits(return_X_y=True)
    images = images[:, 20 : 20 + pixels]
    everyone = np.arange(len(truth))

    def of(rows: Classes) -> Fit:
        def fit(taught: Classes) -> Callable[[Classes], Classes]:
            classes = np.unique(truth[rows[taught]])
            means = np.array([images[rows[taught]][truth[rows[taught]] == one].mean(axis=0) for one in classes])
            lengths = (means**2).sum(axis=1)
            return lambda some: classes[(images[rows[some]] @ means.T - lengths / 2).argmax(axis=1)]

        return fit

    def once(rng: np.random.Generator) -> float:
        taught = rng.permutation(everyone)[: round(0.9 * n)]
        rest = np.setdiff1d(everyone, taught)
        return float((of(everyone)(taught)(rest) == truth[rest]).mean())

    reached = float(np.mean([once(np.random.default_rng(seed)) for seed in range(200)]))

    def replay(rng: np.random.Generator) -> Drawn:
        rows = rng.permutation(everyone)[:n]
        arm = random_arm(of(rows), truth[rows], np.arange(n), rng)
        assert arm.accuracy is not None
        uniform = finite_share(int(rng.binomial(n, reached)), n, len(truth))
        return Drawn(arm.accuracy, reached, uniform.upper - uniform.lower)

    return replay


def saved(n: int, ratio: float, alike: float) -> Replay:
    """The savings, where a chosen label is worth `ratio` random ones; a share `alike` of the outcomes is by image.

    With m random labels an image is right with a chance of 1 - 1.5 / sqrt(m).
    """
    chosen = np.array([20, 40, 60, 80, 100, 140, 200])

    def replay(rng: np.random.Generator) -> Drawn:
        hard, by_image = rng.random(n), rng.random((len(chosen), n)) < alike
        accuracy = np.clip(1 - 1.5 / np.sqrt(ratio * chosen), 0, 1)[:, None]
        right = np.where(by_image, hard < accuracy, rng.random((len(chosen), n)) < accuracy)
        of_arm = 1 - 1.5 / math.sqrt(90)
        outcomes = np.asarray(alike * (hard < of_arm) + (1 - alike) * of_arm, np.float64)
        arm = Arm(90, outcomes, Estimate(of_arm, 0, 1, n))
        found = savings(arm, chosen, right, np.arange(n), rng)
        shown = Estimate(0.0, 0.0, math.inf, n) if found is None else Estimate(found.ratio, found.lower, found.upper, n)
        return Drawn(shown, ratio)

    return replay


REPLAYS: Mapping[str, Replay] = {
    **{f"random arm, {n} digits, {pixels} pixels": arm_on_digits(n, pixels) for n in (40, 100) for pixels in (8, 40)},
    **{
        f"savings, {n} images, {ratio:g} times, {alike:g} alike": saved(n, ratio, alike)
        for n in (40, 100, 300)
        for ratio, alike in ((1.0, 0.8), (2.0, 0.8), (2.0, 0.3))
    },
    **{
        f"calibration error, n {n}, T {temperature:g}": calibration(n, temperature)
        for n in (40, 100, 300)
        for temperature in (1.0, 1.5, 3.0)
    },
    **{
        f"gain, n {n}, {flips:g} differ, {better:+g}": gain(n, flips, better)
        for n in (30, 60, 100, 300)
        for flips, better in ((0.02, 0.0), (0.06, 0.02), (0.2, 0.0), (0.2, 0.1), (0.2, -0.05))
    },
    **{
        f"accuracy on the collection, {n} of {size}, {share:g} right": on_collection(size, n, share)
        for size, n in ((60, 30), (528, 40), (528, 100), (5_000, 300))
        for share in (0.8, 0.95, 1.0)
    },
    **{
        f"accuracy on what is left, {n} of {size}, {hard:g} hard, {rest:g} and {worse:g} right": on_what_is_left(
            size, n, hard, rest, worse
        )
        for size, n in ((400, 40), (1_200, 100), (5_000, 300))
        for hard, rest, worse in (
            (0.1, 0.95, 0.6),
            (0.3, 0.99, 0.7),
            (0.3, 0.85, 0.85),
            (0.05, 1.0, 0.5),
            (0.0, 0.9, 0.9),
        )
    },
    **of_arrivals(),
    **{
        f"share of wrong labels, {m} of {labels}, {wrong:g} wrong, {erring:g} err": share_of_wrong_labels(
            labels, m, wrong, erring
        )
        for labels in (300, 1_000)
        for m in (30, 60, 100)
        for wrong, erring in ((0.0, 0.1), (0.043, 0.0), (0.043, 0.1), (0.1, 0.05), (0.2, 0.2))
    },
}


def main() -> None:
    """Replay every figure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="", help="the beginning of the names to replay")
    options = parser.parse_args()
    lines, targets = [], dict[str, Target]()
    for name, replay in REPLAYS.items():
        if not name.startswith(options.only):
            continue
        found = replayed(replay, options.seeds)
        lines.append({"figure": name, **{key: getattr(found, key) for key in Summary.__slots__}})
        targets[f"{name}: coverage"] = at_least(found.coverage, COVERS)
        targets[f"{name}: mean error"] = at_most(found.error_ratio, ERROR_RATIO)
        if found.width_ratio is not None:
            targets[f"{name}: width ratio"] = at_most(found.width_ratio, WIDTH_RATIO)
    emit("numbers", targets, lines)


if __name__ == "__main__":
    main()
