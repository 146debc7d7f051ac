"""Grouping step by step: thresholds are frozen once, groups join and come apart, regrouping says what it changes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.engines import prelabels
from db.repositories.images import groups
from db.repositories.images.groups import KEPT, Grouping
from db.repositories.projects import projects
from db.repositories.queries import stream
from db.session import reading, transaction
from db.tables import GroupingRow, GroupMoveRow
from db.views import groups as view
from labeling.adapters.storage.image_store import ImageStore
from labeling.ingest.fingerprints import Fingerprints, fingerprint
from labeling.project import Policy, Project
from labeling.types import Actor, ImageId
from service.work.grouping.contradictions import take_apart
from service.work.grouping.fingerprints import fingerprint_batch
from service.work.grouping.new_images import group_new
from service.work.grouping.regrouping import regroup
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.service.labelled_pool import ENCODER, make_parts
from tests.unit.ingest.test_twin_index import made_up, with_bits_turned

MakeProject = Callable[..., Project]


@dataclass
class Ground:
    """A project whose images are fingerprints alone."""

    parts: Parts
    project: Project
    numbers: Iterator[int]
    rng: np.random.Generator

    def arrive(self, images: Fingerprints) -> list[ImageId]:
        """Images come, with vectors, and are grouped."""
        names = [f"{next(self.numbers):064x}" for _ in range(len(images))]
        with transaction(self.parts.database) as session:
            ids = [factories.image(session, self.project.id, name) for name in names]
            prelabels.name_vectors(session, ENCODER, names, NOW)
            groups.keep_fingerprints(session, dict(zip(names, stored(images), strict=True)))
        self.group()
        return ids

    def group(self) -> None:
        while group_new(self.parts, self.project, ENCODER, hurry=True)[1]:
            pass

    def label(self, image_id: ImageId, value: str) -> None:
        with transaction(self.parts.database) as session:
            factories.label(session, self.project.id, image_id, value)

    def ask_something(self) -> None:
        with transaction(self.parts.database) as session:
            factories.query(session, self.project.id)

    def groups_of(self, ids: Sequence[ImageId]) -> list[int]:
        with reading(self.parts.database) as session:
            found = {one.image_id: one.group_id for one in groups.standing(session, ids)}
        return [found[image_id] for image_id in ids]

    def configure(self, near_duplicates: str | int) -> None:
        config = replace(
            self.project.config, policy=replace(self.project.config.policy, near_duplicates=near_duplicates)
        )
        with transaction(self.parts.database) as session:
            self.project = projects.configure(session, self.project.id, config, Actor("test", "a test", NOW))

    @property
    def rule(self) -> Grouping | None:
        with reading(self.parts.database) as session:
            return groups.in_force(session, self.project.id)


def stored(images: Fingerprints) -> list[bytes]:
    parts = (images.signs, images.strong, images.colours)
    whole = [b"".join(part[row].tobytes() for part in parts) for row in range(len(images))]
    return [one if there else b"" for one, there in zip(whole, images.present.tolist(), strict=True)]


@pytest.fixture
def ground(database: sa.Engine, make_project: MakeProject, tmp_path: Path) -> Ground:
    project = make_project(database, policy=Policy())
    return Ground(make_parts(database, tmp_path), project, count(), np.random.default_rng(0))


@pytest.mark.parametrize(("images", "frozen"), [(1, False), (199, False), (200, True), (201, True)])
def test_thresholds_are_frozen_when_200_images_are_there(ground: Ground, images: int, frozen: bool) -> None:
    ids = ground.arrive(made_up(images, ground.rng))

    assert (ground.rule is not None) is frozen
    assert len(set(ground.groups_of(ids))) == images


def test_what_stood_alone_before_is_joined_when_thresholds_are_frozen(ground: Ground) -> None:
    first = made_up(150, ground.rng)
    before = ground.arrive(first)
    copies = ground.arrive(with_bits_turned(first[:20], 10, ground.rng))
    ground.ask_something()
    assert len(set(ground.groups_of([*before, *copies]))) == 170

    ground.arrive(made_up(60, ground.rng))

    assert ground.groups_of(copies) == ground.groups_of(before[:20])
    assert ground.rule is not None and ground.rule.images == 230


def test_thresholds_stay_as_they_were_frozen(ground: Ground) -> None:
    ground.arrive(made_up(220, ground.rng))
    frozen = ground.rule

    ground.arrive(made_up(100, ground.rng))
    ground.group()

    assert ground.rule == frozen


def test_a_copy_joins_its_original_and_a_link_makes_two_groups_one(ground: Ground) -> None:
    ground.configure(20)
    one = made_up(1, ground.rng)
    far = with_bits_turned(one, 30, np.random.default_rng(1))
    between = with_bits_turned(one, 15, np.random.default_rng(1))
    ids = [*ground.arrive(one), *ground.arrive(far)]
    assert len(set(ground.groups_of(ids))) == 2

    ids += ground.arrive(between)

    assert set(ground.groups_of(ids)) == {ground.groups_of(ids)[0]}
    with reading(ground.parts.database) as session:
        assert session.scalars(sa.select(GroupMoveRow.image_id)).all() == [ids[1]]
        of = ground.project.id
        assert (stream.count_groups(session, of), stream.count_left(session, of)) == (1, 1)
        assert stream.groups_left(session, of) == set(ground.groups_of(ids))


def test_off_means_that_only_equal_bytes_are_one_image(ground: Ground) -> None:
    ground.configure("off")
    one = made_up(120, ground.rng)

    ids = ground.arrive(one) + ground.arrive(one)

    assert len(set(ground.groups_of(ids))) == 240
    assert ground.rule is None


def test_where_all_are_alike_only_equal_bytes_are_one_image_and_that_is_said(ground: Ground) -> None:
    same = made_up(1, ground.rng)[np.zeros(250, np.int64)]

    ids = ground.arrive(same)

    assert len(set(ground.groups_of(ids))) == 250
    assert ground.rule is not None and "more than 20%" in ground.rule.reason


def test_of_many_new_images_at_once_of_which_too_many_would_join_all_stay_apart_and_that_is_said(
    ground: Ground,
) -> None:
    known = made_up(220, ground.rng)
    before = ground.arrive(known)

    after = ground.arrive(with_bits_turned(known[:60], 5, ground.rng))
    one = ground.arrive(with_bits_turned(known[100:101], 5, ground.rng))

    assert not set(ground.groups_of(after)) & set(ground.groups_of(before))
    assert ground.rule is not None and ground.rule.reason.startswith("60 of 60 images would have joined")
    assert ground.groups_of(one) == ground.groups_of(before[100:101])


def test_flat_images_are_near_to_nothing(ground: Ground) -> None:
    ground.configure(64)

    ids = ground.arrive(Fingerprints.read([b""] * 3))

    assert len(set(ground.groups_of(ids))) == 3


def test_members_with_different_labels_come_apart_once(ground: Ground) -> None:
    ground.configure(20)
    one = made_up(1, ground.rng)
    ids = ground.arrive(one) + ground.arrive(with_bits_turned(one, 4, ground.rng)) + ground.arrive(one)
    ground.label(ids[0], "cat")
    assert take_apart(ground.parts, ground.project.id) == {"taken_apart": 0}
    before = ground.groups_of(ids)

    ground.label(ids[1], "dog")

    assert take_apart(ground.parts, ground.project.id) == {"taken_apart": 1}
    assert take_apart(ground.parts, ground.project.id) == {"taken_apart": 0}
    found = ground.groups_of(ids)
    assert found[0] == found[2] == before[0] != found[1]
    again = ground.arrive(with_bits_turned(one, 2, ground.rng))
    assert ground.groups_of(again)[0] in found and len(set(ground.groups_of(ids))) == 2


def test_a_changed_answer_that_agrees_takes_nothing_apart(ground: Ground) -> None:
    ground.configure(20)
    one = made_up(1, ground.rng)
    ids = ground.arrive(one) + ground.arrive(one)
    for image_id, value in ((ids[0], "cat"), (ids[1], "dog"), (ids[1], "cat")):
        ground.label(image_id, value)

    assert take_apart(ground.parts, ground.project.id) == {"taken_apart": 0}


def test_regrouping_says_what_changes_changes_it_and_then_changes_nothing(ground: Ground) -> None:
    ground.configure("off")
    known = made_up(100, ground.rng)
    ids = ground.arrive(known) + ground.arrive(with_bits_turned(known[:10], 5, ground.rng))
    ground.label(ids[0], "cat")
    ground.label(ids[100], "cat")
    ground.label(ids[1], "cat")
    ground.label(ids[101], "dog")
    ground.configure(20)
    before = ground.groups_of(ids)

    said = regroup(ground.parts, ground.project.id, dry_run=True)
    assert ground.groups_of(ids) == before
    done = regroup(ground.parts, ground.project.id)
    after = ground.groups_of(ids)
    again = regroup(ground.parts, ground.project.id)

    assert said == done
    assert (done["moved"], done["groups_before"], done["groups_after"]) == (9, 110, 101)
    assert (done["in_groups_after"], done["labels_that_stop_training"]) == (18, 1)
    assert after[0] == after[100] and after[1] != after[101]
    assert again["moved"] == 0 and ground.groups_of(ids) == after


def test_regrouping_goes_on_after_a_kill_and_beside_new_images(ground: Ground) -> None:
    ground.configure("off")
    known = made_up(700, ground.rng)
    ids = ground.arrive(known) + ground.arrive(known)
    ground.configure(8)

    class Killed(BaseException):
        pass

    def die(name: str) -> None:
        raise Killed

    with pytest.raises(Killed):
        regroup(replace(ground.parts, failpoint=die), ground.project.id)  # type: ignore[arg-type]
    late = ground.arrive(known[:1])
    regroup(ground.parts, ground.project.id)

    found = ground.groups_of(ids)
    assert found[:700] == found[700:]
    assert ground.groups_of(late) == found[:1]


def test_groups_of_an_older_version_stay_until_they_are_made_anew(ground: Ground) -> None:
    ground.configure("off")
    known = made_up(210, ground.rng)
    ids = ground.arrive(known) + ground.arrive(known[:5])
    with transaction(ground.parts.database) as session:
        groups.freeze(session, ground.project.id, Grouping(KEPT, -1, -1, 0, "older version", NOW))
    ground.configure("adaptive")
    before = ground.groups_of(ids)

    new = ground.arrive(with_bits_turned(known[7:8], 4, ground.rng))

    assert ground.groups_of(ids) == before
    assert ground.rule is not None and ground.rule.kind == "adaptive"
    regroup(ground.parts, ground.project.id)
    assert ground.groups_of(ids[210:]) == ground.groups_of(ids[:5])
    assert ground.groups_of(new) == ground.groups_of(ids[7:8])


def test_another_process_may_group_images_of_the_same_project(ground: Ground, tmp_path: Path) -> None:
    ground.configure(20)
    known = made_up(2, ground.rng)
    first = ground.arrive(known[:1])
    other = replace(ground, parts=make_parts(ground.parts.database, tmp_path))
    second = other.arrive(known[1:])

    copies = ground.arrive(with_bits_turned(known[1:], 4, ground.rng))

    assert ground.groups_of(copies) == ground.groups_of(second) != ground.groups_of(first)


def test_what_pages_show_adds_up(ground: Ground) -> None:
    ground.configure(20)
    known = made_up(5, ground.rng)
    ids = ground.arrive(known) + ground.arrive(known[:2]) + ground.arrive(known[:1])
    ground.label(ids[0], "cat")

    with reading(ground.parts.database) as session:
        sizes = view.sizes(session, ground.project.id)
        largest = view.largest(session, ground.project.id, 1)

    assert (sizes.images, sizes.groups, sizes.in_groups, sizes.largest) == (8, 5, 5, 3)
    assert sizes.sizes == {1: 3, 2: 1, 3: 1} and sizes.share == 5 / 8
    assert [(m.image_id, m.label) for m in largest[0].members] == [(ids[0], "cat"), (ids[5], None), (ids[7], None)]


def test_no_image_at_all_is_no_error(ground: Ground) -> None:
    assert regroup(ground.parts, ground.project.id)["images"] == 0
    with reading(ground.parts.database) as session:
        assert view.sizes(session, ground.project.id).share == 0.0
        assert session.scalar(sa.select(sa.func.count()).select_from(GroupingRow)) == 1


def test_images_of_an_older_version_get_their_fingerprints_in_batches_and_are_found_then(
    ground: Ground, tmp_path: Path
) -> None:
    ground.configure(20)
    store = ImageStore(str(tmp_path / "media"))
    ground.parts = replace(ground.parts, images=store)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    names = [f"{9_000 + at:064x}" for at in range(3)]
    with transaction(ground.parts.database) as session:
        for name, one in zip(names, pixels, strict=True):
            store.keep(name, encoded(Image.fromarray(one)), "image/png", None)
            factories.image(session, ground.project.id, name, reserved=False)
    broken = f"{9_999:064x}"
    store.keep(broken, b"no image", "image/png", None)
    with transaction(ground.parts.database) as session:
        factories.image(session, ground.project.id, broken, reserved=False)
    ground.arrive(made_up(1, ground.rng))  # which puts the old ones into memory, as they are

    counts = [fingerprint_batch(ground.parts, ground.project.id, size=3) for _ in range(3)]
    copies = ground.arrive(Fingerprints.read([fingerprint(Image.fromarray(pixels[1]))]))

    assert [(one["done"], one["left"]) for one in counts] == [(3, 1), (1, 0), (0, 0)]
    with reading(ground.parts.database) as session:
        assert groups.standing(session, copies)[0].founder == names[1]
        assert groups.fingerprints(session, [broken]) == {broken: b""}


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
