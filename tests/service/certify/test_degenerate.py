"""Pools, versions and targets out of which nothing can be certified: an answer each, and no crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from db.repositories.labels import labels
from db.session import reading
from labeling.certify.plan import sizes_left
from labeling.jobs import Trigger
from labeling.project import CertificateTerms
from labeling.types import ImageId
from service.exporting.label_set import open_label_set
from service.work.certify.forecast import forecast
from service.work.learn.learn import learn
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.labelled_pool import add_images

MakeGround = Callable[..., Certifying]


def test_a_project_without_an_image_certifies_nothing(make: MakeGround) -> None:
    made = make(pool=0, reserved=0)

    counts = made.certify()

    assert counts["terms"] == 1 and made.all() == [] and made.certify()["terms"] == 0


def test_a_pool_whose_images_were_all_deleted_certifies_nothing_more(certified: Certifying) -> None:
    for image in [*certified.ground.truth]:
        certified.delete(ImageId(image))

    certified.certify()

    assert certified.labels() == {} and len(certified.all()) == 1


def test_with_one_class_alone_there_is_no_version_and_no_certificate(make: MakeGround) -> None:
    made = make()
    made.certify()
    for image in made.ground.truth:
        made.ground.truth[image] = 0
    made.play(3)
    learnt = learn(made.ground.parts, made.ground.project.id, Trigger.HAND)

    made.certify()

    assert not learnt.get("version") and made.all() == [] and made.labels() == {}


def test_where_all_images_are_equal_nothing_is_certified_and_the_refusal_says_so(make: MakeGround) -> None:
    made = make(pool=0, reserved=0)
    add_images(made.ground, 240, False, vector=np.ones_like)
    add_images(made.ground, 80, True, vector=np.ones_like)
    made.certify()
    made.play(1)
    made.version()
    made.play(3)

    made.certify()

    for one in made.all():
        assert not one.stands and "no part of the set can be shown" in one.report["why"]
    assert made.all() and made.labels() == {}


def test_a_set_of_which_people_answered_everything_is_refused_in_words(make: MakeGround) -> None:
    made = make(replace(POLICY, certificate=replace(TERMS, first_size=20)), pool=16, reserved=40)
    made.certify()
    made.play(1)
    made.version()
    for _ in range(6):
        made.play(1)

    made.certify()

    assert made.labels() == {} or made.wrong() <= 0.2
    assert all(one.stands or one.report["why"] for one in made.all())


def test_an_image_that_is_deleted_before_its_label_is_delivered_is_delivered_nowhere(make: MakeGround) -> None:
    made = make()
    made.certify()
    made.play(1)
    made.version()
    made.play(2)
    gone: list[int] = []

    def meanwhile(name: str) -> None:
        if name == "certify.after_write" and not gone:
            gone.append(min(set(made.ground.pool) - _labelled(made)))
            made.delete(ImageId(gone[0]))

    Certifying(replace(made.ground, parts=replace(made.ground.parts, failpoint=meanwhile))).certify()  # type: ignore[arg-type]

    parts, project = made.ground.parts, made.ground.project
    exported = {one.image for one in open_label_set(parts.database, project, parts.images, None).records()}
    assert gone and not set(gone) & exported and not set(gone) & made.labels().keys()
    assert set(made.labels()) <= exported


def test_a_target_that_the_set_is_too_small_for_is_said_with_what_could_be_shown(make: MakeGround) -> None:
    terms = CertificateTerms(precision=0.97, first_size=40, sizes=3)
    made = make(replace(POLICY, certificate=terms))
    made.certify()
    made.play(1)
    made.version()
    made.play(1)

    ahead = forecast(made.ground.parts, made.ground.project.id)

    assert sizes_left(terms, 0, ahead.size)[0].size == 160
    assert 40 < ahead.planned < 80 and ahead.delta == pytest.approx(0.1)  # the whole reserve, and all of delta
    assert ahead.reachable is not None and ahead.reachable < 0.97
    assert f"at most {100 * ahead.reachable:.1f} % can be shown" in ahead.words
    assert "others" not in ahead.words


def _labelled(made: Certifying) -> set[int]:
    with reading(made.ground.parts.database) as session:
        return {one.image_id for one in labels.current(session, made.ground.project.id)}
