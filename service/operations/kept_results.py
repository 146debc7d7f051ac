"""What was learnt, predicted, frozen and released, for `doctor --deep`: each file by the hash that its row holds.

In: where everything lies. Out: the things, each with its check. Predictions are made anew by the worker, a snapshot's
file from the labels; models and releases are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from db.repositories.deletions import deletions
from db.repositories.deletions.deletions import Elsewhere
from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.repositories.projects import projects
from db.repositories.versions import predictions, versions
from db.repositories.versions.versions import Version
from db.session import reading, transaction
from labeling.adapters.storage.prediction_files import read_predictions
from labeling.errors import Conflict, NotFound
from labeling.jobs import JobName, Trigger
from labeling.project import Project
from service.labels.snapshots import rebuild, verify
from service.operations.kept import Ground, Kept, Listing
from service.release.files import read_file
from service.work.pool.saved_versions import check_files

__all__ = ["models", "predicted", "released", "snapshots_of"]

AT_ONCE = 500


def models(ground: Ground) -> Listing:
    """The weights and the card of every version."""
    things = []
    for project, version in _versions(ground):
        name = project.config.name
        way_out = (
            f"restore {ground.home / version.path} from a backup; else `hardcase learn {name}` makes a new version"
            + (f", and `hardcase rollback {name} --reason damaged` uses the one before" if version.number > 1 else "")
        )
        check = partial(check_files, ground.home, version)
        things.append(Kept(f"{name}: version {version.number}", check, way_out))
    return Listing(len(things), things)


def predicted(ground: Ground) -> Listing:
    """What versions predict of the whole pool."""
    way_out = "`hardcase doctor --deep --repair` removes it, and the worker predicts again"
    found = [(project, one) for project, one in _versions(ground) if _has_file(ground, one)]
    things = (
        Kept(
            f"{project.config.name}: version {one.number}",
            partial(_check_predictions, ground, one),
            way_out,
            partial(_predict_again, ground, project, one),
            gone_when_mended=True,
        )
        for project, one in found
    )
    return Listing(len(found), things)


def snapshots_of(ground: Ground) -> Listing:
    """The file of every snapshot, and the labels that it is a copy of."""
    found = list(_snapshots(ground))

    def act(do: Callable[..., Snapshot], project: Project, one: Snapshot) -> None:
        with suppress(Conflict, NotFound):  # a deletion is taking labels out of it, or has removed it
            do(ground.database, ground.home, project, one)

    way_out = "`hardcase doctor --deep --repair` writes it from the labels; where these differ, restore the database"
    return Listing(
        len(found),
        (
            Kept(_named(project, one), partial(act, verify, project, one), way_out, partial(act, rebuild, project, one))
            for project, one in found
        ),
    )


def released(ground: Ground) -> Listing:
    """The files of every release."""
    found = [(project, one) for project, one in _snapshots(ground) if one.released]

    def check(project: Project, one: Snapshot) -> None:
        with reading(ground.database) as session:
            now = snapshots.by_id(session, project.id, one.id)
            withdrawing = deletions.is_left(session, Elsewhere.SNAPSHOT, str(one.id))
        if now is None or withdrawing:
            return
        for name in now.report["files"]:
            read_file(ground.home, project, now, name)

    way_out = "restore the home's `releases` from a backup, or from where the release was sent"
    return Listing(len(found), (Kept(_named(p, one), partial(check, p, one), way_out) for p, one in found))


def _versions(ground: Ground) -> list[tuple[Project, Version]]:
    with reading(ground.database) as session:
        everyone = projects.everyone(session)
        return [(project, one) for project in everyone for one in versions.everyone(session, project.id)]


def _snapshots(ground: Ground) -> Iterator[tuple[Project, Snapshot]]:
    with reading(ground.database) as session:
        for project in projects.everyone(session):
            part = snapshots.listing(session, project.id, after=None, limit=AT_ONCE)
            yield from ((project, one) for one in part.items)
            while part.next_after is not None:
                part = snapshots.listing(session, project.id, after=part.next_after, limit=AT_ONCE)
                yield from ((project, one) for one in part.items)


def _named(project: Project, one: Snapshot) -> str:
    return f"{project.config.name}: {one.name}"


def _has_file(ground: Ground, version: Version) -> bool:
    with reading(ground.database) as session:
        return predictions.prediction_file(session, version.id) is not None


def _check_predictions(ground: Ground, version: Version) -> None:
    """By the row as it is now: the worker may have predicted again."""
    with reading(ground.database) as session:
        file = predictions.prediction_file(session, version.id)
    if file is not None:
        read_predictions(ground.home, file.path, file.sha256)


def _predict_again(ground: Ground, project: Project, version: Version) -> None:
    with transaction(ground.database) as session:
        file = predictions.prediction_file(session, version.id)
        predictions.forget_prediction_file(session, version.id)
        ground.parts.jobs.ask(session, JobName.PROMOTE, project.id, Trigger.HAND)
    if file is not None:
        (ground.home / file.path).unlink(missing_ok=True)
