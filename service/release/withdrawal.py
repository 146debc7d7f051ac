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
from service.release.release import hash_of, manifest, staged_folder
from service.release.samples import Samples

FIRST_FILES = "first_files"
"""In the report of a release: the hashes of its files as they were released."""


def withdraw_from_release(
    database: sa.Engine, home: Path, images: ImageStore, project: Project, snapshot: Snapshot
) -> None:
    """Write the folder of a release without what was withdrawn; the snapshot's own file is written already.

    A file of it that is gone or was changed is made from what is left, or left out where that cannot be.
    """
    with reading(database) as session:
        found = snapshots.withdrawals(session, snapshot.id)
    if not found:
        return
    gone = Withdrawn(snapshot.withdrawn, found[-1][1], snapshot.state)
    labels = open_label_set(database, project, images, snapshot, lambda: None)
    place = folder_of(home, project, snapshot.name)
    with staged_folder(place) as staged:
        _fill(staged, place, home, labels, snapshot, gone)
        files = {path.name: hash_of(path) for path in sorted(staged.iterdir())}
        first = snapshot.report.get(FIRST_FILES, snapshot.report["files"])
        with transaction(database) as session:
            snapshots.replace_report(session, snapshot.id, {**snapshot.report, "files": files, FIRST_FILES: first})
            place_folder(staged, place)


def _fill(staged: Path, place: Path, home: Path, labels: LabelSet, snapshot: Snapshot, gone: Withdrawn) -> None:
    report, name = snapshot.report, labels.project.config.name
    order = Order(snapshot.name, report["author"], report["note"], datetime.fromisoformat(report["at"]))
    samples = Samples()
    for record in labels.records():
        samples.add(record)
    _write_labels(place / LABELS, staged / LABELS, home, labels, snapshot)
    figures = place / FIGURES
    if figures.exists() and hash_of(figures) == report["files"].get(FIGURES):
        (staged / FIGURES).write_bytes(figures.read_bytes())
        page = render(name, order, json.loads(figures.read_bytes()), samples.draw(labels), gone)
        (staged / PAGE).write_text(page, encoding="utf-8")
    withdrawn = {"labels": gone.labels, "until": gone.at.isoformat(), "labels_hash": gone.hash}
    (staged / MANIFEST).write_bytes(manifest(staged, name, snapshot, order, withdrawn=withdrawn))


def _write_labels(before: Path, to: Path, home: Path, labels: LabelSet, snapshot: Snapshot) -> None:
    """The released rows that are left, as they were released."""
    if not before.exists() or hash_of(before) != snapshot.report["files"].get(LABELS):
        write_parquet(labels, to)
        return
    left = pa.array([entry.content_hash for entry in entries(home, snapshot)], pa.string())
    with pq.ParquetFile(before) as rows, pq.ParquetWriter(to, rows.schema_arrow, compression="zstd") as writer:
        for batch in rows.iter_batches():
            writer.write_batch(batch.filter(pc.is_in(batch.column("content_hash"), value_set=left)))


def rename_in_release(
    database: sa.Engine, home: Path, project: Project, snapshot: Snapshot, name: str, to: str
) -> None:
    """Put `to` in place of an annotator's name in the labels of a release, where names were exported."""
    place = folder_of(home, project, snapshot.name)
    if not (place / LABELS).exists():
        return
    table = pq.read_table(place / LABELS)
    people = [[to if one == name else one for one in some] for some in table.column("annotators").to_pylist()]
    if people == table.column("annotators").to_pylist():
        return
    at = table.schema.get_field_index("annotators")
    renamed = table.set_column(at, table.schema.field(at), pa.array(people, table.schema.field(at).type))
    with staged_folder(place) as staged:
        for path in place.iterdir():
            if path.name not in (LABELS, MANIFEST):
                (staged / path.name).write_bytes(path.read_bytes())
        pq.write_table(renamed, staged / LABELS, compression="zstd")
        report = snapshot.report
        order = Order(snapshot.name, report["author"], report["note"], datetime.fromisoformat(report["at"]))
        (staged / MANIFEST).write_bytes(manifest(staged, project.config.name, snapshot, order))
        files = {path.name: hash_of(path) for path in sorted(staged.iterdir())}
        first = report.get(FIRST_FILES, report["files"])
        with transaction(database) as session:
            snapshots.replace_report(session, snapshot.id, {**report, "files": files, FIRST_FILES: first})
            place_folder(staged, place)
