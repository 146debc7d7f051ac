"""`hardcase models`: the versions of a project, one of them, two beside each other; and putting one in use by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from db.repositories.people import audit
from db.session import reading, transaction
from service.cli import work
from service.cli.loaded import loaded
from service.cli.output import AsJson, ProjectName, author, emit, in_project, table
from service.projects.version_comparison import MOST_IMAGES, VersionComparison, sentence, two_versions
from service.projects.versions import Card, ListedVersion, OneVerdict, Recall, ShownVersion, listed, shown

app = typer.Typer(no_args_is_help=True)
NONE = "not yet known"
HASH_SHOWN = 16


def _in_group(command: Callable[..., None]) -> str:
    """The help of a command that is also one of this group, with an example that is typed so."""
    return (inspect.getdoc(command) or "").replace("Example: hardcase ", "Example: hardcase models ")


@app.command("list")
def list_(project: ProjectName, as_json: AsJson = False) -> None:
    """List the versions: what made each, the verdict with what it rests on, and the gain with its interval.

    Example: hardcase models list animals
    """
    with in_project(as_json, project) as (hardcase, found):
        versions = hardcase.read(listed, found)
        names = ["no.", "when", "trigger", "labels", "verdict", "on", "gain, points"]
        shown = table(f"versions of {found.config.name}", names, [_row(one) for one in versions])
        words = [shown, "* the champion"] if versions else ["There is no version yet. `hardcase learn` fits one."]
        emit(as_json, {"versions": msgspec.to_builtins(versions)}, *words)


@app.command()
def show(
    project: ProjectName,
    number: Annotated[int, typer.Argument(metavar="N", help="The version's number.")],
    as_json: AsJson = False,
) -> None:
    """Show one version: its card, the verdicts with reasons and power, and what is known of how right it is.

    Example: hardcase models show animals 3
    """
    with in_project(as_json, project) as (hardcase, found):
        version = hardcase.read(shown, hardcase.settings.home, found, number)
        emit(as_json, msgspec.to_builtins(version), *_lines(version))


@app.command()
def compare(
    project: ProjectName,
    first: Annotated[int | None, typer.Argument(metavar="A", help="A version; default: the newest.")] = None,
    second: Annotated[int | None, typer.Argument(metavar="B", help="Another; default: the champion.")] = None,
    limit: Annotated[int, typer.Option(min=0, max=MOST_IMAGES, help="At most so many images.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Compare two versions: a paired test, and the images of which they say different classes.

    Example: hardcase models compare animals 3 2
    """
    from service.work.promote.compare import compare as compare_versions
    from service.work.promote.compare import keep

    with loaded(as_json, project) as (parts, found):
        with reading(parts.database) as session:
            pair = two_versions(session, found.id, first, second)
        made = compare_versions(parts, found, *pair, limit=limit)
        document = msgspec.to_builtins(made)
        kept = keep(parts, found, pair, document, author())
        with transaction(parts.database) as session:
            detail, now = {"report": kept, "versions": list(pair)}, datetime.now(UTC)
            audit.record(session, author(), "models.compare", found.config.name, detail, now, found.id)
        emit(as_json, {"report": kept, **document}, *_comparison(made))


app.command(help=_in_group(work.promote))(work.promote)
app.command(help=_in_group(work.rollback))(work.rollback)


def _row(one: ListedVersion) -> tuple[str, ...]:
    """Its cells, broken where 80 columns want it."""
    verdict = f"{one.verdict}\nby hand" if one.by_hand else one.verdict
    mark = f"{one.number}{' *' if one.champion else ''}"
    when = f"{one.at:%Y-%m-%d\n%H:%M}"
    return (mark, when, one.trigger, str(one.labels), verdict, _basis(one.measured), _gain(one.measured))


def _basis(one: OneVerdict | None) -> str:
    if one is None:
        return ""
    return f"{one.images}\n{'random' if 'random stream' in one.basis else 'training'}"


