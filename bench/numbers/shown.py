"""The registry of shown figures: for each field that holds an estimate the replay of its interval, or why it has none.

A new figure adds a line here: in `REPLAYED` the beginning of the names of its replays, up to the first comma; else in
`COUNTED` (a count, a setting, a score: nothing is estimated) or, as the last resort, in `BARE` (an estimate that is
shown without an interval), with the reason. A test fails for a field that stands in none of them.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BARE", "COUNTED", "REPLAYED"]

_GATE = {"gain": "gain", "interval": "gain", "stream": "gain", "lower": "lower bound of a verdict"}
_TEAM = {
    "Person.accepted_wrong": "wrong pre-labels kept",
    "Person.agreement": "says what most say",
    "Person.anchoring": "anchoring of a person",
    "Team.anchoring": "anchoring of the team",
    "Person.blind_error": "wrong where none was shown",
    "Person.cannot_tell": "cannot tell",
    "Person.gold": "right on gold",
    "Person.quick_copies": "quick copies",
    "Sessions.early": "right early in a session",
    "Sessions.late": "right late in a session",
    "Sessions.change": "late minus early",
    "OneClass.right": "right on a class",
}

REPLAYED: Mapping[str, str] = {
    "accuracy.OneVersion": "accuracy of a version",
    "accuracy.Round": "accuracy of a version",
    "accuracy.OneClass": "share of answers",
    "agreement.Among.observed": "observed agreement",
    "agreement.Among.fleiss": "Fleiss' kappa",
    "agreement.Among.alpha": "Krippendorff's alpha",
    "agreement.OneClass.alpha": "alpha of a class",
    "agreement.Pair.same": "observed agreement",
    "agreement.Pair.kappa": "Cohen's kappa",
    "agreement.WithEngine.same": "observed agreement",
    "agreement.WithEngine.kappa": "Cohen's kappa",
    "drift.Canary.changed": "share of answers",
    "drift.Canary.lower": "share of answers",
    "drift.EngineChange.changed": "share of answers",
    "drift.Habit.p_value": "p-value of an annotator's habit",
    "drift.Inputs.separability": "separability of new images",
    **{f"drift.{one}.p_value": "p-value of new images" for one in ("Inputs", "Look")},
    "drift.Prior.p_value": "p-value of the classes",
    "engine_reports.Agreement.same": "share of answers",
    "engine_reports.Plan.hours": "hours of a run",
    "engine_reports.Plan.money_micro": "money of a run",
    "engine_reports.Planned.hours": "hours of a run",
    "engine_reports.Planned.images": "images of a run",
    "engine_reports.Planned.money_micro": "money of a run",
    "engine_reports.Row.accuracy": "accuracy of a version",
    "engine_reports.Row.answered": "share of answers",
    "engine_reports.Row.calibration_error": "calibration error",
    "engine_reports.Row.calibrated_error": "calibration error",
    "engines.Reliability.calibration_error": "calibration error",
    **{f"engines.ReliabilityBin.{end}": "share right in a bin" for end in ("value", "lower", "upper")},
    **{f"judgement.Judgement.{field}": replay for field, replay in _GATE.items()},
    "label_quality.LabelsOfClass.alpha": "alpha of a class",
    "label_quality.LabelsOfClass.recall": "recall of a class",
    **{f"machine_labels.OneThreshold.{end}": "machine labels right" for end in ("precision", "lower", "upper")},
    "random_arm.ArmPoint.accuracy": "random arm",
    "random_arm.OurPoint.accuracy": "accuracy of a version",
    "random_arm.RandomArm.difference": "our accuracy minus random's",
    "random_arm.RandomArm.saved": "savings",
    "random_arm.RandomArm.gain": "gain of the next labels",
    "random_stream.RandomStream.on_collection": "accuracy on the collection",
    "random_stream.RandomStream.on_newcomers": "accuracy on newcomers",
    "random_stream.RandomStream.on_everything": "accuracy on everything",
    "random_stream.RandomStream.on_what_is_left": "accuracy on what is left",
    **{f"team.{field}": replay for field, replay in _TEAM.items()},
    "wrong_labels.ShareOfWrongLabels.share": "share of wrong labels",
    "wrong_labels.ShareOfWrongLabels.given": "share of wrong labels",
    "wrong_labels.ShareOfWrongLabels.at_least": "wrong answers at least",
}

_AGAIN = "shown again: agreement, accuracy, share of wrong labels and gold have their replays"
_SAID = "what a classifier or an engine said of one image: how far it may be believed is the calibration error"
_SCORE = "a score that images are ordered by or compared with a threshold; it claims no rate"
_SETTING = "a setting, or derived from settings alone"
_MEASURED = "measured: the time that answers or images took, of all that there were"
_COUNTED = "counted: a share of all that there are, nothing was drawn"

COUNTED: Mapping[str, str] = {
    "accuracy.Guess.probability": _SAID,
    "accuracy.HardImage.doubt": _SCORE,
    **{f"drift.{one}.level": _SETTING for one in ("Inputs", "Look", "Prior")},
    "drift.Right.right": "counted: the share of somebody's answers; whether it has fallen is what the p-value tells",
    "engine_reports.Likely.probability": _SAID,
    "engine_reports.Said.probability": _SAID,
    "engine_reports.Planned.most_micro": "a price list's bound",
    **{f"engine_reports.{one}.seconds": _MEASURED for one in ("Planned", "Row", "Trial")},
    "engine_stats.RevisionFacts.seconds": _MEASURED,
    "engines.ReliabilityBin.confidence": _SAID,
    "hedged.Evidence.accuracy": "said of the labels themselves: chosen ones, so it is no estimate of the collection",
    "hedged.Evidence.contradicted": "said of the labels themselves: a bound if the classifier errs as it says",
    "hedged.Evidence.most_frequent": _COUNTED,
    "label_errors.Suspect.score": _SCORE,
    "label_quality.Criterion.figure": _AGAIN,
    "label_quality.Criterion.target": _SETTING,
    "machine_labels.OneThreshold.score": _SCORE,
    "machine_labels.Sure.probability": _SAID,
    "machine_labels.Sure.score": _SCORE,
    **{f"next_action.{one}.seconds": _MEASURED for one in ("NextAction", "NextImage", "OneAction")},
    "next_action.NextAction.wage": _SETTING,
    "next_action.NextImage.money": "price: seconds times the wage",
    "next_action.OneAction.money": "price: seconds times the wage",
    "random_stream.RandomStream.share": _SETTING,
    **{f"summary.Measured.{end}": _AGAIN for end in ("value", "lower", "upper")},
    "summary.Person.hours": _MEASURED,
    "team.Found.evidence": "a likelihood ratio of counted answers; `bench.annotators` counts false pauses",
    "team.Found.needed": _SETTING,
    "team.Found.tolerated": _SETTING,
    "team.Person.commonest_share": "counted: the share of the answers that somebody gave",
    "team.Person.usual": "counted: the share of the answers that the others gave",
    **{f"team.Person.per_{unit}": _MEASURED for unit in ("hour", "day")},
    **{f"team.Sessions.{part}_s": _MEASURED for part in ("early", "late")},
    **{f"team.Times.{part}_s": _MEASURED for part in ("lower", "median", "upper")},
    "wrong_labels.ShareOfWrongLabels.width_now": "the width of an interval that is replayed",
    "wrong_labels.ShareOfWrongLabels.width_then": "a plan: about what more re-reviews would tell",
}

_FORECAST = "expected by a model, and called that wherever it is shown; `bench.next_action` holds it against what came"
_BESIDE = "stands beside a share with its interval, and nothing is decided by it"

BARE: Mapping[str, str] = {
    "agreement.Consensus.quality": "the weight that a method gives somebody's answers; the Team page has shares",
    "drift.Moved.before": "of a sample, shown with the p-value of the whole change",
    "drift.Moved.after": "of a sample, shown with the p-value of the whole change",
    "drift.Moved.corrected": "a point estimate beside `after`; a hint where to look",
    **{f"drift.{one}.size": "how large a change is, shown with its p-value" for one in ("Inputs", "Look", "Prior")},
    "drift.Habit.size": "how far a share has fallen, shown with its p-value",
    "engine_reports.Agreement.kappa": _BESIDE,
    "engine_reports.Row.macro_f1": _BESIDE,
    "judgement.Judgement.candidate": "one side of the gain, which has the interval",
    "judgement.Judgement.champion": "one side of the gain, which has the interval",
    **{f"next_action.NextAction.{one}": _FORECAST for one in ("expected_wrong", "label_teaches", "new_answer")},
    "next_action.NextAction.used_error": "the rate that the forecast assumes; its interval held .81, so none is shown",
    **{f"next_action.NextImage.{one}": _FORECAST for one in ("corrects", "wrong_after", "wrong_now")},
    **{f"next_action.OneAction.{one}": _FORECAST for one in ("corrects", "per_hour", "per_money", "teaches")},
    "power.Power.fails": "what a sample of this size could detect, at the share of flips that was seen",
    "power.Power.passes": "what a sample of this size could detect, at the share of flips that was seen",
    "power.Power.slips": "what a sample of this size could detect, at the share of flips that was seen",
    "team.Person.kappa": _BESIDE,
}
