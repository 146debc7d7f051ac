"""The page of labels and the history of an image: filters, corrections of one and many, what blind tasks hide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from db.repositories.labels import labels
from db.repositories.people import annotators
from db.session import insert_new, reading, transaction
from db.tables import AuditRow, DecisionRow, ImageCheckRow, ImageRow, LabelRow
from labeling.jobs import Role
from labeling.project import Policy, Project, Team
from labeling.types import ISSUES, Actor, ImageId, ReviewId, ReviewKind
from tests import factories
from tests.answering import asked, submit
from tests.conftest import NOW
from tests.service.web.test_web_pages import HTML, log_in, token_of
from tests.service.web_client import bearer, make_key, web

LABELS = "/projects/1/labels"
SURE = [0.1, 0.8, 0.1]


@pytest.fixture
def project(database: sa.Engine, make_project: Callable[..., Project]) -> Project:
    project = make_project(database)
    with transaction(database) as session:
        factories.label_studio_project(session, project.id)
    return project


@pytest.fixture
def client(database: sa.Engine, project: Project, tmp_path: Path) -> Iterator[TestClient]:
    with web(database, tmp_path) as client:
        client.headers.update(HTML)
        yield client


def labelled(database: sa.Engine, project: Project) -> list[ReviewId]:
    """Four images: a cat by ann, a dog by bob of the random stream, one in dispute, one skipped."""
    kinds = [ReviewKind.HARD, ReviewKind.RANDOM, ReviewKind.HARD, ReviewKind.HARD]
    made = asked(database, project, kinds, probs=[SURE] * 4)
    submit(database, project, made[0], "cat", shown="dog")
    submit(database, project, made[1], "dog", user=2)
    submit(database, project, made[2], "cat")
    submit(database, project, made[2], "bird", user=2)
    submit(database, project, made[3], None)
    return made


def held(database: sa.Engine, image: int) -> labels.Label:
    with reading(database) as session:
        return labels.current_of(session, [ImageId(image)])[ImageId(image)]


def post(client: TestClient, **fields: object) -> tuple[int, str]:
    """Send the form that stands on the page; the status and where it leads, or the page."""
    token = token_of(client.get(LABELS).text)
    answer = client.post(LABELS, data={"form_token": token, **fields})
    return answer.status_code, answer.headers.get("location", answer.text)


def shown(page: str) -> set[int]:
    return {int(part.split('"')[0]) for part in page.split('name="image" value="')[1:]}


@pytest.mark.parametrize(
    ("query", "images"),
    [
        ("", {1, 2, 3, 4}),
        ("label=cat", {1}),
        ("label=bird", set()),
        ("source=people&kind=&annotator=&text=", {1, 2, 3, 4}),
        ("source=gold", set()),
        ("kind=random", {2}),
        ("annotator=2", {2, 3}),
        ("annotator=2&label=dog", {2}),
        ("disputed=true", {3}),
        ("undecided=true", {4}),
        ("undecided=true&label=cat", set()),
        ("text=0002", {2}),
        ("text=%25", set()),
        ("image=4&image=1", {1, 4}),
        ("after=2", {1}),
    ],
)
def test_the_list_shows_what_its_filters_leave(
    client: TestClient, database: sa.Engine, project: Project, query: str, images: set[int]
) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.ENGINEER))

    answer = client.get(f"{LABELS}?{query}")

    assert answer.status_code == 200
    assert shown(answer.text) == images


def test_images_with_an_issue_are_listed_labelled_or_not_and_people_can_be_asked_about_them(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    labelled(database, project)
    with transaction(database) as session:
        for number in (2, 4):
            name = session.scalar(sa.select(ImageRow.content_hash).where(ImageRow.id == number))
            scores = dict.fromkeys(ISSUES, 0.9) | {"dark": 0.1}
            insert_new(session, ImageCheckRow, [{"content_hash": name, **scores}])
    log_in(client, make_key(database, Role.ENGINEER))

    page = client.get(f"{LABELS}?issue=dark").text
    status, leads_to = post(client, image=[2], deed="ask", reason="too dark to be sure", back="issue=dark")

    assert shown(page) == {2, 4}
    assert shown(client.get(f"{LABELS}?issue=blurry").text) == set()
    assert "The picture itself: dark." in client.get("/projects/1/images/4").text
    assert (status, leads_to) == (303, f"{LABELS}?issue=dark&done=ask&n=1")


def test_the_list_says_who_why_and_where_the_task_is(client: TestClient, database: sa.Engine, project: Project) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.READ))

    page = client.get(LABELS).text

    assert "ann@example.com" in page and "bob@example.com" in page
    assert "people disagree: a lead must decide" in page
    assert "nobody who was asked could tell" in page and "ann@example.com skipped it; it waits for a lead" in page
    assert 'href="http://127.0.0.1:8321/projects/7/data?task=101"' in page
    assert 'href="/projects/1/images/1"' in page
    assert "Give them this label" not in page


def test_pages_follow_one_another_by_a_labels_number(client: TestClient, database: sa.Engine, project: Project) -> None:
    for review in asked(database, project, [ReviewKind.HARD] * 53):
        submit(database, project, review, "cat")
    log_in(client, make_key(database, Role.ENGINEER))

    first = client.get(f"{LABELS}?label=cat").text
    older = first.split('class="button" href="')[1].split('"')[0].replace("&amp;", "&")
    second = client.get(LABELS + older).text

    assert shown(first) == set(range(4, 54))
    assert shown(second) == {1, 2, 3}
    assert "Older labels" not in second and "Newest" in second


def test_one_label_is_corrected_at_once_and_keeps_its_kind(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.ENGINEER, name="lena"))

    status, location = post(client, deed="correct", image=2, label="bird", reason="it has a wing", back="kind=random")

    now = held(database, 2)
    assert (status, location) == (303, f"{LABELS}?kind=random&done=correct&n=1")
    assert (now.value, now.kind, now.decision_id) == ("bird", ReviewKind.RANDOM, 1)
    with reading(database) as session:
        row = session.scalars(sa.select(LabelRow).where(LabelRow.image_id == 2).order_by(LabelRow.id.desc())).first()
        deeds = list(session.scalars(sa.select(AuditRow.action).where(AuditRow.actor == "lena")))
    assert row is not None and (row.author, row.reason) == ("lena", "it has a wing")
    assert "correction" in deeds
    assert "1 image got a label by you" in client.get(location).text


def test_several_are_shown_again_before_anything_happens(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.ENGINEER))
    words = {"deed": "correct", "label": "bird", "reason": "all of them"}

    status, page = post(client, image=[1, 3], **words)
    before = held(database, 1).value
    done, location = post(client, image=[1, 3], confirmed="true", **words)

    assert status == 200 and "Give a label to 2 images?" in page and shown(page) == {1, 3}
    assert before == "cat"
    assert (done, location) == (303, f"{LABELS}?done=correct&n=2")
    assert [held(database, image).value for image in (1, 3)] == ["bird", "bird"]


def test_a_decision_is_taken_back_and_the_answers_count_again(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    reviews = labelled(database, project)
    log_in(client, make_key(database, Role.ENGINEER))
    post(client, deed="correct", image=1, label="unsure", reason="too dark")
    without = held(database, 1).value
    submit(database, project, reviews[0], "dog", version=1)
    still = held(database, 1).value

    _, location = post(client, deed="take back", image=1, reason="not so dark")
    _, again = post(client, deed="take back", image=1, reason="not so dark")

    assert (without, still) == (None, None)
    assert held(database, 1).value == "dog"
    assert location.endswith("n=1") and again.endswith("n=0")


def test_a_given_label_stands_again_when_the_decision_that_there_is_none_is_taken_back(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    asked(database, project, [ReviewKind.HARD])
    with transaction(database) as session:
        factories.label(session, 1, 1, "cat", "import")
    log_in(client, make_key(database, Role.ENGINEER))

    post(client, deed="correct", image=1, label="unsure", reason="who says so?")
    without = held(database, 1).value
    post(client, deed="take back", image=1, reason="the delivery note does")

    assert without is None
    assert (held(database, 1).value, held(database, 1).source.value) == ("cat", "import")


def test_people_are_asked_again_and_label_studio_is_updated(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.ENGINEER))

    status, location = post(client, deed="ask", image=1, reason="unusual")

    assert (status, location) == (303, f"{LABELS}?done=ask&n=1")
    page = client.get("/projects/1/jobs").text
    assert "review" in page and "waits" in page
    assert "people wanted" in client.get("/projects/1/images/1").text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"image": 1, "label": "cat", "reason": " "}, "Say why"),
        ({"image": 1, "label": "", "reason": "x"}, "no label of this project"),
        ({"image": 1, "label": "<b>", "reason": "x"}, "no label of this project"),
        ({"label": "cat", "reason": "x"}, "Tick between one and 50"),
        ({"image": [999], "label": "cat", "reason": "x"}, "Tick between one and 50"),
        ({"image": list(range(1, 60)), "label": "", "reason": "x"}, "Choose a label first"),
    ],
)
def test_what_is_missing_is_said_and_nothing_happens(
    client: TestClient, database: sa.Engine, project: Project, fields: dict[str, object], words: str
) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.ENGINEER))

    status, page = post(client, deed="correct", **fields)

    assert status == 422 and words in page
    with reading(database) as session:
        assert session.scalars(sa.select(DecisionRow)).all() == []


def test_nothing_is_taken_back_without_a_reason(client: TestClient, database: sa.Engine, project: Project) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.ENGINEER))

    status, page = post(client, deed="take back", image=1, reason=" ")

    assert status == 422 and "Say why" in page


def test_images_of_another_project_are_not_touched(
    client: TestClient, database: sa.Engine, project: Project, make_project: Callable[..., Project]
) -> None:
    other = make_project(database, name="plants")
    asked(database, other, [ReviewKind.HARD])
    log_in(client, make_key(database, Role.ENGINEER, ["animals"]))

    status, _ = post(client, deed="correct", image=1, label="cat", reason="x")

    assert status == 422
    assert client.get("/projects/1/images/1").status_code == 404
    assert shown(client.get(f"{LABELS}?image=1").text) == set()


def test_a_task_of_label_studio_leads_to_its_image(client: TestClient, database: sa.Engine, project: Project) -> None:
    labelled(database, project)
    log_in(client, make_key(database, Role.READ))

    assert client.get(f"{LABELS}?task=102").headers["location"] == "/projects/1/images/2"
    assert client.get(f"{LABELS}?task=7").status_code == 404


def test_a_history_tells_every_fact_in_order(client: TestClient, database: sa.Engine, project: Project) -> None:
    reviews = labelled(database, project)
    submit(database, project, reviews[0], "bird", version=5)
    with transaction(database) as session:
        annotators.void(session, 1, Actor("lena", "answers at random", NOW))
    key = make_key(database, Role.ENGINEER)
    log_in(client, key)
    post(client, deed="correct", image=1, label="dog", reason="checked")

    story = client.get("/api/projects/1/images/1/history", headers=bearer(key)).json()
    page = client.get("/projects/1/images/1").text

    shown = [fact["what"] for fact in story["facts"]]
    assert shown[:2] == ["registered", "fetched"]
    assert {"fetched", "asked", "pushed", "seen", "answered", "voided", "label", "decision"} <= set(shown)
    assert shown.count("answered") == 2 and [f["at"] for f in story["facts"]] == sorted(f["at"] for f in story["facts"])
    answers = [fact for fact in story["facts"] if fact["what"] == "answered"]
    assert [fact["details"]["counts"] for fact in answers] == [False, False]
    assert (story["label"], story["hidden"]) == ("dog", False)
    for words in ("0001.png", "test-1", "answers at random", "margin, by hand", "task 101"):
        assert words in page


def test_the_api_tells_the_whole_story_by_number_or_hash_and_the_page_says_the_same(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    labelled(database, project)
    reader = bearer(make_key(database, Role.READ))
    log_in(client, make_key(database, Role.READ))

    story = client.get("/api/projects/1/images/1/why", headers=reader).json()
    by_hash = client.get(f"/api/projects/1/images/{story['image']['content_hash']}/why", headers=reader).json()
    history = client.get("/api/projects/1/images/1/history", headers=reader).json()
    missing = client.get("/api/projects/1/images/no.png/why", headers=reader)
    page = client.get("/projects/1/images/1").text

    assert story == by_hash
    assert {name: story[name] for name in history} == history
    assert story["standing"]["use"] in page and story["image"]["content_hash"] in page
    assert (missing.status_code, "no such image" in missing.json()["detail"]) == (404, True)


def test_names_are_pseudonyms_where_the_policy_says_so(
    database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(database, policy=Policy(team=Team(pseudonyms=True)))
    labelled(database, project)

    with web(database, tmp_path) as client:
        client.headers.update(HTML)
        log_in(client, make_key(database, Role.ENGINEER))
        pages = [client.get(path).text for path in (LABELS, "/projects/1/images/1", "/projects/1/images/3")]

    assert not any("@example.com" in page for page in pages)
    assert all("annotator " in page for page in pages)


def test_while_a_blind_task_is_open_only_leads_see_what_it_hides(
    client: TestClient, database: sa.Engine, project: Project
) -> None:
    asked(database, project, [ReviewKind.RANDOM], probs=[SURE])
    with transaction(database) as session:
        factories.label(session, 1, 1, "bird", "import")
    reader, lead = make_key(database, Role.READ), make_key(database, Role.ENGINEER)

    log_in(client, reader)
    hidden = [client.get(path).text for path in ("/projects/1/images/1", f"{LABELS}?image=1", f"{LABELS}?label=bird")]
    shown = client.get("/api/projects/1/images/1/history", headers=bearer(reader)).json()
    why = client.get("/api/projects/1/images/1/why", headers=bearer(reader)).text
    assert '"standing":null' in why and "random" not in why and "bird" not in why
    log_in(client, lead)
    open_page = client.get("/projects/1/images/1").text

    assert "blind" in hidden[0] and not any("test-1" in page for page in hidden)
    assert "bird" not in hidden[0] and "random" not in hidden[0]
    assert "<strong>bird</strong>" not in hidden[1] and "There is no such label" in hidden[2]
    assert shown["hidden"] and shown["label"] is None
    assert {fact["what"] for fact in shown["facts"]} == {"registered", "fetched", "asked", "pushed", "seen"}
    assert "bird" in open_page and "test-1" in open_page