def _gain(one: OneVerdict | None) -> str:
    if one is None or one.gain is None or one.lower is None or one.upper is None:
        return NONE
    return f"{100 * one.gain:+.1f}\n[{100 * one.lower:+.1f}, {100 * one.upper:+.1f}]"


def _lines(version: ShownVersion) -> Iterator[Table | str]:
    one = version.listed
    yield f"Version {one.number}{', the champion' if one.champion else ''}, {one.at:%Y-%m-%d %H:%M}, {one.trigger}"
    yield table("card", ["", ""], _card(version, version.card)) if version.card else version.damage
    yield table("labels that it was trained on", ["class", "labels"], version.labels_by_class.items())
    if version.without_examples:
        yield f"Without an example, so practically never predicted: {', '.join(version.without_examples)}."
    if version.left_out:
        yield f"{version.left_out} labels could not be used; the card says why."
    yield version.withheld or f"Accuracy on the collection: {_accuracy(version)}."
    if version.recall:
        rows = [(one.label, f"{one.right} of {one.of}", _interval(one)) for one in version.recall]
        yield table("right on the random stream", ["class", "images", "95 % interval"], rows)
    for verdict in version.verdicts:
        against = f" against version {verdict.against}" if verdict.against else ""
        yield f"{verdict.at:%Y-%m-%d %H:%M} {verdict.verdict}{against}, by {verdict.by}: {' '.join(verdict.reasons)}"
    if not version.verdicts:
        yield "It was not judged yet."


def _card(version: ShownVersion, card: Card) -> Iterator[tuple[str, str]]:
    calibrated = f"{version.calibration_labels} labels of the random stream" if card.calibrated else "not calibrated"
    yield "labels", ", ".join(card.classes)
    yield "head, fusion", f"{card.head}, {card.fusion}"
    yield "temperature", f"{card.temperature:.3g} ({calibrated})"
    yield "engine revision", card.engine_revision
    yield "encoders", ", ".join(filter(None, (card.image_encoder, card.text_encoder)))
    yield "training labels", f"{version.listed.labels}, hash {card.snapshot_hash[:HASH_SHOWN]}"
    yield "code", card.code_version


def _interval(one: Recall) -> str:
    return NONE if one.lower is None or one.upper is None else f"{one.lower:.3f} to {one.upper:.3f}"


def _accuracy(version: ShownVersion) -> str:
    one = version.accuracy
    if one.value is None or one.lower is None or one.upper is None:
        return f"{NONE} on {one.n}"
    return f"{one.value:.3f} [{one.lower:.3f}, {one.upper:.3f}] on {one.n} images of the random stream"


def _comparison(made: VersionComparison) -> Iterator[Table | str]:
    yield sentence(made)
    if made.test is not None and made.test.slips is not None:
        yield _power(made.test.passes, made.test.fails, made.test.slips)
    yield f"Of {made.pool} images that both predict they say different classes of {made.flipped}."
    if made.flips:
        rows = [(one.before, one.after, one.images) for one in made.flips[:MOST_IMAGES]]
        yield table("what changes", [f"version {made.second}", f"version {made.first}", "images"], rows)
    if made.images:
        images = [
            (
                one.image_id,
                f"{one.before} ({one.before_probability:.2f})",
                f"{one.after} ({one.after_probability:.2f})",
            )
            for one in made.images
        ]
        yield table("the surest of both", ["image", f"version {made.second}", f"version {made.first}"], images)
    if made.unlisted:
        yield f"{made.unlisted} more are kept for measuring and are not named: a certificate is to be tried."


def _power(passes: float | None, fails: float | None, slips: float) -> str:
    better = "no version passes so often" if passes is None else f"one that is {100 * passes:.1f} points better passes"
    worse = "none is refused so often" if fails is None else f"one that is {100 * fails:.1f} points worse is refused"
    if fails == 0:
        worse = "one that is as good is refused as often"
    slipped = f"One that is two points worse passes in {100 * slips:.0f} of 100."
    return f"What this could have detected, in 80 of 100 such samples: {better}, {worse}. {slipped}"
