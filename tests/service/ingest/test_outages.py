"""A bucket that is away for five sweeps, and a source that trips us: what lies elsewhere goes on, and all heals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.repositories.images import progress
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import ImageRow
from db.views import tallies
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import Unavailable
from labeling.project import Project
from labeling.types import Incoming
from service.ingest.register import add_source, checked_source, register_items
from service.jobs.jobs import Jobs
from service.settings import Settings
from service.work.failpoints import Failpoints
from service.work.ingest.ingest import THREADS, fetch_batch, look
from service.work.ingest.places import FAILS_BEFORE_REST, FIRST_REST, LONGEST_REST, Places, places_of
from service.work.wiring import Parts
from tests.service.adapters.away_store import AwayStore, bucket
from tests.service.web_client import png

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Ground:
    """A project whose images lie in a folder and in a bucket; sweeps follow each other by a minute."""

    def __init__(self, database: sa.Engine, project: Project, folder: Path) -> None:
        nothing = cast(Any, None)
        self.now, self.project = NOW, project
        self.parts = Parts(
            settings=Settings(home=folder),
            database=database,
            jobs=Jobs(database),
            images=ImageStore(str(folder / "media")),
            embeddings=nothing,
            label_studio=nothing,
            engine_for=nothing,
            failpoint=Failpoints(""),
            now=lambda: self.now,
        )

    def sweep(self) -> int:
        """What the ingest job of one sweep does; how many images were fetched."""
        look(self.parts, self.project.id)
        fetched = 0
        while True:
            counts = fetch_batch(self.parts, self.project.id)
            fetched += counts["done"]
            if not counts["left"]:
                break
        self.now += timedelta(seconds=61)
        return fetched

    def add(self, *places: str) -> None:
        for place in places:
            checked = checked_source(place)
            with transaction(self.parts.database) as session:
                add_source(session, self.parts.jobs, self.project, checked, self.now)

    def failures(self) -> list[failures.Failure]:
        with reading(self.parts.database) as session:
            return failures.listing(session, self.project.id)

    def images(self) -> int:
        with reading(self.parts.database) as session:
            return session.scalar(sa.select(sa.func.count()).select_from(ImageRow)) or 0


@pytest.fixture
def s3() -> Iterator[type[AwayStore]]:
    with bucket() as store:
        for number, colour in enumerate(("red", "green", "blue", "white", "pink")):
            store().makedirs("s3://photos/far", exist_ok=True)
            store().pipe_file(f"s3://photos/far/{number}.png", png(colour))
        yield store


@pytest.fixture
def ground(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Ground:
    return Ground(database, make_project(database), tmp_path)


def photo(folder: Path, name: str, colour: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(png(colour))


def test_a_bucket_that_is_away_for_five_sweeps_stops_nothing_else_and_makes_no_dead_letter(
    ground: Ground, s3: type[AwayStore], tmp_path: Path
) -> None:
    near = tmp_path / "near"
    photo(near, "0.png", "yellow")
    ground.add("s3://photos/far", str(near))
    look(ground.parts, ground.project.id)
    s3.away = RuntimeError("Session is closed")

    fetched = []
    for sweep in range(5):
        photo(near, f"{sweep + 1}.png", f"#{sweep}{sweep}{sweep}")
        ground.now += timedelta(seconds=ground.project.config.policy.source_every_s)
        fetched.append(ground.sweep())
    while_away, calls = ground.failures(), s3.calls
    s3.away = None
    healed = ground.sweep() + ground.sweep()

    assert fetched == [2, 1, 1, 1, 1], "what lies in the folder comes in"
    assert while_away, "it is said what waits"
    assert not any(one.dead or one.count for one in while_away)
    assert calls < 60, "a place that is away is left alone"
    assert (healed, ground.images(), ground.failures()) == (5, 11, [])


@pytest.mark.parametrize("manifest", [False, True])
def test_a_look_that_is_cut_off_in_the_middle_takes_nothing_for_gone(
    ground: Ground, s3: type[AwayStore], monkeypatch: pytest.MonkeyPatch, manifest: bool
) -> None:
    for number in range(3):
        s3().pipe_file(f"s3://photos/far/deep/{number}.png", png(f"#{number}00"))
    s3().pipe_file("s3://photos/all.csv", b"image\nfar/0.png\nfar/deep/1.png\n")
    ground.add("s3://photos/all.csv" if manifest else "s3://photos/far")
    ground.sweep()
    before, reading_on = ground.images(), s3.ls

    def cut_off(self: AwayStore, path: str, *args: Any, **options: Any) -> Any:
        if path.endswith("deep"):
            raise ConnectionResetError(104, "reset")
        return reading_on(self, path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(s3, "ls", cut_off)
        patch.setattr(s3, "half", manifest)
        ground.now += timedelta(seconds=ground.project.config.policy.source_every_s)
        found = look(ground.parts, ground.project.id)
    waiting = ground.failures()

    assert before == (2 if manifest else 8)
    assert found == {"new": 0, "changed": 0, "gone": 0}
    assert [(one.step, one.count, one.dead) for one in waiting] == [("source", 0, False)]
    assert ground.sweep() == 0
    assert ground.failures() == []


def test_what_waits_is_not_in_quarantine(ground: Ground, s3: type[AwayStore]) -> None:
    ground.add("s3://photos/far")
    look(ground.parts, ground.project.id)
    s3.away = PermissionError(13, "the rights were taken")
    ground.sweep()

    with reading(ground.parts.database) as session:
        assert progress.fetching(session, ground.project.id).failed == 0
        assert tallies.counts_of_images(session, ground.project.id)["quarantined"] == 0


def test_a_source_that_is_wrong_in_a_way_nobody_thought_of_stops_no_other(
    ground: Ground, s3: type[AwayStore], tmp_path: Path
) -> None:
    photo(tmp_path / "near", "0.png", "yellow")
    ground.add("s3://photos/far", str(tmp_path / "near"))
    s3.away = NotImplementedError("a file system that cannot list")

    look(ground.parts, ground.project.id)

    (failure,) = ground.failures()
    assert failure.step == "source"
    assert "NotImplementedError" in failure.reason
    assert ground.sweep() == 1


def test_where_our_own_store_is_away_the_step_waits_and_no_image_is_blamed(
    ground: Ground, s3: type[AwayStore], tmp_path: Path
) -> None:
    photo(tmp_path / "near", "0.png", "yellow")
    ground.add(str(tmp_path / "near"))
    look(ground.parts, ground.project.id)
    ground.parts = replace(ground.parts, images=ImageStore("s3://media"))
    s3.away = ConnectionResetError(104, "reset")

    with pytest.raises(Unavailable):
        fetch_batch(ground.parts, ground.project.id)

    s3.away = None
    assert ground.failures() == []
    assert ground.sweep() == 1


def test_a_clock_that_was_far_ahead_and_came_back_delays_no_source_and_no_image(ground: Ground, tmp_path: Path) -> None:
    near = tmp_path / "near"
    photo(near, "0.png", "yellow")
    ground.add(str(near))
    items = [Incoming("gone", str(tmp_path / "gone.png"), fingerprint="1")]
    with transaction(ground.parts.database) as session:
        register_items(session, ground.parts.jobs, ground.project, items, ground.now, local=True)
        failures.wait(session, ground.project.id, "fetch", "1", "away", NOW + timedelta(days=3_650))
    ground.now = NOW + timedelta(days=3_650)
    look(ground.parts, ground.project.id)
    ground.now = NOW
    photo(near, "1.png", "blue")

    ground.sweep()

    assert ground.images() == 2, "the new image was found"
    assert "not there any more" in next(one.reason for one in ground.failures() if one.step == "fetch")


def test_a_place_rests_after_some_failures_ever_longer_and_is_tried_again() -> None:
    now = [NOW]
    places = Places(lambda: now[0])
    one, other = "s3://photos/a.png", "s3://videos/a.png"

    for _ in range(FAILS_BEFORE_REST - 1):
        places.failed(one)
    before = places.rests(one)
    places.failed(one)
    resting = places.rests(one), places.rests(other), places.resting()
    now[0] += timedelta(seconds=6)
    after = places.rests(one)
    for _ in range(20):
        places.failed(one)
    now[0] += LONGEST_REST - timedelta(seconds=1)
    long = places.rests(one)
    now[0] -= timedelta(hours=1)
    clock_set_back = places.rests(one)
    places.answered(one)

    assert (before, resting, after) == (False, (True, False, ["s3://photos/"]), False)
    assert (long, clock_set_back) == (True, False)
    assert not places.resting()


def test_a_place_rests_for_reads_that_failed_and_not_for_those_that_it_was_spared(
    ground: Ground, s3: type[AwayStore]
) -> None:
    for number in range(40):
        s3().pipe_file(f"s3://photos/far/more/{number}.png", png(f"#0{number:02}"))
    ground.add("s3://photos/far")
    look(ground.parts, ground.project.id)
    s3.away = RuntimeError("Session is closed")

    fetch_batch(ground.parts, ground.project.id)

    failed_at_most = FAILS_BEFORE_REST + THREADS - 1
    ground.now += FIRST_REST * 2 ** (failed_at_most - FAILS_BEFORE_REST)
    assert not places_of(ground.parts).rests("s3://photos/far/0.png")


def test_a_place_on_this_machine_never_rests() -> None:
    places = Places(lambda: NOW)
    for _ in range(10):
        places.failed("/data/a.png")

    assert not places.rests("/data/a.png")
