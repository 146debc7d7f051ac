"""What a deletion takes out of a release: its rows and small pictures go, and the release says so.

In: a released snapshot whose labels are fewer now. Out: its folder written anew: the same figures, as they were
released, and the labels and pictures that are left. The hashes of the first files are kept beside those of now.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from db.repositories.labels import snapshots
from db.repositories.labels.snapshots import Snapshot
from db.session import reading, transaction
from labeling.adapters.storage.atomic_files import place_folder
from labeling.adapters.storage.image_store import ImageStore
from labeling.project import Project
from service.exporting.formats.tables import write_parquet
from service.exporting.label_set import LabelSet, open_label_set
from service.labels.snapshots import entries
from service.release.files import FIGURES, LABELS, MANIFEST, PAGE, folder_of
from service.release.page import Order, Withdrawn, render
from service.release.release import LEFT, hash_of, manifest, staged_folder
from service.release.samples import Samples

FIRST_FILES = "first_files"
"""In the report of a release: the hashes of its files as they were released."""


def withdraw_from_release(
    database: sa.Engine, home: Path, images: ImageStore, project: Project, snapshot: Snapshot
) -> None:
    """Write the folder of a release without what was withdrawn; the snapshot's own file is written already.

    A file of it that is gone or was changed is made from what is left, or left out where that cannot be.
    """
    gone = _withdrawn(database, snapshot)
    if gone is None:
        return
    labels = open_label_set(database, project, images, snapshot, lambda: None)
    place = folder_of(home, project, snapshot.name)
    with staged_folder(place) as staged:
        _fill(staged, place, home, labels, snapshot, gone)
        _place(database, staged, place, project, snapshot, gone)


def _withdrawn(database: sa.Engine, snapshot: Snapshot) -> Withdrawn | None:
    """What was withdrawn since it was released; None where that is nothing."""
    gone = snapshot.report.get(LEFT, snapshot.labels) - snapshot.left
    if not gone:
        return None
    with reading(database) as session:
        found = snapshots.withdrawals(session, snapshot.id)
    return Withdrawn(gone, found[-1][1], snapshot.state)


def _place(
    database: sa.Engine, staged: Path, place: Path, project: Project, snapshot: Snapshot, gone: Withdrawn | None
) -> None:
    """Write the manifest of what is staged, note the files, and put them in the place of those before."""
    withdrawn = gone and {"labels": gone.labels, "until": gone.at.isoformat(), "labels_hash": gone.hash}
    more = {"withdrawn": withdrawn} if withdrawn else {}
    (staged / MANIFEST).write_bytes(manifest(staged, project.config.name, snapshot, _order(snapshot), **more))
    files = {path.name: hash_of(path) for path in sorted(staged.iterdir())}
    first = snapshot.report.get(FIRST_FILES, snapshot.report["files"])
    with transaction(database) as session:
        snapshots.replace_report(session, snapshot.id, {**snapshot.report, "files": files, FIRST_FILES: first})
        place_folder(staged, place)


def _order(snapshot: Snapshot) -> Order:
    """Who released it, and when."""
    report = snapshot.report
    return Order(snapshot.name, report["author"], report["note"], datetime.fromisoformat(report["at"]))


def _fill(staged: Path, place: Path, home: Path, labels: LabelSet, snapshot: Snapshot, gone: Withdrawn) -> None:
    samples = Samples()
    for record in labels.records():
        samples.add(record)
    _write_labels(place / LABELS, staged / LABELS, home, labels, snapshot)
    figures = place / FIGURES
    if _is_as_released(figures, snapshot):
        (staged / FIGURES).write_bytes(figures.read_bytes())
        name, found = labels.project.config.name, json.loads(figures.read_bytes())
        page = render(name, _order(snapshot), found, samples.draw(labels), gone)
        (staged / PAGE).write_text(page, encoding="utf-8")


def _write_labels(before: Path, to: Path, home: Path, labels: LabelSet, snapshot: Snapshot) -> None:
    """The released rows that are left, as they were released."""
    if not _is_as_released(before, snapshot):
        write_parquet(labels, to)
        return
    left = pa.array([entry.content_hash for entry in entries(home, snapshot)], pa.string())
    with pq.ParquetFile(before) as rows, pq.ParquetWriter(to, rows.schema_arrow, compression="zstd") as writer:
        for batch in rows.iter_batches():
            writer.write_batch(batch.filter(pc.is_in(batch.column("content_hash"), value_set=left)))


def _is_as_released(path: Path, snapshot: Snapshot) -> bool:
    return path.exists() and hash_of(path) == snapshot.report["files"].get(path.name)


def rename_in_release(
    database: sa.Engine, home: Path, images: ImageStore, project: Project, snapshot: Snapshot, name: str, to: str
) -> None:
    """Put `to` in place of an annotator's name in the labels of a release, where names were exported.

    A file of it that was changed, or that a kill left without its hash, is made anew or left out as in a withdrawal.
    """
    place = folder_of(home, project, snapshot.name)
    if not (place / LABELS).exists():
        return
    with staged_folder(place) as staged:
        sound = _is_as_released(place / LABELS, snapshot)
        if not sound:
            write_parquet(open_label_set(database, project, images, snapshot, lambda: None), staged / LABELS)
        renamed = _renamed((place if sound else staged) / LABELS, name, to)
        if sound and renamed is None:
            return
        if renamed is not None:
            pq.write_table(renamed, staged / LABELS, compression="zstd")
        for file in (FIGURES, PAGE):
            if _is_as_released(place / file, snapshot):
                (staged / file).write_bytes((place / file).read_bytes())
        _place(database, staged, place, project, snapshot, _withdrawn(database, snapshot))


def _renamed(labels: Path, name: str, to: str) -> pa.Table | None:
    """The rows with another name; None where nobody of this name stands in them."""
    table = pq.read_table(labels)
    people = [[to if one == name else one for one in some] for some in table.column("annotators").to_pylist()]
    if people == table.column("annotators").to_pylist():
        return None
    at = table.schema.get_field_index("annotators")
    return table.set_column(at, table.schema.field(at), pa.array(people, table.schema.field(at).type))
