"""The accept rule in the loop: whom it excludes, that sampled and unsampled images are treated alike, what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.certificates import certificates
from db.repositories.versions import versions
from db.session import reading, transaction
from db.tables import ExcludedImageRow, GroupRow, ImageRow, ReviewRow
from labeling.certify.accept import Exclusion
from labeling.types import ISSUES, ReviewKind
from service.labels.certificates import read_certificates
from service.labels.image_history import story_of
from service.work.certify.accept_rule import exclusions, reasons_of
from service.work.certify.scored import score_pool
from service.work.certify.sets import read_set_facts, set_of
from tests import factories
from tests.service.certify.ground import POLICY, TERMS, Certifying
from tests.service.labelled_pool import REVISION, add_images

MakeGround = Callable[..., Certifying]
HARD = ReviewKind.HARD


def until_the_look(make: MakeGround, before: int = 1, **terms: object) -> Certifying:
    """With a version, after so many queries, and all answers of the first look, which is not tried yet."""
    made = make(replace(POLICY, certificate=replace(TERMS, **terms)))  # type: ignore[arg-type]
    made.certify()
    made.play(before)
    made.version()
    made.play(2)
    return made


def excluded(made: Certifying) -> dict[int, str]:
    with reading(made.ground.parts.database) as session:
        return {one.image_id: one.reason for one in certificates.excluded_of(session, made.all()[-1].id)}


def sample_of(made: Certifying) -> list[int]:
    """The sampled images of the set, in the order of the stream."""
    parts, project = made.ground.parts, made.ground.project
    with reading(parts.database) as session:
        champion, terms = versions.champion(session, project.id), certificates.terms_in_force(session, project.id)
        assert champion is not None and terms is not None
        facts = read_set_facts(session, project, terms)
    scored = score_pool(parts, project, champion)
    found = set_of(project, scored, facts, None)
    return [int(image) for image in scored.pool.image_ids[found.rows[found.asked]]]


def found_by(made: Certifying, reason: Exclusion) -> set[int]:
    """Which images of the pool the rule excludes for this reason."""
    parts = made.ground.parts
    with reading(parts.database) as session:
        champion = versions.champion(session, made.ground.project.id)
    assert champion is not None
    terms = made.ground.project.config.policy.certificate
    assert terms is not None
    scored = score_pool(parts, made.ground.project, champion)
    found = exclusions(parts, made.ground.project, scored, terms)
    return set(scored.pool.image_ids[found[reason]].tolist())


def test_what_the_rule_excludes_gets_no_label_and_a_row_that_says_why(make: MakeGround) -> None:
    made = until_the_look(make)
    strange = add_images(made.ground, 8, False, vector=lambda one: -one * 3)
    made.play(1)  # the stream catches up with them
    with transaction(made.ground.parts.database) as session:
        blurred = made.ground.pool[::40]
        for image in blurred:
            factories.image_checks(session, session.get_one(ImageRow, image).content_hash, blurry=0.1)

    made.certify()

    [found] = made.all()
    reasons = excluded(made)
    assert found.stands and reasons and not made.labels().keys() & reasons.keys()
    assert any(image in reasons for image in blurred) and any(image in reasons for image in strange)
    assert all(Exclusion.OUTLIER in reasons[image] for image in strange if image in reasons)
    assert found.report["excluded"][Exclusion.PICTURE] == sum(Exclusion.PICTURE in why for why in reasons.values())


def test_a_sampled_image_that_is_excluded_is_no_error_and_holds_nothing_up(make: MakeGround) -> None:
    made = until_the_look(make)
    image = sample_of(made)[25]
    with transaction(made.ground.parts.database) as session:
        factories.image_checks(session, session.get_one(ImageRow, image).content_hash, dark=0.0)
        review = session.scalars(sa.select(ReviewRow).where(ReviewRow.image_id == image)).one()
        factories.label(session, made.id, image, None, review_id=review.id)  # its answer is withdrawn

    made.certify()

    [found] = made.all()
    assert found.stands and image in excluded(made)
    assert (found.report["missing"], found.sampled) == (0, 40)


def test_a_picture_check_that_the_terms_turn_off_excludes_nobody(make: MakeGround) -> None:
    made = until_the_look(make, pictures=False, outliers=0.0, conflicts=0.0)
    with transaction(made.ground.parts.database) as session:
        for image in made.ground.pool[::40]:
            factories.image_checks(session, session.get_one(ImageRow, image).content_hash, blurry=0.1)

    made.certify()

    assert made.all()[0].stands and excluded(made) == {}


def test_every_check_of_a_picture_can_exclude(make: MakeGround) -> None:
    made = until_the_look(make)
    images = made.ground.pool[: len(ISSUES)]
    with transaction(made.ground.parts.database) as session:
        for image, name in zip(images, ISSUES, strict=True):
            content = session.get_one(ImageRow, image).content_hash
            factories.image_checks(session, content, **{name: 0.0})

    assert found_by(made, Exclusion.PICTURE) == set(images)


def test_an_engine_that_is_right_in_two_of_three_is_never_sure(make: MakeGround) -> None:
    assert found_by(until_the_look(make), Exclusion.CONFLICT) == set()


def test_an_engine_that_is_always_right_conflicts_exactly_where_the_version_is_wrong(make: MakeGround) -> None:
    made = until_the_look(lambda policy: _with_a_right_engine(make(policy)), before=2)
    with reading(made.ground.parts.database) as session:
        champion = versions.champion(session, made.ground.project.id)
    assert champion is not None
    scored = score_pool(made.ground.parts, made.ground.project, champion)
    said = zip(scored.pool.image_ids.tolist(), scored.predicted.tolist(), strict=True)

    wrong = {image for image, position in said if made.ground.truth[image] != position}

    assert found_by(made, Exclusion.CONFLICT) == wrong


def test_what_has_a_flag_is_not_accepted(make: MakeGround) -> None:
    made = until_the_look(make)
    image = made.ground.pool[0]
    with transaction(made.ground.parts.database) as session:
        factories.change_prelabel(session, image, REVISION, evidence={"flags": ["names a class"]})

    assert found_by(made, Exclusion.FLAG) == {image}


def test_near_duplicates_of_which_the_version_says_different_things_are_not_accepted(make: MakeGround) -> None:
    made = until_the_look(make)
    k = len(made.ground.project.config.classes)
    first = add_images(made.ground, 1, False)[0]
    other = add_images(made.ground, k - len(made.ground.truth) % k or k, False)[-1]
    assert made.ground.truth[first] != made.ground.truth[other]
    with transaction(made.ground.parts.database) as session:
        one, two = session.get_one(ImageRow, first), session.get_one(ImageRow, other)
        two.group_id = one.group_id

    assert found_by(made, Exclusion.TWIN) == {first, other}


def test_a_twin_of_a_training_image_with_another_label_is_not_accepted(make: MakeGround) -> None:
    """A group that people's labels took apart: the vectors say twin, the fingerprints too, the label contradicts."""
    made = until_the_look(make)
    with transaction(made.ground.parts.database) as session:
        trained = session.scalars(sa.select(ReviewRow.image_id).where(ReviewRow.kind == HARD)).first()
        assert trained is not None
        group = session.get_one(ImageRow, trained).group_id
        near = next(image for image in made.ground.pool if session.get_one(ImageRow, image).group_id != group)
        print_ = bytes(range(256)) + bytes(96)
        for image in (trained, near):
            factories.fingerprint(session, session.get_one(ImageRow, image).content_hash, print_)
        factories.grouping(session, made.id, sure=20.0, near=20.0)
    with reading(made.ground.parts.database) as session:
        champion = versions.champion(session, made.ground.project.id)
    assert champion is not None
    scored = score_pool(made.ground.parts, made.ground.project, champion)
    rows = scored.pool.rows_of(np.array([trained, near], np.int64))
    assert scored.predicted[rows[1]] >= 0
    predicted = scored.predicted.copy()
    predicted[rows[1]] = (made.ground.truth[trained] + 1) % len(made.ground.project.config.classes)
    vectors = np.array(scored.pool.image_vectors)
    vectors[rows[1]] = vectors[rows[0]]
    pool = replace(scored.pool, image_vectors=vectors)

    found = exclusions(made.ground.parts, made.ground.project, replace(scored, pool=pool, predicted=predicted), TERMS)

    assert found[Exclusion.TWIN][rows[1]]
    [(row, why)] = reasons_of({Exclusion.TWIN: found[Exclusion.TWIN]}, rows[1:])
    assert (row, why) == (rows[1], Exclusion.TWIN.value)


