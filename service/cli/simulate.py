"""`hardcase simulate`: strategies played again on labels that are there already."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from service.cli.loaded import loaded
from service.cli.output import AsJson, emit, failing_clearly, progress, table
from service.plugins import STRATEGIES, check_name, names_of
from service.settings import load_settings

if TYPE_CHECKING:
    from service.work.select.simulation import Known, Simulation

SHOWN = 6
"""Columns that a terminal of 80 characters has room for, beside the longest name."""


def simulate(
    source: Annotated[
        str, typer.Option("--from", help="A project, or a folder that holds one folder of images for each class.")
    ],
    strategies: Annotated[
        str, typer.Option(help="Names with commas between them; by default all that are installed.")
    ] = "",
    query_size: Annotated[int, typer.Option(min=1, max=5_000, help="Images of a query.")] = 50,
    most: Annotated[int, typer.Option(min=2, max=5_000, help="Labels at the end, at most.")] = 300,
    splits: Annotated[int, typer.Option(min=1, max=100, help="How often the images are divided anew.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Play strategies again on labels that are there already, and compare them with a random sample.

    Nothing is changed, and no label of the random stream is read.

    Example: hardcase simulate --from animals --strategies margin,badge,typical
    """
    from service.work.select.simulation import simulate as play

    with failing_clearly(as_json):
        wanted = [check_name(STRATEGIES, name.strip()) for name in strategies.split(",") if name.strip()]
        wanted = wanted or names_of(STRATEGIES)
        known, head, seed = _known(as_json, source)
        with progress("playing", as_json) as bar:
            bar.expect(splits * len({*wanted, "random"}))
            terms = {"query_size": query_size, "most": most, "splits": splits, "seed": seed}
            found = play(known, wanted, head, **terms, done=bar.tick)
    emit(as_json, msgspec.to_builtins(found), *_lines(found))


def _known(as_json: bool, source: str) -> tuple[Known, str, int]:
    """Images and classes, the head that is fitted, and the seed."""
    from service.work.select.simulation import known_in, known_of

    if Path(source).is_dir():
        from service.demo.images import prepare_images

        with tempfile.TemporaryDirectory(prefix="hardcase-simulate") as home:
            images = prepare_images(source, Path(home))
            files = {images.folder / name: label for name, label in images.truth.items()}
            with progress("reading images", as_json) as bar:
                bar.expect(len(files))
                return known_in(files, load_settings(), bar.tick), "logistic", 0
    with loaded(as_json, source) as (parts, found):
        policy = found.config.policy
        return known_of(parts, found), policy.head, policy.seed


def _lines(found: Simulation) -> Iterator[Table | str]:
    yield f"{found.images} images of {found.classes} classes, {found.splits} splits, up to {found.labels[-1]} labels."
    step = max(1, -(-len(found.labels) // SHOWN))
    at = range(len(found.labels) - 1, -1, -step)[::-1]
    columns = ["strategy", "over random", *(str(found.labels[i]) for i in at)]
    ordered = sorted(found.gains, key=lambda gain: -gain.points)
    rows = [
        [gain.strategy, _points(gain.points, gain.spread), *(f"{gain.accuracy[i]:.3f}" for i in at)] for gain in ordered
    ]
    yield table("Accuracy by number of labels", columns, rows)
    yield "Over random: points, on average over all numbers of labels, ± how much it depends on the split."


def _points(points: float, spread: float | None) -> str:
    return f"{points:+.1f}" if spread is None else f"{points:+.1f} ± {spread:.1f}"
