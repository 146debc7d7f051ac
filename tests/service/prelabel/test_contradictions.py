"""What an escalation said reaches people: contradicted images are asked first, and its answer stands pre-selected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db.repositories.engines import engines_in_force
from db.repositories.engines.engines_in_force import Stage
from db.session import reading, transaction
from db.tables import ReviewRow
from labeling.jobs import Trigger
from labeling.project import Policy, Project, Shares
from labeling.types import NONE_OF_THESE, ImageId, Outcome, ReviewKind
from service.work.pool.predictions import predictions_of_images
from service.work.review.push import read_queue
from service.work.select.query import choose_query
from service.work.wiring import Parts
from tests import factories
from tests.conftest import NOW
from tests.service.labelled_pool import REVISION, add_champion, make_parts, seed_images

POLICY = Policy(query_size=8, shares=Shares(0, 0, 100, 0))
AGENT, SECOND = Stage(1, "agent:box/small", "agent-1"), Stage(2, "agent:box/large", "second-1")


@pytest.fixture
def parts(database: sa.Engine, tmp_path: Path) -> Parts:
    return make_parts(database, tmp_path)


@pytest.fixture
def project(parts: Parts, make_project: Callable[..., Project]) -> Project:
    return make_project(parts.database, policy=POLICY)


def _sure_of_cats(parts: Parts, project: Project, n: int = 80) -> list[int]:
    """Images of which the champion holds all for cats, the first the most surely; gives those of the pool."""
    images = seed_images(parts, project, n)
    best = np.linspace(0.99, 0.6, n)
    add_champion(parts, project, images, np.stack([best, (1 - best) * 0.6, (1 - best) * 0.4], axis=1))
    return [image for place, image in enumerate(images) if place % 4]


def _say(
    parts: Parts, project: Project, stage: Stage, image: int, answer: str | None, outcome: Outcome = Outcome.LABEL,
    flags: tuple[str, ...] = (),
) -> None:  # fmt: skip
    with transaction(parts.database) as session:
        engines_in_force.note(session, project.id, Stage(0, "seeded", REVISION), NOW)
        engines_in_force.note(session, project.id, stage, NOW)
        said = {"answer": answer, "outcome": outcome, "evidence": {"flags": list(flags)}}
        factories.prelabel(session, image, [], engine="agent", revision=stage.revision, **said)


def _asked(parts: Parts, project: Project, *, representative: bool = False) -> list[int]:
    """Those that the strategy doubts, or the representative ones, in their order."""
    choose_query(parts, project.id, Trigger.PROMOTED, force=True)
    with reading(parts.database) as session:
        query = sa.select(ReviewRow).where(ReviewRow.kind == ReviewKind.HARD).order_by(ReviewRow.place)
        return [one.image_id for one in session.scalars(query) if one.representative is representative]


def test_images_about_which_engines_contradict_the_champion_are_asked_first(parts: Parts, project: Project) -> None:
    pool = _sure_of_cats(parts, project)
    surest, most_doubtful = pool[:32], pool[-1]
    for image in surest:
        _say(parts, project, AGENT, image, "dog")

    asked = _asked(parts, project)

    assert len(asked) == 4 and set(asked) <= {*surest, most_doubtful}


def test_contradicted_images_are_served_in_the_order_in_which_they_were_asked(parts: Parts, project: Project) -> None:
    pool = _sure_of_cats(parts, project)
    for image in pool[:32]:
        _say(parts, project, AGENT, image, "dog")

    asked = _asked(parts, project)
    served = [int(review.image_id) for review in read_queue(parts, project.id).reviews]

    assert len(set(asked) & set(pool[:32])) > 1
    assert [image for image in served if image in asked] == asked


def test_a_flagged_answer_is_asked_about_even_if_it_agrees(parts: Parts, project: Project) -> None:
    pool = _sure_of_cats(parts, project)
    _say(parts, project, AGENT, pool[0], "cat", flags=("flipped without its text",))

    asked = _asked(parts, project)

    assert pool[0] in asked


def test_answers_that_agree_or_abstain_change_nothing_in_what_is_asked(
    parts: Parts, project: Project, make_project: Callable[..., Project], tmp_path: Path, empty_database: Path
) -> None:
    from db.session import make_engine

    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "hardcase.db").write_bytes(empty_database.read_bytes())
    twin = make_parts(make_engine(f"sqlite:///{tmp_path}/twin/hardcase.db"), tmp_path / "twin")
    twin_project = make_project(twin.database, policy=POLICY)
    pool = _sure_of_cats(parts, project)
    _say(parts, project, AGENT, pool[0], "cat")
    _say(parts, project, AGENT, pool[1], None, Outcome.ABSTAINED)
    _sure_of_cats(twin, twin_project)

    with_escalation, without = _asked(parts, project), _asked(twin, twin_project)

    twin.database.dispose()
    assert with_escalation == without


def test_without_a_champion_the_last_engine_that_did_not_abstain_is_shown(parts: Parts, project: Project) -> None:
    images = seed_images(parts, project, 40)
    asked = _asked(parts, project, representative=True)
    _say(parts, project, SECOND, asked[0], "bird")
    _say(parts, project, AGENT, asked[0], "dog")  # written later, and stands before it
    _say(parts, project, AGENT, asked[1], "dog")
    _say(parts, project, SECOND, asked[1], None, Outcome.ABSTAINED)
    _say(parts, project, SECOND, asked[2], None, Outcome.NONE_OF_THESE)

    queue = read_queue(parts, project.id)

    shown = {int(review.image_id): queue.suggestions[review.id].answer for review in queue.reviews}
    assert [shown[image] for image in asked[:3]] == ["bird", "dog", NONE_OF_THESE]
    assert shown[asked[3]] is not None and len(images) == 40


def test_a_champion_that_has_predicted_is_shown_before_any_engine(parts: Parts, project: Project) -> None:
    pool = _sure_of_cats(parts, project)
    _say(parts, project, AGENT, pool[0], "dog")
    _asked(parts, project)

    with reading(parts.database) as session:
        version = session.scalars(sa.select(ReviewRow.image_id)).all()
    of_engine = predictions_of_images(parts, project, [ImageId(pool[0])])[ImageId(pool[0])].engine
    queue = read_queue(parts, project.id)

    [review] = [review for review in queue.reviews if review.image_id == pool[0]]
    assert pool[0] in version and of_engine is not None and of_engine.answer == "dog"
    assert queue.suggestions[review.id].answer == "cat"