def test_whom_the_rule_excludes_does_not_depend_on_what_people_answered_in_the_stream(make: MakeGround) -> None:
    made = until_the_look(make)
    add_images(made.ground, 8, False, vector=lambda one: -one * 3)
    before = [found_by(made, reason) for reason in Exclusion]

    made.answer_all_wrong()

    assert [found_by(made, reason) for reason in Exclusion] == before


def test_an_image_without_a_finite_vector_is_not_accepted_and_says_so(make: MakeGround) -> None:
    made = until_the_look(make)
    lost = add_images(made.ground, 3, False, vector=lambda one: np.full_like(one, np.nan))
    made.ask()

    made.certify()

    assert found_by(made, Exclusion.UNKNOWN) == set(lost)
    assert made.all()[0].stands and not set(lost) & made.labels().keys()


def test_why_an_image_was_not_accepted_is_part_of_its_story_and_of_the_page(make: MakeGround) -> None:
    made = until_the_look(make)
    image = next(one for one in reversed(made.ground.pool))
    with transaction(made.ground.parts.database) as session:
        factories.image_checks(session, session.get_one(ImageRow, image).content_hash, light=0.0)
    made.certify()
    assert image in excluded(made)

    with reading(made.ground.parts.database) as session:
        story = story_of(session, made.ground.parts.settings.home, made.ground.project, image, leads=True)
        shown = read_certificates(session, made.ground.project)

    [fact] = [one for one in story.facts if one.what == "certificate"]
    assert (fact.says, fact.why) == ("not accepted, however sure the version is", Exclusion.PICTURE.value)
    assert story.standing is not None
    assert f"Certificate 1 did not accept it: {Exclusion.PICTURE.value}." in story.standing.waits_for
    assert shown.attempts[0].excluded[Exclusion.PICTURE] == 1


