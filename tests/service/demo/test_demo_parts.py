"""The demo's parts: images laid out, simulated answers, the random arm, the summary and the report."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from labeling.errors import Invalid, Unavailable
from labeling.estimates import Estimate
from labeling.learn.classifier import Inputs
from labeling.types import NONE_OF_THESE, Incoming
from service.demo.annotators import Account, Annotators, SimulatedAnswers, shown_choice, submitted_form
from service.demo.images import prepare_images
from service.demo.measured.last_known import ArmBeside, Beside, newest_known
from service.demo.measured.random_arm import RandomArm
from service.demo.people import People, Person
from service.demo.project import gold_manifest, project_file
from service.demo.report import (
    HardImage,
    Line,
    Pictures,
    labelled_lines,
    lines_of,
    rounds_table,
    thumbnail,
    write_report,
)
from service.demo.stamps import CLASSES
from service.demo.summary import (
    Annotations,
    Certified,
    Labelled,
    MachineThreshold,
    Measured,
    RandomPoint,
    Replayed,
    Round,
    Saved,
    Summary,
    compare_annotations,
    write_summary,
)
from service.figures.estimates import known
from service.figures.random_arm import ArmPoint
from service.ingest.register import items_of
from service.projects.project_file import parse_project


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name, colour in (("cat", (200, 0, 0, 0)), ("dog", (0, 0, 200, 255))):
        (root / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGBA", (30 + number, 20), colour).save(root / name / f"{name}-{number}.png")
    (root / "cat" / "cat-0.txt").write_text("A tabby.\n")
    (root / "dog" / "broken.jpg").write_bytes(b"not an image")
    return root


def test_the_names_that_hardcase_sees_do_not_contain_the_class(class_folders: Path, tmp_path: Path) -> None:
    images = prepare_images(str(class_folders), tmp_path / "demo")

    names = sorted(path.name for path in images.folder.iterdir())
    assert not any("cat" in name or "dog" in name for name in names)
    assert len(images.truth) == 7 and set(images.truth.values()) == {"cat", "dog"}
    assert images.classes == (("cat", ""), ("dog", ""))
    assert json.loads((tmp_path / "demo" / "truth.json").read_text()) == images.truth


def test_laying_out_twice_gives_the_same_names_and_bytes(class_folders: Path, tmp_path: Path) -> None:
    first = prepare_images(str(class_folders), tmp_path / "a")
    second = prepare_images(str(class_folders), tmp_path / "b")

    assert first.truth == second.truth
    for name in first.truth:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_images_are_flattened_on_white_and_captions_lie_beside_them(class_folders: Path, tmp_path: Path) -> None:
    images = prepare_images(str(class_folders), tmp_path / "demo")

    (caption,) = images.folder.glob("*.txt")
    with Image.open(caption.with_suffix(".png")) as picture:
        assert picture.mode == "RGB" and picture.getpixel((0, 0)) == (255, 255, 255)
    assert caption.read_text() == "A tabby.\n"


def test_an_image_that_cannot_be_read_goes_to_hardcase_as_it_is(class_folders: Path, tmp_path: Path) -> None:
    images = prepare_images(str(class_folders), tmp_path / "demo")

    (broken,) = images.folder.glob("*.jpg")
    assert broken.read_bytes() == b"not an image"


def test_a_folder_without_classes_is_refused_with_what_it_must_hold(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="two folders"):
        prepare_images(str(tmp_path), tmp_path / "demo")
    with pytest.raises(Invalid, match="no such folder"):
        prepare_images(str(tmp_path / "nothing"), tmp_path / "demo")


def test_the_stamp_classes_are_about_twenty_and_small_takes_six() -> None:
    names = [cls.name for cls in CLASSES]

    assert len(set(names)) == len(names) == 20
    assert sum(cls.small for cls in CLASSES) == 6
    assert all(cls.description.endswith(".") for cls in CLASSES)


def test_the_project_file_of_the_demo_can_be_read(class_folders: Path, tmp_path: Path) -> None:
    images = prepare_images(str(class_folders), tmp_path / "demo")

    few = parse_project(project_file(images))
    many = parse_project(project_file(replace(images, truth={f"{i}.png": "cat" for i in range(500)})))

    assert few.classes == ("cat", "dog") and few.policy.gate.min_labels == 10
    assert many.policy.gate.min_labels == 30 and many.policy.query_size == 40
    assert many.policy.shares.random_first == many.policy.shares.random and many.policy.shares.re_review == 0.2
    assert many.policy.certificate is not None and many.policy.certificate.precision == 0.9
    assert many.policy.certificate.confidence == 0.9 and many.policy.certificate.sizes == 1


def test_a_simulated_annotator_errs_at_its_stated_rate_and_repeats_itself() -> None:
    truth = {f"{i}.png": "cat" for i in range(2_000)}
    answers = SimulatedAnswers(truth, ("cat", "dog", "bird"), error_rate=0.05, seed=7)

    given = [answers.to(reference) for reference in truth]

    assert given == [answers.to(f"/home/somebody/images/{reference}") for reference in truth]
    assert 60 <= sum(answer != "cat" for answer in given) <= 140
    assert set(given) == {"cat", "dog", "bird"}


def task_with(*results: list[dict[str, Any]]) -> dict[str, Any]:
    predictions = [{"id": 10 + number, "result": result} for number, result in enumerate(results)]
    return {"id": 3, "project": 1, "predictions": predictions, "data": {"image": "http://127.0.0.1/x"}}


CAT = [{"type": "choices", "value": {"choices": ["cat"]}}]


@pytest.mark.parametrize(
    ("task", "choice", "origin", "parent"),
    [
        (task_with(CAT), "cat", "prediction", 10),
        (task_with(CAT), "dog", "prediction-changed", 10),
        (task_with(CAT, []), "dog", "manual", 11),
        (task_with(), "dog", "manual", None),
    ],
)
def test_the_submitted_form_says_where_the_answer_comes_from(
    task: dict[str, Any], choice: str, origin: str, parent: int | None
) -> None:
    form = submitted_form(task, choice, lead_time_s=1.5)

    assert form["result"][0]["origin"] == origin
    assert form["result"][0]["value"] == {"choices": [choice]}
    assert form["parent_prediction"] == parent
    assert shown_choice(task)[0] == parent


class FakeLabelStudio(BaseHTTPRequestHandler):
    """As much of Label Studio as an annotator's page calls: login, next task, submit; and our image."""

    server: FakeServer

    def do_GET(self) -> None:
        if self.path.startswith("/media/"):
            self.server.seen.append(self.path)
            self._answer(200, b"bytes")
        else:
            self._answer(200, b'<input name="csrfmiddlewaretoken" value="t0">', cookie="csrftoken=c0")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        if path == "/user/login/":
            self._answer(302, b"", cookie="sessionid=s0")
        elif self.headers["X-CSRFToken"] != "c0":
            self._answer(403, b"{}")
        elif path == "/api/dm/actions":
            task = self.server.next_task()
            self._answer(404 if task is None else 200, json.dumps(task or {}).encode())
        else:
            self.server.submitted.append((path, json.loads(body)))
            self._answer(201, b"{}")

    def _answer(self, status: int, body: bytes, cookie: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if cookie:
            self.send_header("Set-Cookie", f"{cookie}; Path=/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class FakeServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tasks: int) -> None:
        super().__init__(("127.0.0.1", 0), FakeLabelStudio)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.left = list(range(1, tasks + 1))
        self.without_prediction: set[int] = set()
        self.seen: list[str] = []
        self.submitted: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def next_task(self) -> dict[str, Any] | None:
        with self._lock:
            if not self.left:
                return None
            number = self.left.pop(0)
        data = {"image": f"{self.url}/media/{number}"}
        shown = [] if number in self.without_prediction else [{"id": number, "result": CAT if number > 1 else []}]
        return {"id": number, "project": 1, "predictions": shown, "data": data}


@pytest.fixture
def label_studio() -> Iterator[FakeServer]:
    server = FakeServer(tasks=7)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_annotators_look_at_each_image_and_answer_it_once(label_studio: FakeServer) -> None:
    accounts = [Account(f"{i}@simulated.example", "x") for i in range(2)]

    with Annotators(label_studio.url, 1, accounts, lambda account, task: "cat", pause_s=0) as people:
        done = threading.Event()
        while people.answered < 7 and not done.wait(0.01):
            people.check()

    assert sorted(path for path, _ in label_studio.submitted) == [f"/api/tasks/{i}/annotations" for i in range(1, 8)]
    assert sorted(label_studio.seen) == [f"/media/{i}" for i in range(1, 8)]
    assert all(form["lead_time"] >= 0 for _, form in label_studio.submitted)


def test_tasks_that_come_without_any_prediction_are_counted_and_a_blind_one_has_one(label_studio: FakeServer) -> None:
    label_studio.without_prediction = {3, 5}

    with Annotators(label_studio.url, 1, [Account("a@x.example", "x")], lambda *_: "cat", pause_s=0) as people:
        done = threading.Event()
        while people.answered < 7 and not done.wait(0.01):
            people.check()

    assert people.shown_nothing == 2


def test_an_annotator_that_gives_up_says_why(label_studio: FakeServer) -> None:
    def cannot(account: Account, task: dict[str, Any]) -> str:
        raise KeyError("no truth")

    people = Annotators(label_studio.url, 1, [Account("a@simulated.example", "x")], cannot, pause_s=0)
    with people, pytest.raises(Unavailable, match="no truth"):
        while True:
            people.check()


def test_who_does_not_go_on_leaves_and_the_others_finish(label_studio: FakeServer) -> None:
    accounts = [Account(f"{i}@simulated.example", "x") for i in range(2)]
    asked: list[str] = []

    def answer(account: Account, task: dict[str, Any]) -> str:
        asked.append(account.email)
        return "cat"

    with Annotators(
        label_studio.url, 1, accounts, answer, pause_s=0, goes_on=lambda account: account.email.startswith("1")
    ) as people:
        done = threading.Event()
        while people.answered < 7 and not done.wait(0.01):
            people.check()

    assert set(asked) == {"1@simulated.example"}


def test_the_gold_of_the_demo_is_a_manifest_of_true_labels(class_folders: Path, tmp_path: Path) -> None:
    images = prepare_images(str(class_folders), tmp_path / "demo")

    read = list(items_of(str(gold_manifest(images, tmp_path / "demo"))))

    assert len(read) == 1
    [item] = [one for one in read if isinstance(one, Incoming)]
    assert item.gold and item.known_label == images.truth[Path(item.reference).name]


def arm(rng: np.random.Generator) -> tuple[RandomArm, np.ndarray[Any, np.dtype[np.int64]]]:
    truth = rng.integers(0, 3, 300)
    image = np.eye(3, dtype=np.float32)[truth] + rng.normal(0, 0.4, (300, 3)).astype(np.float32)
    inputs = Inputs(image.astype(np.float32), np.empty((300, 0), np.float32), np.full((300, 3), np.nan, np.float32))
    return RandomArm(inputs, np.arange(200), truth, 3), truth


def test_the_random_arm_learns_from_more_labels_and_is_the_same_each_time() -> None:
    random_arm, truth = arm(np.random.default_rng(0))
    rows = np.arange(200, 300)

    few = random_arm.accuracy(6, rows, truth[rows])
    many = random_arm.accuracy(100, rows, truth[rows])

    assert few is not None and many is not None and many[0] > few[0]
    assert many[1][0] <= many[0] <= many[1][1]
    assert random_arm.accuracy(100, rows, truth[rows]) == many


def test_what_the_random_arm_gives_is_tested_on_what_was_not_drawn() -> None:
    random_arm, truth = arm(np.random.default_rng(0))

    few, many = random_arm.on_the_rest(6), random_arm.on_the_rest(100)
    memorised = replace(random_arm, answers=np.random.default_rng(1).permutation(truth)).on_the_rest(100)

    assert few is not None and many is not None and memorised is not None
    assert few < many and memorised < 0.5
    assert random_arm.on_the_rest(200) is None


def test_the_random_arm_has_no_figure_where_there_is_nothing_to_compare() -> None:
    random_arm, truth = arm(np.random.default_rng(0))

    assert random_arm.accuracy(50, np.arange(0), truth[:0]) is None
    assert random_arm.accuracy(1, np.arange(5), truth[:5]) is None


@pytest.mark.parametrize(
    ("theirs", "ours", "counts"),
    [
        ([7, 8], [8, 7], Annotations(2, 2, 0, 0)),
        ([7, 8], [7], Annotations(2, 1, 1, 0)),
        ([7, 8], [7, 8, 8], Annotations(2, 3, 0, 1)),
        ([7, 8], [7, 7], Annotations(2, 2, 1, 1)),
    ],
)
def test_the_counts_find_what_is_lost_and_recorded_twice(
    theirs: list[int], ours: list[int], counts: Annotations
) -> None:
    assert compare_annotations(theirs, ours) == counts
    assert counts.complete == (sorted(ours) == [7, 8])


FIRST = Round(
    1, 60, 27, 30, None, None, None, None, None, True, "promoted", "nothing to compare", {"learn": "answered"}
)
SECOND = Round(2, 120, 54, 60, 0.8, (0.7, 0.9), 0.75, (0.7, 0.8), 0.5, False, "refused", "worse", {"learn": "answered"})
SUMMARY = Summary(
    rounds=(FIRST, SECOND),
    images=59,
    quarantined=1,
    classes=2,
    origin="60 images",
    engine="bundled",
    label_studio_version="1.23.2",
    annotators=3,
    annotator_error_rate=0.05,
    random_seeds=(1, 2),
    annotations=Annotations(120, 120, 0, 0),
    people=People(
        team=(
            Person("good@<i>", 0.05, 60, known(Estimate(0.95, 0.85, 0.98, 40)), None, False, "", False),
            Person("bad@example.com", 0.4, 60, known(Estimate(0.5, 0.2, 0.8, 12)), None, True, "errs on gold", True),
        ),
        agreement=known(Estimate(0.71, 0.6, 0.8, 50)),
        verdict="no",
        words="Not yet: <b>",
        in_the_way=("gold",),
    ),
    without_prelabel_though_due=0,
    labelled=Labelled(answered=31, people=30, certificate=25, given=1, left={"near-duplicates": 3}, waiting=0),
    certificate=Certified(
        "at least 90 % are right <i>", 0.9, 0.9, True, True, 40, 12, 1, 25, 0.96, "Of 40 images, 12 were drawn."
    ),
    savings=Saved(1.5, 1.1, None, 60),
    machine_labels=(MachineThreshold(0.9, 20, 31, 0.8, 0.95),),
    accuracy_on_collection=Measured(0.8, 0.7, 0.9, 60, 0.82),
    accuracy_on_what_is_left=Measured(None, None, None, 0, 0.9),
    share_of_wrong_labels=Measured(None, None, None, 12, 0.05),
    random_arm=(RandomPoint(20, Measured(0.6, 0.5, 0.7, 60, 0.61)),),
    earlier={},
    calibrated=True,
    replayed=Replayed(3, 3),
    seconds=12.0,
)
PROMISED = {
    "rounds",
    "images",
    "quarantined",
    "engine",
    "label_studio_version",
    "annotations_in_label_studio",
    "annotations_recorded",
    "duplicates",
    "lost",
    "people",
    "machine_labels",
    "accuracy_on_collection",
    "accuracy_on_what_is_left",
    "share_of_wrong_labels",
    "random_arm",
    "earlier",
    "calibrated",
    "replayed",
    "seconds",
    "without_prelabel_though_due",
    "labelled",
    "certificate",
    "savings",
}
PROMISED_OF_A_ROUND = {
    "labels_by_people",
    "random_labels",
    "accuracy",
    "interval",
    "random_accuracy",
    "random_interval",
    "prelabel_accepted_share",
    "promoted",
    "reason",
    "triggers",
}


def test_the_summary_holds_every_field_that_is_promised(tmp_path: Path) -> None:
    write_summary(SUMMARY, tmp_path / "summary.json")

    content = json.loads((tmp_path / "summary.json").read_text())

    assert set(content) >= PROMISED
    assert all(set(one) >= PROMISED_OF_A_ROUND for one in content["rounds"])
    assert content["rounds"][0]["accuracy"] is None


def test_who_was_found_missed_and_wronged_is_distinguished() -> None:
    good, bad = SUMMARY.people.team
    other = replace(SUMMARY.people, team=(replace(good, paused=True), replace(bad, paused=False)))

    assert (SUMMARY.people.found, SUMMARY.people.missed, SUMMARY.people.wronged) == (("bad@example.com",), (), ())
    assert (other.found, other.missed, other.wronged) == (("good@<i>",), ("bad@example.com",), ("good@<i>",))


def test_the_table_reads_not_yet_known_under_too_few_labels() -> None:
    cells = list(rounds_table(SUMMARY).columns[3].cells)

    assert [str(cell) for cell in cells] == ["not yet known on 30", "0.800 [0.70, 0.90] on 60"]


def test_what_hardcase_says_stands_beside_the_truth_or_reads_not_yet_known() -> None:
    nothing = replace(SUMMARY, machine_labels=(MachineThreshold(0.9, 20, 12, None, 0.95),), random_arm=())

    assert lines_of(SUMMARY) == [
        Line("accuracy on the collection", "0.800 [0.70, 0.90]", 60, "0.820"),
        Line("accuracy on what is left", "not yet known", 0, "0.900"),
        Line("share of wrong labels", "not yet known", 12, "0.050"),
        Line("20 machine labels: right", "at least 0.8000", 31, "0.950"),
        Line("20 random labels: accuracy", "0.600 [0.50, 0.70]", 60, "0.610"),
    ]
    assert lines_of(nothing)[3:] == [
        Line("machine labels", "not yet known", 12, "-"),
        Line("random labels", "not yet known", 0, "-"),
    ]


def test_a_line_of_an_earlier_moment_says_with_how_many_images_labelled(tmp_path: Path) -> None:
    earlier = {"accuracy_on_what_is_left": 31, "machine_labels": 40, "random_arm": 22}
    left = Measured(0.9, 0.8, 0.95, 30, 0.875)
    summary = replace(SUMMARY, accuracy_on_what_is_left=left, earlier=earlier)

    write_summary(summary, tmp_path / "summary.json")
    write_report(summary, Pictures(np.zeros((3, 2), np.int64), ("a", "b"), ()), tmp_path / "report.html")

    assert lines_of(summary) == [
        Line("accuracy on the collection", "0.800 [0.70, 0.90]", 60, "0.820"),
        Line("accuracy on what is left, with 31 images labelled", "0.900 [0.80, 0.95]", 30, "0.875"),
        Line("share of wrong labels", "not yet known", 12, "0.050"),
        Line("20 machine labels: right, with 40 images labelled", "at least 0.8000", 31, "0.950"),
        Line("20 random labels: accuracy, with 22 images labelled", "0.600 [0.50, 0.70]", 60, "0.610"),
    ]
    assert json.loads((tmp_path / "summary.json").read_text())["earlier"] == earlier
    page = (tmp_path / "report.html").read_text()
    assert "20 machine labels: right, with 40 images labelled" in page and "of an earlier moment" in page


def test_the_report_of_an_end_that_knows_everything_speaks_of_no_earlier_moment(tmp_path: Path) -> None:
    write_report(SUMMARY, Pictures(np.zeros((3, 2), np.int64), ("a", "b"), ()), tmp_path / "report.html")

    assert "earlier moment" not in (tmp_path / "report.html").read_text()


NOTHING = Measured(None, None, None, 12, None)


def beside(
    labelled: int, left: float | None = None, bound: float | None = None, share: Estimate | None = None
) -> Beside:
    """What was known with so many images labelled; `share`: what 20 random labels give."""
    return Beside(
        labelled=labelled,
        accuracy_on_collection=Measured(0.8, 0.7, 0.9, labelled, 0.82),
        accuracy_on_what_is_left=NOTHING if left is None else Measured(left, 0.5, 1.0, 40, 0.9),
        machine_labels=(MachineThreshold(0.9, 20, 31, bound, 0.95),),
        random_arm=ArmBeside([] if share is None else [ArmPoint(20, known(share))], arm(np.random.default_rng(0))[0]),
    )


def test_of_each_figure_the_newest_that_is_known_stays_with_its_count_of_labels() -> None:
    first, second, unknown = (Estimate(value, 0.5, 0.7, n) for value, n in ((0.6, 40), (0.65, 50), (0.7, 20)))
    moments = [
        beside(100),
        beside(130, left=0.9, bound=0.7),
        beside(160, bound=0.8, share=first),
        beside(190, share=second),
        beside(210, share=unknown),
    ]

    kept = None
    for moment in moments:
        kept = newest_known(kept, moment)

    assert kept is not None and kept == replace(
        beside(210, left=0.9, bound=0.8, share=second),
        earlier={"accuracy_on_what_is_left": 130, "machine_labels": 160, "random_arm": 190},
    )
    assert [(one.labels, one.accuracy.value) for one in kept.random_arm.compare()] == [(20, 0.65)]


def test_what_is_not_known_replaces_nothing_that_is_and_what_never_was_known_reads_so() -> None:
    once = newest_known(beside(130, left=0.9), beside(160))
    again = newest_known(once, beside(190, left=0.95))

    assert once.accuracy_on_what_is_left.value == 0.9 and once.earlier == {"accuracy_on_what_is_left": 130}
    assert once.random_arm.compare() == () and once.machine_labels[0].lower is None
    assert once.accuracy_on_collection.n == 160
    assert again == beside(190, left=0.95)


def test_how_the_images_were_labelled_adds_up_and_the_promise_stands_beside_what_is_so() -> None:
    labelled, promise, saved = labelled_lines(SUMMARY)

    assert labelled == (
        "Labelled by: people 30 (50.8 %); a certificate 25 (42.4 %); given with the image 1 (1.7 %); "
        "none, near-duplicates 3 (5.1 %)."
    )
    assert "0.960 of 25 are right (promised: 0.9); 1 of 12 sampled images were wrong by machine" in promise
    assert saved == "Random labels for each chosen one, at the same accuracy: 1.50 [1.10, no bound] on 60."


def test_without_a_certificate_the_lines_say_why_and_what_is_not_yet_known() -> None:
    nothing = Certified("at least 90 %", 0.9, 0.9, False, False, 0, 0, 0, 0, None, "It is tried next with 60.")

    _, promise, saved = labelled_lines(replace(SUMMARY, certificate=nothing, savings=Saved(None, None, None, 8)))

    assert promise == "Certificate: at least 90 %. It is tried next with 60."
    assert saved == "Random labels for each chosen one, at the same accuracy: not yet known."


def test_the_report_is_one_page_with_its_pictures_inside_and_every_text_escaped(tmp_path: Path) -> None:
    png = BytesIO()
    Image.new("RGB", (400, 300), "red").save(png, "PNG")
    hard = HardImage(thumbnail(png.getvalue()), "<script>alert(1)</script>", "cat", "dog", 0.9, NONE_OF_THESE, "cat")
    pictures = Pictures(np.array([[3, 1], [0, 2], [1, 0]]), ("cat", "<b>dog"), (hard,))

    write_report(SUMMARY, pictures, tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and "<b>dog" not in page and "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == 2 and "data:image/png;base64," in page
    assert "not yet known" in page and "simulated" in page
    assert "95 %" in page and "errs on gold" in page and "nobody else was paused" in page
    assert "0.960</span> of 25 accepted labels are right" in page and "1.50 [1.10, no bound] on 60" in page
    assert "at least 0.800" in page and "random labels, as hardcase says" in page
    assert "0.71 (0.60 to 0.80) on 50 images" in page and "<i>" not in page and "Not yet: <b>" not in page


def test_a_report_about_nothing_yet_can_be_written_too(tmp_path: Path) -> None:
    write_report(
        replace(SUMMARY, rounds=(FIRST,)), Pictures(np.zeros((3, 2), np.int64), ("a", "b"), ()), tmp_path / "r.html"
    )

    assert "not yet known" in (tmp_path / "r.html").read_text()
