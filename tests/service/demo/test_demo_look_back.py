"""Looking back over a finished demo: rounds and pictures from rows and files that the loop left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.labels.labels import DISPUTED
from db.repositories.projects import projects
from db.session import reading, transaction
from db.tables import ImageRow
from db.views import project_history
from db.views.project_history import TWIN
from labeling.adapters.storage.image_store import ImageStore
from labeling.jobs import Trigger
from labeling.project import CertificateTerms, Policy, Project, Shares
from labeling.types import Actor, LabelSource, ReviewKind
from service.demo.annotators import SimulatedAnswers
from service.demo.look_back import make_rounds, read_past, take_pictures
from service.demo.loop import is_counted
from service.demo.measured.accuracies import compare_accuracies
from service.demo.measured.finished import compare_certificate
from service.demo.measured.last_known import LastKnown
from service.demo.measured.machine_labels import compare_machine_labels
from service.demo.measured.moment import read_moment
from service.figures.figures import stored
from service.figures.machine_labels import MachineLabels
from service.figures.random_stream import RandomStream
from service.work.certify.certify import certify
from service.work.figures.refresh import refresh
from service.work.learn.learn import learn
from service.work.promote.judge import judge, promote_by_hand
from service.work.promote.predict import predict
from service.work.quality.random_arm import refresh_random_arm
from tests import factories
from tests.factories import NOW
from tests.service.certify.ground import Certifying
from tests.service.labelled_pool import Ground, make_ground


@pytest.fixture
def ground(database: sa.Engine, tmp_path: Path, make_project: Callable[..., Project]) -> Ground:
    """A project with images that were registered, fetched, and can be shown."""
    made = make_ground(database, tmp_path / "home", make_project(database, policy=Policy(learn_after_labels=12)))
    images = ImageStore(str(tmp_path / "media"))
    picture = BytesIO()
    Image.new("RGB", (20, 10), "red").save(picture, "PNG")
    with transaction(database) as session:
        for image in session.scalars(sa.select(ImageRow)):
            images.keep(image.content_hash, picture.getvalue(), "image/png", None)
            name = factories.registration(
                session, made.project.id, f"/somewhere/{image.id}.png", text=f"text of {image.id}"
            )
            factories.fetch(session, name, image.id)
    return replace(made, parts=replace(made.parts, images=images))


def people_of(ground: Ground) -> SimulatedAnswers:
    classes = ground.project.config.classes
    return SimulatedAnswers({f"{i}.png": classes[k] for i, k in ground.truth.items()}, classes, 0.0, 0)


def turn(ground: Ground) -> None:
    learn(ground.parts, ground.project.id, Trigger.ANSWERED)
    judge(ground.parts, ground.project.id, Trigger.LEARNED)


def test_there_is_a_round_for_every_verdict_beside_as_many_random_labels(ground: Ground) -> None:
    ground.label(ground.pool[:15], ReviewKind.HARD)
    ground.label(ground.reserved[:20], ReviewKind.RANDOM)
    turn(ground)
    ground.label(ground.pool[15:30], ReviewKind.HARD)
    ground.label(ground.reserved[20:], ReviewKind.RANDOM)
    turn(ground)

    first, second = make_rounds(read_past(ground.parts, ground.project), people_of(ground))

    assert (first.labels_by_people, first.training_labels, first.random_labels) == (35, 15, 20)
    assert first.accuracy is None and first.random_accuracy is None and first.verdict == "not yet known"
    assert (second.labels_by_people, second.training_labels, second.random_labels) == (70, 30, 40)
    assert second.accuracy is not None and second.interval is not None
    assert second.random_accuracy is not None and second.random_accuracy > 0.5
    assert second.promoted and "random stream" in second.reason
    assert second.triggers == {"select": "by hand", "learn": "answered", "promote": "learned"}


def test_the_pictures_show_the_champion_on_the_random_labels(ground: Ground) -> None:
    ground.label(ground.pool[:30], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    turn(ground)

    pictures = take_pictures(ground.parts, read_moment(ground.parts, ground.project), people_of(ground))

    assert pictures.confusion.sum() == len(ground.reserved)
    assert len(pictures.hardest) == 12
    assert all(image.thumbnail.startswith("data:image/png") and image.caption for image in pictures.hardest)
    assert all(image.answer == image.truth for image in pictures.hardest)


def test_without_a_champion_there_are_no_pictures(ground: Ground) -> None:
    pictures = take_pictures(ground.parts, read_moment(ground.parts, ground.project), people_of(ground))

    assert not pictures.confusion.any() and not pictures.hardest


def test_the_bounds_of_machine_labels_are_compared_with_the_truth(ground: Ground) -> None:
    people = people_of(ground)
    before = compare_machine_labels(read_moment(ground.parts, ground.project), people)
    ground.label(ground.pool[:30], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    turn(ground)
    predict(ground.parts, ground.project.id)

    found = compare_machine_labels(read_moment(ground.parts, ground.project), people)

    assert before == ()
    assert found[-1].images == 30 and found[0].images < 30
    known = [one for one in found if one.lower is not None]
    assert known and all(one.lower <= one.true_precision <= 1 for one in known)


def test_a_demo_ends_once_the_figures_know_of_every_answer_and_the_random_arm_is_counted(ground: Ground) -> None:
    database, project = ground.parts.database, ground.project
    ground.label(ground.reserved[:10], ReviewKind.RANDOM)
    assert not is_counted(database, project, 10)
    refresh(ground.parts, project.id)
    assert is_counted(database, project, 10) and not is_counted(database, project, 11)

    ground.label(ground.reserved[10:], ReviewKind.RANDOM)
    refresh(ground.parts, project.id)
    assert not is_counted(database, project, 40)
    refresh_random_arm(ground.parts, project.id)

    assert is_counted(database, project, 40)


def promote(ground: Ground) -> None:
    """A version of today's labels is the champion, and has predicted; the figures are not counted yet."""
    made = learn(ground.parts, ground.project.id, Trigger.ANSWERED)
    promote_by_hand(ground.parts, ground.project.id, made["version"], "lead", "for the test")
    predict(ground.parts, ground.project.id)