def test_the_rows_go_with_a_deleted_image(make: MakeGround) -> None:
    made = until_the_look(make)
    image = made.ground.pool[-1]
    with transaction(made.ground.parts.database) as session:
        factories.image_checks(session, session.get_one(ImageRow, image).content_hash, light=0.0)
    made.certify()
    assert image in excluded(made)

    made.delete(image)

    assert image not in made.ground.scalars(sa.select(ExcludedImageRow.image_id))


@pytest.mark.parametrize("terms", [{"outliers": 0.02}, {"conflicts": 0.8}, {"pictures": False}])
def test_another_rule_is_another_promise_and_begins_anew(certified: Certifying, terms: dict[str, object]) -> None:
    certified.configure(replace(TERMS, **terms))  # type: ignore[arg-type]

    certified.certify()

    assert certified.all()[0].ended == "its terms were changed in the project file"
    assert certified.ground.scalars(sa.select(GroupRow.id)) and certified.labels() == {}


def _with_a_right_engine(made: Certifying) -> Certifying:
    """Its engine says the truth of every image, .9 sure."""
    k = len(made.ground.project.config.classes)
    with transaction(made.ground.parts.database) as session:
        for image, truth in made.ground.truth.items():
            said = np.where(np.arange(k) == truth, 0.9, 0.1 / (k - 1)).tolist()
            factories.change_prelabel(session, image, REVISION, probs=said)
    return made
