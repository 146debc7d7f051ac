"""An annotator's data and whole projects are deleted for good, and an annotator can have everything about them."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from db.repositories.labels import snapshots
from db.repositories.people import annotators, audit, keys
from db.repositories.projects import projects
from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.session import reading, transaction
from db.tables import AnnotationRow, AuditRow, DeletionRow
from labeling.errors import Denied, NotFound
from labeling.jobs import Role
from labeling.project import Policy, Team
from labeling.types import DeletionKind
from service import auth
from service.deletions.people import data_of
from service.labels.snapshots import create, verify
from service.release.files import read_file
from service.release.release import Order, release
from service.work.delete.rows import remove_rows
from tests import factories
from tests.factories import NOW
from tests.service.deletions.ground import BY, Ground, work

NAME = "ann@example.com"


def test_a_name_goes_from_everywhere_and_the_answers_stay_as_nobodys(ground: Ground) -> None:
    project = ground.project()
    ground.image(project, "one.png")
    with transaction(ground.database) as session:
        [person] = annotators.everyone(session, project.id)
        annotators.switch(session, person.id, BY, paused=True, evidence={"words": f"{NAME} errs"})
        kind, subject = AlarmKind.ANNOTATOR_PAUSED, str(person.id)
        alarms.raise_alarm(session, project.id, kind, subject, f"{NAME} is paused", {"who": [NAME]}, NOW)
    (ground.home / "logs").mkdir()
    log = ground.home / "logs/worker.log"
    log.write_text(f"an answer of {NAME}, and of xx{NAME}\n")

    ground.delete(project, DeletionKind.ANNOTATOR, person.id)

    with reading(ground.database) as session:
        [after] = annotators.everyone(session, project.id)
        [alarm] = alarms.open_alarms(session, project.id)
    assert (after.name, after.evidence) == (f"deleted annotator {person.id}", {"words": f"{after.name} errs"})
    assert (alarm.words, alarm.evidence) == (f"{after.name} is paused", {"who": [after.name]})
    assert ground.count(AnnotationRow) == 1
    assert ground.studio.calls == [f"delete_user {person.ls_user_id}"]
    assert log.read_text() == f"an answer of {'x' * len(NAME)}, and of xx{NAME}\n"
    assert NAME not in str(ground.texts())


@pytest.mark.parametrize("name", ["1", "Zoë", "ann"])
def test_a_name_goes_as_words_of_its_own_whatever_it_is_and_from_its_project_alone(ground: Ground, name: str) -> None:
    one, other = ground.project("one"), ground.project("other")
    words, evidence = f"{name} errs, x{name}x does not", {"share": 0.1, "of": 11, "sure": True, "who": [name]}
    with transaction(ground.database) as session:
        here, there = (factories.annotator(session, project.id, name) for project in (one, other))
        for project, who in ((one, here), (other, there)):
            alarms.raise_alarm(session, project.id, AlarmKind.ANNOTATOR_DRIFT, str(who), words, evidence, NOW)

    ground.delete(one, DeletionKind.ANNOTATOR, here)

    with reading(ground.database) as session:
        [mine], [others] = (alarms.open_alarms(session, project.id) for project in (one, other))
    nobody = f"deleted annotator {here}"
    assert (mine.words, mine.evidence) == (f"{nobody} errs, x{name}x does not", {**evidence, "who": [nobody]})
    assert (others.words, others.evidence) == (words, evidence)


def test_an_account_stays_while_its_person_answers_in_another_project(ground: Ground) -> None:
    one, other = ground.project("one"), ground.project("other")
    with transaction(ground.database) as session:
        here, there = (factories.annotator(session, p.id, NAME, ls_user_id=5) for p in (one, other))

    ground.delete(one, DeletionKind.ANNOTATOR, here)
    first = list(ground.studio.calls)
    ground.delete(other, DeletionKind.ANNOTATOR, there)

    assert (first, ground.studio.calls) == ([], ["delete_user 5"])


def test_an_account_stays_that_its_person_answers_with_elsewhere_by_the_time_it_would_go(on_sqlite: Ground) -> None:
    one, other = on_sqlite.project("one"), on_sqlite.project("other")
    with transaction(on_sqlite.database) as session:
        here = factories.annotator(session, one.id, NAME, ls_user_id=5)
    on_sqlite.order(one, DeletionKind.ANNOTATOR, here)
    remove_rows(on_sqlite.parts, one.id)
    with transaction(on_sqlite.database) as session:
        factories.annotator(session, other.id, NAME, ls_user_id=5)

    work(on_sqlite.parts, one)

    assert on_sqlite.studio.calls == []


def test_an_account_that_we_may_not_delete_is_named(on_sqlite: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    project = on_sqlite.project()
    with transaction(on_sqlite.database) as session:
        person = factories.annotator(session, project.id, NAME, ls_user_id=5)

    def refuse(user_id: int) -> None:
        raise Denied("not the owner")

    monkeypatch.setattr(on_sqlite.studio, "delete_user", refuse)
    deletion = on_sqlite.delete(project, DeletionKind.ANNOTATOR, person)

    assert deletion.ended_at is not None
    assert deletion.notes == ["Account 5 is still in Label Studio: its administrator can delete it there."]


def test_somebody_whose_name_was_deleted_cannot_be_deleted_again_and_does_not_come_back(ground: Ground) -> None:
    project = ground.project()
    ground.image(project, "one.png")
    ground.delete(project, DeletionKind.ANNOTATOR, 1)

    with pytest.raises(NotFound, match="deleted already"):
        ground.order(project, DeletionKind.ANNOTATOR, 1)
    with transaction(ground.database) as session:  # their answers are read again
        from db.repositories.reviews.annotations import annotators as known

        [person] = annotators.everyone(session, project.id)
        known(session, project.id, {person.ls_user_id: NAME})
        assert [one.name for one in annotators.everyone(session, project.id)] == ["deleted annotator 1"]


def test_an_annotator_gets_everything_that_is_kept_about_them(ground: Ground) -> None:
    project = ground.project()
    image = ground.image(project, "one.png")
    with transaction(ground.database) as session:
        annotators.switch(session, 1, BY, paused=True, evidence={"why": "x"})
        annotators.void(session, 1, BY)

    found = data_of(ground.database, project, 1, lambda user: {"email": NAME, "id": user})

    assert found["annotator"]["name"] == NAME
    assert [(one["image"], one["answers"]) for one in found["answers"]] == [(image, ["cat"])]
    assert (found["pauses"][0]["reason"], len(found["voids"])) == ("asked for", 1)
    assert found["account_in_label_studio"]["email"] == NAME
    assert json.dumps(found, default=str)


def test_a_project_goes_with_every_row_and_folder_and_another_one_stays(ground: Ground) -> None:
    stays, project = ground.project("stays"), ground.project("MOAbirds")
    ground.image(stays, "stays.png", text="other words")
    before, files = ground.everything(), ground.files()
    ground.image(project, "a.png", source=ground.source(project, "/photos"))
    ground.image(project, "b.png")
    with transaction(ground.database) as session:
        factories.registration(session, project.id, "never-fetched.png")
        factories.failure(session, project.id, "fetch", "99", reason="never-fetched.png is broken")
        auth.issue_key(session, name="limited", role=Role.READ, projects=["MOAbirds", "stays"], now=NOW)
        audit.record(session, "lead", "project.edit", "MOAbirds", {"reason": "MOAbirds"}, NOW, project.id)
    create(ground.database, ground.home, project, "v1", author="lead", note="", now=NOW)

    ground.order(project, DeletionKind.PROJECT, project.id)
    with reading(ground.database) as session:
        hidden = [one.config.name for one in projects.everyone(session)]
    work(ground.parts, project)

    new = {name for name, number in ground.everything().items() if number > before[name]}
    assert new == {"deletion", "api_key", "audit"}
    assert (hidden, ground.files()) == (["stays"], files)
    assert not list(ground.home.glob(f"*/{project.id}"))
    assert "MOAbirds" not in str(ground.texts())
    with reading(ground.database) as session:
        assert [one.projects for one in keys.everyone(session)] == [("stays",)]
        assert set(session.scalars(sa.select(AuditRow.subject))) == {f"project {project.id}"}
        assert [row.subject for row in session.scalars(sa.select(DeletionRow))] == [project.id]


def test_what_is_called_like_a_deleted_project_stays_in_the_audit_log(ground: Ground) -> None:
    stays, project = ground.project("1/cats"), ground.project("ann")
    with transaction(ground.database) as session:
        audit.record(session, "ann", "login", "ann", {"key": "ann-prefix"}, NOW)
        audit.record(session, "lead", "key.create", "ann", {"name": "ann", "role": "read"}, NOW)
        audit.record(session, "lead", "project.edit", "ann", {"reason": "of another one"}, NOW, stays.id)
        audit.record(session, "lead", "key.revoke", f"{project.id}/x", {"name": "x"}, NOW)
        audit.record(session, "lead", "key.revoke", f"project {project.id} x", {"name": "y"}, NOW)
        before = audit.listing(session, audit.Wanted(), after=None, limit=99).items
        audit.record(session, "lead", "project.edit", "ann", {"reason": "words about it"}, NOW, project.id)

    ground.delete(project, DeletionKind.PROJECT, project.id)

    with reading(ground.database) as session:
        after = audit.listing(session, audit.Wanted(), after=None, limit=99).items
    assert after[-len(before) :] == before
    assert [(one.subject, one.detail) for one in after[: -len(before)]] == [(f"project {project.id}", {})] * 2


def test_a_released_snapshot_says_what_was_withdrawn_and_keeps_its_hash(ground: Ground) -> None:
    with transaction(ground.database) as session:
        project = factories.project(session, policy=Policy(team=Team(names_in_exports=True)))
        factories.label_studio_project(session, project.id)
    ground.image(project, "stays.png", text="other words")
    image = ground.image(project, "goes.png")
    for content in ("stays.png", "goes.png"):
        _really_shown(ground, content)
    order = Order("v1", "lead", "for a test", NOW)
    released = release(ground.database, ground.home, ground.parts.images, project, order)
    folder = ground.home / "releases" / str(project.id) / "v1"
    page, before = (folder / "index.html").read_text(), _says(folder, NAME)

    deletion = ground.delete(project, DeletionKind.IMAGE, image)
    ground.delete(project, DeletionKind.ANNOTATOR, 1)

    with reading(ground.database) as session:
        kept = snapshots.by_name(session, project.id, "v1")
    verify(ground.database, ground.home, project, kept)
    assert (kept.labels, kept.withdrawn, kept.hash) == (2, 1, released.hash)
    assert kept.state != kept.hash
    assert pq.read_table(folder / "labels.parquet").num_rows == 1
    assert (page.count("data:image/jpeg"), (folder / "index.html").read_text().count("data:image/jpeg")) == (2, 1)
    assert "were withdrawn" in (folder / "index.html").read_text()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["labels_hash"], manifest["withdrawn"]["labels_hash"]) == (released.hash, kept.state)
    assert kept.report["first_files"] == released.report["files"] != kept.report["files"]
    assert deletion.ended_at is not None
    assert (before, _says(folder, NAME)) == (["labels.parquet"], [])
    assert _says(folder, "deleted annotator 1") == ["labels.parquet"]
    assert _says(folder, sha256(b"goes.png").hexdigest()) == []


def test_a_release_that_was_changed_is_not_given_out_when_a_name_goes_from_it(on_sqlite: Ground) -> None:
    with transaction(on_sqlite.database) as session:
        project = factories.project(session, policy=Policy(team=Team(names_in_exports=True)))
    on_sqlite.image(project, "one.png")
    _really_shown(on_sqlite, "one.png")
    order = Order("v1", "lead", "for a test", NOW)
    release(on_sqlite.database, on_sqlite.home, on_sqlite.parts.images, project, order)
    folder = on_sqlite.home / "releases" / str(project.id) / "v1"
    (folder / "index.html").write_text("changed")
    (folder / "labels.parquet").write_bytes(b"changed")

    on_sqlite.delete(project, DeletionKind.ANNOTATOR, 1)

    with reading(on_sqlite.database) as session:
        kept = snapshots.by_name(session, project.id, "v1")
    assert set(kept.report["files"]) == {"figures.json", "labels.parquet", "manifest.json"}
    assert pq.read_table(folder / "labels.parquet").num_rows == 1
    for name in kept.report["files"]:
        read_file(on_sqlite.home, project, kept, name)
    assert (_says(folder, NAME), _says(folder, "deleted annotator 1")) == ([], ["labels.parquet"])


def _says(folder: Path, text: str) -> list[str]:
    """The files of a release that hold this text; a table is compressed, so its columns are searched."""
    said = {
        path.name: str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_text()
        for path in folder.iterdir()
    }
    return sorted(name for name, content in said.items() if text in content)


def _really_shown(ground: Ground, name: str) -> None:
    from tests.service.web_client import png

    ground.parts.images.keep(sha256(name.encode()).hexdigest(), png("red"), "image/png", None)
