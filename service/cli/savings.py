"""`hardcase savings`: what choosing saves, what more labels would add, and when to stop."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from service.cli.output import AsJson, ProjectName, emit, in_project
from service.figures.estimates import Known
from service.labels.certificates import Certificates, read_certificates
from service.projects.savings import NOT_COUNTED, Savings, savings_of


def savings(project: ProjectName, as_json: AsJson = False) -> None:
    """Show what choosing the images saves, what the next labels would add, and when to stop.

    Example: hardcase savings animals
    """
    with in_project(as_json, project) as (hardcase, found):
        document = hardcase.read(savings_of, found, datetime.now(UTC))
        promised = hardcase.read(read_certificates, found)
        emit(as_json, msgspec.to_builtins(document), *_lines(document), *_promise(promised, document))


def _promise(state: Certificates, found: Savings) -> list[str]:
    if state.terms is None or state.due is None:
        return []
    ahead = found.next_attempt.words if found.next_attempt else NOT_COUNTED
    return [f"Certificate: {state.sentence}", state.due.words, *([f"Next attempt: {ahead}"] if state.due.size else [])]


def _lines(found: Savings) -> list[str]:
    lines = [
        f"Answers: {found.answers} in {found.hours:.1f} hours, {found.measuring} of them for measuring.",
        f"Random labels for each chosen one, at the same accuracy: {_ratio(found.saved)}.",
        found.saved_in_words,
        f"Accuracy on the collection: {_share(found.accuracy)}.",
        f"The next {found.more} labels are expected to add: {_points(found.gain)}.",
    ]
    lines += [f"Stop, {rule.key}: {rule.words}: {'holds' if rule.holds else 'not yet'}." for rule in found.rules]
    if found.stopped_by is not None:
        lines.append("People are asked no more; `hardcase select` with --force asks all the same.")
    elif not found.rules:
        lines.append("No rule stops it: `policy.stop` sets some.")
    return lines


def _ratio(one: Known) -> str:
    if one.value is None or one.lower is None:
        return "not yet known"
    return f"{one.value:.2f} [{one.lower:.2f}, {'no bound' if one.upper is None else f'{one.upper:.2f}'}]"


def _share(one: Known) -> str:
    if one.value is None or one.lower is None or one.upper is None:
        return "not yet known"
    return f"{one.value:.3f} [{one.lower:.3f}, {one.upper:.3f}] on {one.n}"


def _points(one: Known) -> str:
    if one.value is None or one.lower is None or one.upper is None:
        return "not yet known (40 answers of the random stream and three versions are needed)"
    return f"{100 * one.value:+.1f} points [{100 * one.lower:+.1f}, {100 * one.upper:+.1f}]"