def test_a_demo_does_not_end_on_figures_of_the_version_before(ground: Ground) -> None:
    database, project = ground.parts.database, ground.project
    ground.label(ground.pool[:30], ReviewKind.HARD)
    ground.label(ground.reserved[:10], ReviewKind.RANDOM)
    refresh(ground.parts, project.id)
    assert is_counted(database, project, 40)

    promote(ground)
    assert not is_counted(database, project, 40)
    refresh(ground.parts, project.id)

    assert is_counted(database, project, 40)


def test_a_moment_has_the_figures_that_the_worker_counts_of_the_same_rows(ground: Ground) -> None:
    ground.label(ground.pool[:30], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    promote(ground)
    refresh(ground.parts, ground.project.id)

    moment = read_moment(ground.parts, ground.project)

    with reading(ground.parts.database) as session:
        assert moment.stream == stored(session, ground.project.id, RandomStream)
        assert moment.machine == stored(session, ground.project.id, MachineLabels)
    assert moment.labelled == 70 and len(moment.left) == moment.stream.left_over == 30
    assert moment.stream.on_what_is_left.known and moment.machine.thresholds


def test_figures_that_nothing_is_left_for_stay_as_they_were_known_last(ground: Ground) -> None:
    known = LastKnown(ground.parts, ground.project, people_of(ground))
    ground.label(ground.pool[:30], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    promote(ground)
    refresh(ground.parts, ground.project.id)
    known.follow(1)
    then = known.beside
    ground.label(ground.pool[30:], ReviewKind.HARD)

    end = known.add(read_moment(ground.parts, ground.project))

    assert then is not None and (then.labelled, dict(then.earlier)) == (70, {})
    for share in (then.accuracy_on_collection, then.accuracy_on_what_is_left):
        assert share.value is not None and share.lower is not None and share.upper is not None
        assert share.truth is not None and share.lower <= share.truth <= share.upper
    assert end.labelled == 100
    assert end.earlier == {"accuracy_on_what_is_left": 70, "machine_labels": 70}
    assert end.accuracy_on_what_is_left == then.accuracy_on_what_is_left
    assert end.machine_labels == then.machine_labels and then.machine_labels[-1].images == 30
    assert end.accuracy_on_collection.value is not None


def test_a_moment_waits_for_the_figures_of_the_version_in_use(ground: Ground) -> None:
    known = LastKnown(ground.parts, ground.project, people_of(ground))
    ground.label(ground.pool[:30], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    known.follow(1)
    assert known.beside is None
    promote(ground)
    refresh(ground.parts, ground.project.id)
    known.follow(1)
    first = known.beside
    ground.label(ground.pool[30:45], ReviewKind.HARD)
    promote(ground)

    known.follow(2)
    assert known.beside is first
    refresh(ground.parts, ground.project.id)
    known.follow(2)
    second = known.beside
    known.follow(2)

    assert first is not None and second is not None and known.beside is second
    assert (first.labelled, second.labelled) == (70, 85)
    assert [one.machine_labels[-1].images for one in (first, second)] == [30, 15]


def test_what_a_certificate_labelled_is_left_in_the_figure_and_in_its_truth(ground: Ground) -> None:
    ground.label(ground.pool[:30], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)
    promote(ground)
    with transaction(ground.parts.database) as session:
        for image in ground.pool[30:]:
            wrong = ground.project.config.classes[ground.truth[image] - 1]
            factories.label(session, ground.project.id, image, wrong, LabelSource.CERTIFICATE)

    moment = read_moment(ground.parts, ground.project)
    _, on_what_is_left = compare_accuracies(moment, people_of(ground))

    assert moment.stream.left_over == len(moment.left) == 30
    assert on_what_is_left.value is not None and on_what_is_left.truth is not None and on_what_is_left.truth > 0.8


def test_how_far_counts_facts_and_an_image_keeps_the_name_it_came_with(ground: Ground) -> None:
    ground.label(ground.pool[:3], ReviewKind.HARD)

    with reading(ground.parts.database) as session:
        now = project_history.how_far(session, ground.project.id)
        named = project_history.first_named(session, ground.project.id)
        answers = project_history.answers(session, ground.project.id)

    assert (now.registered, now.fetched, now.images, now.prelabelled) == (100, 100, 100, 100)
    assert (now.asked, now.answered, now.annotations, now.versions, now.judged) == (3, 3, 3, 0, 0)
    assert named[ground.pool[0]].reference == f"/somewhere/{ground.pool[0]}.png"
    assert [answer.image_id for answer in answers] == ground.pool[:3]


def test_every_image_is_labelled_by_somebody_or_it_is_said_why_not(ground: Ground) -> None:
    database, of = ground.parts.database, ground.project.id
    ground.label(ground.pool[:5], ReviewKind.HARD)
    ground.label(ground.pool[5:7], None)
    with transaction(database) as session:
        factories.label(session, of, ground.pool[7], "cat", LabelSource.CERTIFICATE)
        twin = session.get_one(ImageRow, ground.pool[8])
        twin.group_id = session.get_one(ImageRow, ground.pool[0]).group_id
        disputed = factories.review(session, of, ground.pool[9], ReviewKind.HARD)
        factories.annotation(session, disputed, "cat")
        factories.label(session, of, ground.pool[9], None, reason=DISPUTED, review_id=disputed)

    with reading(database) as session:
        found = project_history.how_labelled(session, of)

    assert (found.answered, found.people, found.given, found.certificate) == (6, 5, 2, 1)
    assert found.left == {TWIN: 1, DISPUTED: 1}
    assert found.waiting == len(ground.truth) - 10


def test_what_a_certificate_promised_stands_beside_what_is_so(ground: Ground) -> None:
    config = ground.project.config
    terms = CertificateTerms(precision=0.7, first_size=12, sizes=1, audit=0)
    policy = replace(config.policy, certificate=terms, shares=Shares(0.5, 0.5), query_size=30)
    project = replace(ground.project, config=replace(config, policy=policy))
    people = people_of(ground)
    with transaction(ground.parts.database) as session:
        projects.configure(session, project.id, project.config, Actor("ann", "a target", NOW))
    certify(ground.parts, project.id)
    moment = read_moment(ground.parts, project)
    before = compare_certificate(ground.parts, moment, people)
    certifying = Certifying(replace(ground, project=project))
    certifying.play(1)
    certifying.version()
    certifying.play(1)
    certify(ground.parts, project.id)

    found = compare_certificate(ground.parts, moment, people)

    assert not before.tried and before.true_precision is None and "tried next with 12" in before.words
    assert found.tried and found.stands and found.sampled == 12
    assert found.accepted == len(certifying.labels()) > 0
    assert found.true_precision == round(1 - certifying.wrong(), 4) >= 0.7
    assert "labelled by people" in found.words
