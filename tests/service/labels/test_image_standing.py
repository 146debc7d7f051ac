"""Where an image stands and why: what its label is used for, why it has none, and finding it by what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.repositories.images import groups
from db.repositories.images.by_name import find_image
from db.repositories.images.groups import Move
from db.repositories.labels.labels import DISPUTED
from db.repositories.reviews import overlaps
from db.repositories.running import failures
from db.session import reading, transaction
from db.tables import ReviewRow
from labeling.errors import Invalid, NotFound
from labeling.jobs import Trigger
from labeling.project import Policy, Project
from labeling.types import NONE_OF_THESE, Actor, ImageId, LabelSource, ReviewId, ReviewKind
from service.labels.image_history import Story, story_of
from service.labels.image_standing import Standing
from service.work.select.query import choose_query
from tests import factories
from tests.factories import NOW
from tests.service.labelled_pool import Ground, add_champion, add_images, make_ground

PROBS = [0.7, 0.2, 0.1]


@pytest.fixture
def ground(any_database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    project = make_project(any_database, policy=Policy(query_size=10, low_water=4))
    return make_ground(any_database, tmp_path / "home", project, pool=24, reserved=8)


def story(ground: Ground, image: int, *, leads: bool = True) -> Story:
    with reading(ground.parts.database) as session:
        return story_of(session, ground.parts.settings.home, ground.project, ImageId(image), leads=leads)


def standing(ground: Ground, image: int) -> Standing:
    found = story(ground, image).standing
    assert found is not None
    return found


def given(ground: Ground, image: int, value: str | None = "cat", **more: object) -> Standing:
    """Where it stands with a label that no review made."""
    with transaction(ground.parts.database) as session:
        factories.label(session, ground.project.id, image, value, **more)  # type: ignore[arg-type]
    return standing(ground, image)


def used(one: Standing) -> tuple[bool, bool]:
    return one.trains, one.measures


# --- what a label is used for ---------------------------------------------------------------------------


def test_the_use_of_a_label_follows_from_kind_source_and_reserve(ground: Ground) -> None:
    hard, none, audit, gold, imported, machine = ground.pool[:6]
    drawn, kept = ground.reserved[:2]
    ground.label([hard], ReviewKind.HARD)
    ground.label([none], ReviewKind.HARD, NONE_OF_THESE)
    ground.label([audit], ReviewKind.AUDIT)
    ground.label([drawn], ReviewKind.RANDOM)

    found = {
        "hard": standing(ground, hard),
        "none": standing(ground, none),
        "audit": standing(ground, audit),
        "gold": given(ground, gold, source=LabelSource.GOLD),
        "imported": given(ground, imported, source=LabelSource.IMPORT),
        "machine": given(ground, machine, source=LabelSource.CERTIFICATE),
        "drawn": standing(ground, drawn),
        "kept": given(ground, kept, source=LabelSource.IMPORT),
    }

    assert {name for name, one in found.items() if one.trains} == {"hard", "imported"}
    assert {name for name, one in found.items() if one.measures} == {"drawn"}
    for name, words in {
        "hard": "a review of the kind hard made it",
        "none": "names none",
        "audit": "precision of labels that were accepted",
        "gold": "annotators are measured",
        "imported": "given, not asked for",
        "machine": "no person said it",
        "drawn": "of the random stream",
        "kept": "reserved for the random stream",
    }.items():
        assert words in found[name].use and not found[name].waits_for, name
    assert (found["drawn"].drawn, found["drawn"].reserved, found["kept"].drawn) == (True, True, False)


def test_of_a_group_one_image_measures_and_the_others_say_which(ground: Ground) -> None:
    first, second = ground.reserved[:2]
    ground.label([first], ReviewKind.RANDOM)
    with transaction(ground.parts.database) as session:
        there, here = groups.standing(session, [ImageId(first)])[0], groups.standing(session, [ImageId(second)])[0]
        move = Move(ImageId(second), here.group_id, there.founder, there.position)
        groups.move(session, ground.project.id, [move], "test", NOW)

    other = given(ground, second, source=LabelSource.IMPORT)

    assert used(other) == (False, False) and other.images_in_group == 2
    assert f"image {first} measures for their group" in other.use


def test_a_sample_that_was_imported_never_trains_whoever_corrects_it(ground: Ground) -> None:
    image = ground.pool[0]

    sampled = given(ground, image, source=LabelSource.SAMPLE)
    corrected = given(ground, image, "dog", source=LabelSource.PEOPLE)

    assert used(sampled) == used(corrected) == (False, False)
    assert "random sample" in sampled.use and "random sample" in corrected.use


# --- why there is none ----------------------------------------------------------------------------------


def test_an_image_without_label_says_what_it_waits_for(ground: Ground) -> None:
    [unready] = add_images(ground, 1, False, ready=False)
    [broken] = add_images(ground, 1, False, ready=False)
    asked, second, disputed, free = ground.pool[:4]
    with transaction(ground.parts.database) as session:
        failures.record(session, ground.project.id, "prelabel", str(broken), "the engine cannot read it", True, NOW)
        factories.review(session, ground.project.id, asked, ReviewKind.HARD)
        review = factories.review(session, ground.project.id, second, ReviewKind.HARD)
        factories.seen(session, review)
        factories.annotation(session, review, "cat")
        overlaps.want(session, {ReviewId(review): 2}, Actor("policy", "doubt", NOW))
    words = {image: standing(ground, image).waits_for for image in (unready, broken, asked, second, free)}
    words[disputed] = given(ground, disputed, None, reason=DISPUTED).waits_for
    words[ground.reserved[0]] = standing(ground, ground.reserved[0]).waits_for

    assert words == {
        unready: "It waits for its first pre-label.",
        broken: "It cannot be asked about: the engine cannot read it",
        asked: "People are asked about it now.",
        second: "It waits for another answer.",
        disputed: "It has no label: people disagree: a lead must decide.",
        free: "It is not asked about yet: the next query may.",
        ground.reserved[0]: "It is not asked about yet: the random stream does so in its turn.",
    }


def test_what_nobody_could_tell_waits_for_a_lead(ground: Ground) -> None:
    image = ground.pool[0]
    with transaction(ground.parts.database) as session:
        review = factories.review(session, ground.project.id, image, ReviewKind.HARD)
        factories.seen(session, review)
        factories.annotation(session, review, "unsure")

    assert standing(ground, image).waits_for == "Nobody who was asked could tell: it waits for a lead."


def test_a_near_duplicate_of_what_was_asked_is_not_asked(ground: Ground) -> None:
    first, second = ground.pool[:2]
    with transaction(ground.parts.database) as session:
        there, here = groups.standing(session, [ImageId(first)])[0], groups.standing(session, [ImageId(second)])[0]
        move = Move(ImageId(second), here.group_id, there.founder, there.position)
        groups.move(session, ground.project.id, [move], "test", NOW)
    ground.label([first], ReviewKind.HARD)

    assert "of its near-duplicates one was" in standing(ground, second).waits_for


def test_what_a_version_says_of_an_image_is_left_to_the_machine_until_it_is_asked_about(ground: Ground) -> None:
    add_champion(ground.parts, ground.project, ground.pool, [PROBS] * len(ground.pool))

    words = standing(ground, ground.pool[0]).waits_for

    assert words.endswith("the next query may. Until then it is left to the machine: version 1 says cat (70 %).")


# --- queries --------------------------------------------------------------------------------------------


def test_a_question_tells_its_query_and_the_reason_and_others_were_left_aside(ground: Ground) -> None:
    choose_query(ground.parts, ground.project.id, Trigger.PRELABELED)
    with transaction(ground.parts.database) as session:
        asked = list(session.scalars(sa.select(ReviewRow).where(ReviewRow.kind == ReviewKind.HARD)))
        picked, first = asked[0].image_id, asked[0].place
        session.execute(sa.update(ReviewRow).where(ReviewRow.image_id != picked).values(reason=None))
    choose_query(ground.parts, ground.project.id, Trigger.HAND, force=True)
    free = next(image for image in ground.pool if not any(one.what == "asked" for one in story(ground, image).facts))

    [question] = [one for one in story(ground, picked).facts if one.what == "asked"]
    [unknown] = [one for one in story(ground, asked[1].image_id).facts if one.what == "asked"]

    assert question.why == "margin, prelabeled: typical of its cluster"
    told = {name: question.details[name] for name in ("query", "seed", "place", "probability", "representative")}
    assert told == {"query": 1, "seed": ground.project.config.policy.seed, "place": first, "probability": 1.0} | {
        "representative": True
    }
    assert unknown.why == "margin, prelabeled: the reason was not kept, an older hardcase asked"
    assert standing(ground, free).left_aside == (1, 2)
    assert standing(ground, picked).left_aside == ()
    assert standing(ground, ground.reserved[0]).left_aside == ()


def test_a_shadow_pick_names_its_query(ground: Ground) -> None:
    images = ground.pool + ground.reserved
    add_champion(ground.parts, ground.project, images, [[0.34, 0.33, 0.33]] * len(images))
    ground.label(ground.pool[:3], ReviewKind.HARD)

    number = choose_query(ground.parts, ground.project.id, Trigger.PROMOTED)["query"]

    shadows = {standing(ground, image).shadow_pick_of for image in ground.reserved}
    assert number in shadows <= {number, None}
    assert all(standing(ground, image).shadow_pick_of is None for image in ground.pool)


def test_where_an_image_stands_is_hidden_while_it_is_asked_about_blind(ground: Ground) -> None:
    image = ground.reserved[0]
    with transaction(ground.parts.database) as session:
        factories.review(session, ground.project.id, image, ReviewKind.RANDOM, blind=True)
        factories.label(session, ground.project.id, image, "cat", source=LabelSource.IMPORT)

    shown, lead = story(ground, image, leads=False), story(ground, image)

    assert shown.hidden and shown.standing is None and shown.item.label is None
    assert lead.standing is not None and lead.standing.reserved


# --- found by what is known -----------------------------------------------------------------------------


def test_an_image_is_found_by_number_hash_and_reference(ground: Ground) -> None:
    image, other = ground.pool[:2]
    with transaction(ground.parts.database) as session:
        for revision, (one, name) in enumerate([(image, "/srv/cat/1.jpg"), (other, "/srv/dog/1.jpg")]):
            factories.fetch(session, factories.registration(session, ground.project.id, name), one)
            factories.fetch(session, factories.registration(session, ground.project.id, f"{revision}.png"), one)
        newer = factories.registration(session, ground.project.id, "0.png", revision=1)
        factories.fetch(session, newer, other)
    content = story(ground, image).item.content_hash

    with reading(ground.parts.database) as session:
        names = str(image), content, content.upper(), "/srv/cat/1.jpg", "cat/1.jpg"
        found = [find_image(session, ground.project.id, name) for name in names]
        newest = find_image(session, ground.project.id, "0.png")
        with pytest.raises(Invalid, match=r"/srv/cat/1\.jpg, /srv/dog/1\.jpg"):
            find_image(session, ground.project.id, "1.jpg")

    assert found == [image] * 5
    assert newest == other


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("no.jpg", "no such image: 'no.jpg'"),
        ("999999", "no such image: '999999'"),
        ("9" * 40, "no such image"),
        ("", "no such image: ''"),
        ("%", "no such image: '%'"),
        ("waits.jpg", "not fetched yet"),
        ("bad.jpg", "bad.jpg is no image yet: not an image"),
    ],
)
def test_an_image_that_is_not_there_says_why(ground: Ground, named: str, words: str) -> None:
    with transaction(ground.parts.database) as session:
        factories.registration(session, ground.project.id, "waits.jpg")
        bad = factories.registration(session, ground.project.id, "bad.jpg")
        failures.record(session, ground.project.id, "fetch", str(bad), "not an image", True, NOW)

    with reading(ground.parts.database) as session, pytest.raises(NotFound, match=words):
        find_image(session, ground.project.id, named)
