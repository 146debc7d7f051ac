"""Prints the documents of `hardcase engines`: bars, tables, money and time.

In: a document as the reports make it. Out: lines on a console; every cell is data, never markup. A number that is not
known is printed as "not yet known".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from service.cli.output import table

Json = dict[str, Any]
BAR = 40
MOST_CLASSES = 12
UNKNOWN = "not yet known"


def kinds(console: Console, document: Json) -> None:
    """Every kind of engine, then the endpoints."""
    rows = [
        [
            f"{row['name']}:MODEL" if row["model"] else row["name"],
            row["summary"],
            "ready" if row["ready"] else row["way_out"],
            "\n".join(f"{use['project']}: {use['engine']}" for use in row["used"]),
        ]
        for row in document["engines"]
    ]
    console.print(table("engines", ["engine", "what it is", "here", "used by"], rows))
    if document["endpoints"]:
        rows = [
            [one["name"], one["kind"], one["url"], one["price"], "local" if one["local"] else "outside"]
            for one in document["endpoints"]
        ]
        console.print(table("endpoints", ["name", "kind", "address", "price", "where"], rows))


def engine(console: Console, document: Json) -> None:
    """One engine: its settings, its texts, its counts."""
    facts, calibration = document["facts"], document["calibration"]
    rows = [
        ["revision", document["revision"]],
        ["used by this project", "yes" if document["used"] else "no"],
        ["image encoder", document["image_encoder"] or "none"],
        ["text encoder", document["text_encoder"] or "none"],
        ["configuration", document["config_version"]],
        ["calibration", f"{calibration['number']}, on {calibration['labels']} labels" if calibration else "none yet"],
    ]
    if facts:
        rows += [[key.replace("_", " "), facts[key]] for key in ("prelabels", "abstained", "none_of_these", "flagged")]
        rows += [
            ["from the cache", facts["cached"]],
            ["seconds an image", document["seconds"]],
            ["cost", _money(facts["cost_micro"], document["currency"])],
            ["tokens in, out", f"{facts['tokens_in']}, {facts['tokens_out']}"],
        ]
    console.print(table(document["engine"], ["", ""], rows))
    if document["probe"]:
        console.print(table("probe", ["", ""], document["probe"].items()))
    if document["prompts"]:
        texts = [[label, "\n".join(own)] for label, own in document["prompts"].items()]
        console.print(table("texts of each label", ["label", "texts"], texts))


def tried(console: Console, document: Json) -> None:
    """The answer: a bar for each class, then the other parts of the answer."""
    console.print(Text(f"{document['engine']} answers: {document['answer'] or document['outcome']}", style="bold"))
    width = max((len(one["label"]) for one in document["classes"]), default=0)
    for one in document["classes"][:MOST_CLASSES]:
        bar = "█" * round(BAR * one["probability"])
        console.print(Text(f"{one['label']:<{min(width, 40)}} {bar} {one['probability']:.1%}"))
    if len(document["classes"]) > MOST_CLASSES:
        console.print(f"and {len(document['classes']) - MOST_CLASSES} more")
    if not document["classes"]:
        console.print("It gave no probabilities.")
    for name in ("description", "reason", "question", "confidence_from", "revision", "prompt"):
        if document[name]:
            console.print(Text(f"{name.replace('_', ' ')}: {document[name]}"))
    if document["flags"]:
        console.print(Text(f"less reliable: {', '.join(document['flags'])}"))
    took = "from the cache" if document["cached"] else f"{document['seconds']:.3f} s"
    console.print(Text(f"{took}, {_money(document['cost_micro'], document['currency'])}"))


def comparison(console: Console, document: Json) -> None:
    """Figures, agreement, and the images on which the engines differ."""
    rows = [_figures(row, document["currency"]) for row in document["engines"] if not row["error"]]
    columns = ["engine", "images", "accuracy", "macro F1", "calibration error", "calibrated", "abstained", "s/image"]
    console.print(table(f"on {document['images']} labelled images", [*columns, "cost"], rows))
    _remarks(console, document)
    if document["agreement"]:
        rows = [
            [one["first"], one["second"], _known(one["same"], ".1%"), UNKNOWN if one["kappa"] is None else one["kappa"]]
            for one in document["agreement"]
        ]
        console.print(table("how often two agree", ["", "", "same answer", "kappa"], rows))
    if document["differences"]:
        rows = [
            [one["image_id"], one["truth"], "\n".join(f"{said['engine']}: {said['label']}" for said in one["answers"])]
            for one in document["differences"]
        ]
        console.print(table("where they differ", ["image", "people", "engines"], rows))


def plan(console: Console, document: Json) -> None:
    """How many images each engine would process and what that takes, then the sum and the budget."""

    def money(micro: float) -> str:
        return _money(micro, document["currency"])

    rows = [
        [
            row["engine"],
            _range(row["images"], "{:,.0f}".format),
            row["seconds"],
            _range(row["hours"], _hours),
            _range(row["money_micro"], money),
            f"{row['measured']} images",
        ]
        for row in document["engines"]
        if not row["error"]
    ]
    columns = ["engine", "images", "s/image", "time", "cost", "measured on"]
    console.print(table("a run over the project", columns, rows))
    _remarks(console, document)
    console.print(f"in all: {_range(document['money_micro'], money)}, {_range(document['hours'], _hours)}")
    if document["budget"]:
        left = money(document["budget"]["left_micro"])
        console.print(f"left of the budget: {left}; is it enough? {document['budget']['enough']}")


def probe(console: Console, document: Json) -> None:
    """The abilities of a model."""
    found = document["abilities"]
    rows = [[name.replace("_", " "), value] for name, value in found.items() if name not in ("cut", "settings")]
    console.print(table(f"{document['endpoint']}/{document['model']}", ["ability", ""], rows))
    if cut := found.get("cut"):
        console.print(
            Text(
                f"The token limit cut the answer about: {cut.replace('_', ' ')}. Raise `max_tokens` of the endpoint in "
                "endpoints.yaml, and probe again."
            )
        )


def _remarks(console: Console, document: Json) -> None:
    """The errors and notes of the engines."""
    for row in document["engines"]:
        if row["error"] or row.get("note"):
            console.print(Text(f"{row['engine']}: {row['error'] or row['note']}"))


def _figures(row: Json, currency: str) -> list[object]:
    return [
        f"{row['engine']} ({row['revision']})" if row["engine"] == "champion" else row["engine"],
        row["accuracy"]["n"],
        _known(row["accuracy"], ".1%"),
        UNKNOWN if row["macro_f1"] is None else f"{row['macro_f1']:.3f}",
        _known(row["calibration_error"], ".3f"),
        _known(row["calibrated_error"], ".3f"),
        row["abstained"],
        row["seconds"],
        _money(row.get("cost_micro", 0), currency),
    ]


def _known(found: Json | None, form: str) -> str:
    """A number with its interval, in this format."""
    if found is None:
        return "no calibration"
    if not found["known"]:
        return f"{UNKNOWN} ({found['n']})"
    value, lower, upper = (format(found[name], form) for name in ("value", "lower", "upper"))
    return f"{value} ({lower} to {upper})"


def _range(found: Json, unit: Callable[[float], str]) -> str:
    """`likely (lower to upper)`."""
    if found["upper"] is None:
        return UNKNOWN
    if found["lower"] == found["upper"]:
        return unit(found["upper"])
    likely = "" if found["likely"] is None else f"{unit(found['likely'])} "
    return f"{likely}({unit(found['lower'])} to {unit(found['upper'])})"


def _money(micro: float, currency: str) -> str:
    return "free" if not micro else f"{micro / 1e6:,.4f} {currency}"


def _hours(hours: float) -> str:
    seconds = hours * 3_600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{hours:.1f} h"
