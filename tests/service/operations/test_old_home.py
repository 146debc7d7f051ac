"""A home that version 0.1.0 made opens and gives what it gave there.

`homes/home-0.1.0.tar.xz` was made by the code of 0.1.0 at a fixed time: the rows of images, vectors, pre-labels and
answers by the builders of its tests, all else by its own steps. In order: `migrate.upgrade` and
`dbos.run_dbos_database_migrations`; `projects.create` (three classes, the scripted engine and one that it escalates
to); 201 images with PNGs, vectors of images and texts in LanceDB and pre-labels of both engines; two annotators'
answers to reviews of the pool, the hold-out, calibration and gold, with "none of these", "unsure", a skip, a changed
and a withdrawn answer; imported labels, gold, a correction and an adjudication; `resolve_labels`; `learn`, `judge`,
`predict`, `calibrate`, `choose_query`, a push with an answer, then `learn`, `judge`, `predict` again, so that version
2 is the champion; `engine_reports.answer` for `try`, `compare` and `plan`; `snapshots.create`; all steps of `QUICK`
and `SLOW` and `figures.refresh`, twice; `release`; `auth.issue_key`; `Spool.put`; and `Jobs.ask` for five jobs with
arguments as loose strings. `home-0.1.0.json`, `labels.csv` in the archive, and `SAYS` are what 0.1.0 itself said of
that home. Secrets are for tests only.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from db import migrate
from db.repositories.labels import snapshots as kept_snapshots
from db.repositories.versions import predictions
from db.session import reading
from db.views import dashboard, tallies
from labeling.adapters.storage.embedding_store import EmbeddingStore
from labeling.adapters.storage.prediction_files import read_predictions
from labeling.adapters.storage.vectors_of_0_1_0 import take_over
from labeling.prelabel.engine import Item, Look
from labeling.types import Prelabel
from labeling.vectors import finite_rows
from service.exporting.label_set import open_label_set
from service.exporting.registry import FORMATS, export
from service.labels import snapshots
from service.release.files import FIGURES, PAGE, read_file
from service.work.figures.refresh import refresh
from service.work.pool.pool import Pool, load_pool
from service.work.prelabel.calibrate import calibrate
from service.work.prelabel.prelabel import prelabel_batch
from service.work.promote.predict import predict
from service.work.quality import QUICK, SLOW
from tests.service.operations.old_home import (
    KNOWN,
    SAYS,
    Opened,
    by_number,
    champion,
    close,
    examined,
    opened,
    pages_of,
    predicted,
    wrong,
)


def exported(old: Opened, to: Path) -> list[dict[str, str]]:
    export(open_label_set(old.database, old.project, old.parts.images, None), to, FORMATS["csv"])
    return read_csv(to)


RENAMED = {
    "evaluation": "random",
    "calibration": "random",
    "control": "hard",
    "holdout_by_version": "accuracy_by_version",
}
"""What kinds and figures are called now."""


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_schema_is_the_newest_and_every_state_counts_as_many(old: Opened) -> None:
    with reading(old.database) as session:
        counts = tallies.counts(session, old.project.id)

    assert migrate.revision(old.database) == migrate.head()
    split = {"pool", "holdout", "bridge", "reserved"}  # a random stream has taken the place of the hold-out
    then = {**KNOWN["progress"], "labels_by_source": {**KNOWN["progress"]["labels_by_source"], "sample": 0}}
    assert {k: v for k, v in counts.items() if k not in split} == {k: v for k, v in then.items() if k not in split}
    assert counts["pool"] + counts["reserved"] == counts["ready"] == KNOWN["progress"]["ready"]


def vectors_are_those_of_then(pool: Pool) -> bool:
    has_text = finite_rows(pool.text_vectors)
    assert (len(pool), int(has_text.sum())) == (KNOWN["vectors"]["images"], KNOWN["vectors"]["texts"])
    assert finite_rows(pool.image_vectors).all()
    sums = [np.asarray(pool.image_vectors).sum(dtype=np.float64), pool.text_vectors[has_text].sum(dtype=np.float64)]
    return sums == pytest.approx([KNOWN["vectors"]["sum"], KNOWN["vectors"]["text_sum"]], abs=2e-3)


def test_the_pool_has_all_images_with_the_vectors_of_then(old: Opened) -> None:
    assert vectors_are_those_of_then(load_pool(old.parts, old.project))


def test_the_vectors_are_kept_once_and_the_doctor_says_what_may_be_deleted(old: Opened) -> None:
    folder = old.home / "embeddings"
    tables = sorted(path.name for path in folder.glob("*.lance"))

    said = [check for check in examined(old) if check.name == "vectors of 0.1.0"]
    for table in tables:
        shutil.rmtree(folder / table)
    old.parts.memo.clear()

    assert tables and [(check.ok, str(folder) in check.detail) for check in said] == [(True, True)]
    assert not (folder / "mapped").exists()
    assert vectors_are_those_of_then(load_pool(old.parts, old.project))


@pytest.mark.parametrize("cut", ["keys", "vectors.f32"])
def test_taking_the_vectors_over_goes_on_after_a_kill(unpacked: Path, tmp_path: Path, cut: str) -> None:
    folder = unpacked / "embeddings"
    for path in folder.glob(f"mapped/*/{cut}"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # what a killed process had written of it
    shutil.copytree(folder / "mapped", tmp_path / "again")

    first = take_over(folder, EmbeddingStore(str(folder)))
    shutil.copytree(tmp_path / "again", folder / "mapped")  # it was killed before it removed them
    second = take_over(folder, EmbeddingStore(str(folder)))
    for keys in (tmp_path / "again").glob("*/keys"):
        keys.unlink()  # or while it did
    shutil.copytree(tmp_path / "again", folder / "mapped")
    third = take_over(folder, EmbeddingStore(str(folder)))

    assert 0 < first < KNOWN["vectors"]["images"] + KNOWN["vectors"]["texts"]
    assert (second, third) == (0, 0)
    assert not (folder / "mapped").exists()


def test_images_whose_vectors_lay_in_lancedb_alone_are_looked_at_again(unpacked: Path) -> None:
    shutil.rmtree(unpacked / "embeddings" / "mapped")
    old = opened(unpacked)
    engine = LookingEngine(**KNOWN["engine"])
    parts = replace(old.parts, engine_for=cast(Any, lambda project, use=None: engine))

    before = load_pool(parts, old.project)
    while prelabel_batch(parts, old.project.id)["left"]:
        pass
    after = load_pool(parts, old.project)
    close(old)

    assert (len(before), len(after)) == (0, KNOWN["vectors"]["images"])
    assert finite_rows(after.image_vectors).all()
    assert int(finite_rows(after.text_vectors).sum()) == KNOWN["vectors"]["texts"]
    assert engine.looked == KNOWN["vectors"]["images"]


@dataclass
class LookingEngine:
    """The engine of the home, which gives vectors of other numbers than it did."""

    name: str
    revision: str
    image_encoder: str
    text_encoder: str
    looked: int = 0

    def look(self, items: Sequence[Item]) -> Look:
        self.looked += len(items)
        said = Prelabel(self.name, self.revision, (0.5, 0.3, 0.2), "", 0.0, 0)
        vectors = np.random.default_rng(self.looked).standard_normal((len(items), 8)).astype(np.float32)
        return Look([said] * len(items), vectors, [vectors[0] if item.text else None for item in items])


@pytest.mark.parametrize("number", [1, 2])
def test_a_saved_version_loads_and_predicts_what_it_did(old: Opened, number: int) -> None:
    version = by_number(old)[number]

    probs = predicted(old, number)

    np.testing.assert_allclose(probs, KNOWN["probs"][str(number)], atol=1e-5, rtol=0)
    assert version.card_hash == KNOWN["cards"][str(number)]
    assert version.snapshot_hash == KNOWN["snapshots"][str(number)]


def test_the_champion_and_its_stored_predictions_are_those_of_then(old: Opened) -> None:
    best = champion(old)
    with reading(old.database) as session:
        file = predictions.prediction_file(session, best.id)
    assert file is not None

    stored = read_predictions(old.home, file.path, file.sha256)

    assert (best.number, file.rows, file.sha256) == (KNOWN["champion"], *KNOWN["prediction_file"].values())
    rows = np.searchsorted(stored.image_ids, KNOWN["image_ids"])
    np.testing.assert_allclose(stored.probs[rows], KNOWN["probs"][str(best.number)], atol=1e-3, rtol=0)
    assert predict(old.parts, old.project.id) == {"rows": 0}  # nothing has to be predicted again


def test_every_page_is_there_before_anything_was_counted_again(old: Opened) -> None:
    assert all(pages_of(old).values())


def test_once_the_figures_were_computed_every_page_says_what_it_said(old: Opened) -> None:
    for step in (*QUICK, *SLOW, calibrate, refresh):
        step(old.parts, old.project.id)

    with reading(old.database) as session:
        assert set(dashboard.figures(session, old.project.id)) >= {RENAMED.get(name, name) for name in KNOWN["figures"]}
    pages = pages_of(old)
    assert {
        (page, words) for page, all_words in SAYS.items() for words in all_words if words not in pages[page]
    } == set()


def test_an_export_has_the_same_labels_and_all_that_stood_beside_them(old: Opened, tmp_path: Path) -> None:
    before = read_csv(tmp_path / "labels.csv")

    after = exported(old, tmp_path / "again.csv")

    assert {row["image"]: row["label"] for row in after} == KNOWN["labels"]
    same = [name for name in before[0] if name not in ("side", "split", "kind")]
    assert [{name: row[name] for name in same} for row in after] == [
        {name: row[name] for name in same} for row in before
    ]
    assert [row["kind"] for row in after] == [RENAMED.get(row["kind"], row["kind"]) for row in before]
    assert {row["kind"] for row in after if row["split"] == "test"} == {"random"}
    assert not any(row["split"] == "train" for row in after if row["kind"] == "random")


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"csv"}))
def test_every_other_format_writes_as_many_labels(old: Opened, tmp_path: Path, name: str) -> None:
    labels = open_label_set(old.database, old.project, old.parts.images, None)

    assert export(labels, tmp_path / "out", FORMATS[name]) == len(KNOWN["labels"])


def test_a_snapshot_and_a_release_still_give_their_hashes(old: Opened) -> None:
    with reading(old.database) as session:
        frozen, released = (kept_snapshots.by_name(session, old.project.id, name) for name in ("v1", "r1"))

    for one in (frozen, released):
        snapshots.verify(old.database, old.home, old.project, one)

    assert (frozen.hash, frozen.labels) == (KNOWN["snapshot"]["hash"], KNOWN["snapshot"]["labels"])
    assert released.hash == KNOWN["release"]["hash"]
    assert all(read_file(old.home, old.project, released, name) for name in (PAGE, FIGURES))


def test_the_doctor_finds_nothing_that_0_1_0_did_not(old: Opened) -> None:
    assert wrong(old) <= {name for name, ok in KNOWN["doctor"].items() if not ok}
