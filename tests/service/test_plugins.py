"""The how-to page's own package, as if installed: its engine, its strategy and its head do their part."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from db.repositories.queries.stream import read_stream
from db.repositories.versions import versions
from db.session import reading
from db.tables import ReviewRow
from labeling.errors import Invalid
from labeling.jobs import Trigger
from labeling.learn.artifacts import CARD, WEIGHTS
from labeling.learn.classifier import Inputs
from labeling.learn.heads.from_function import HeadFromFunction
from labeling.learn.heads.heads import HEADS
from labeling.learn.training import fit_classifier
from labeling.prelabel.engine import Item, check_look
from labeling.project import LabelClass, Policy, Project, ProjectConfig
from labeling.select.strategies.registry import STRATEGIES
from labeling.select.strategies.strategy import Strategy
from labeling.types import ProjectId, ReviewKind
from service import plugins
from service.projects.project_file import parse_project
from service.settings import Settings
from service.work.engines.factory import MAKERS, make_engine
from service.work.learn.learn import learn
from service.work.pool.pool import load_pool
from service.work.pool.saved_versions import folder_of, load_classifier
from service.work.review.push import read_queue
from service.work.select.query import choose_query
from tests.conftest import NOW
from tests.service.labelled_pool import add_champion, make_ground, make_parts, seed_images

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "plug-ins.md"
CLASSES = ("night", "dusk", "day")
MakeProject = Callable[..., Project]


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def _install(folder: Path, module: str, source: str, points: dict[str, dict[str, str]]) -> None:
    """What an installer leaves: the module, and beside it the folder that says what it brings."""
    described = folder / f"{module}-1.0.dist-info"
    described.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in points.items()
    )
    (described / "entry_points.txt").write_text("\n".join(groups))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = tomllib.loads(_block("toml"))["project"]["entry-points"]
    _install(tmp_path / "site", "my_hardcase", _block("python"), points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "my_hardcase", raising=False)


def _project(engine: str) -> Project:
    config = ProjectConfig("p", tuple(LabelClass(name) for name in CLASSES), policy=Policy(engine=engine))
    return Project(ProjectId(1), config, 1, "salt", NOW)


def _grey(level: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (level, level, level))


@pytest.mark.usefixtures("installed")
def test_the_pages_project_file_is_taken() -> None:
    policy = parse_project(f"name: light\nlabels: [night, day]\n{_block('yaml')}").policy

    assert (policy.engine, policy.strategy, policy.head) == ("brightness", "second_best", "class_means")


@pytest.mark.usefixtures("installed")
def test_the_pages_engine_looks_at_images_and_gets_the_bundled_encoders(tmp_path: Path) -> None:
    items = [Item(_grey(level), None) for level in (0, 128, 255)]

    engine, again = (make_engine(_project("brightness"), Settings(home=tmp_path / "home")) for _ in range(2))
    look = check_look(engine.look(items), items=3, classes=3)

    assert [CLASSES[int(np.argmax(p.probs))] for p in look.prelabels] == list(CLASSES)
    assert engine.revision == again.revision and engine.image_encoder.startswith("efficientnet-lite0")
    assert look.image_vectors.shape == (3, 1280)


@pytest.mark.usefixtures("installed")
def test_the_pages_strategy_says_what_is_hard(database: sa.Engine, tmp_path: Path, make_project: MakeProject) -> None:
    project = make_project(database, policy=Policy(strategy="second_best", query_size=20, low_water=5))
    parts = make_parts(database, tmp_path / "home")
    seed_images(parts, project, 400)

    asked = [choose_query(parts, project.id, Trigger.SCHEDULE)["asked"]]
    pool = load_pool(parts, project)
    add_champion(parts, project, pool.image_ids.tolist(), pool.prelabel_probs)
    asked += [choose_query(parts, project.id, Trigger.SCHEDULE, force=force)["asked"] for force in (True, False)]

    with reading(database) as session:
        reviews = session.execute(
            sa.select(ReviewRow.image_id, ReviewRow.query_id, ReviewRow.kind, ReviewRow.representative)
        ).all()
        reserved = list(read_stream(session, project.id).positions)
    opening = min(query for _, query, *_ in reviews)
    first = {image for image, query, *_ in reviews if query == opening}
    hard = {image for image, _, kind, mild in reviews if image not in first and kind == ReviewKind.HARD and not mild}
    second_best = np.sort(pool.prelabel_probs, axis=1)[:, -2]
    kept = np.isin(pool.group_ids, reserved)
    free = [i for i in np.argsort(-second_best) if not kept[i] and pool.image_ids[i] not in first]
    assert asked == [20, 20, 0]
    doubtful = {int(pool.image_ids[i]) for i in free[: 3 * 20]}
    assert hard and hard <= doubtful


@pytest.mark.usefixtures("installed")
def test_the_pages_head_is_fitted_saved_as_numbers_and_loaded(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    ours = make_ground(database, tmp_path / "home", make_project(database, name="ours"))
    ours.label(ours.pool[:24], ReviewKind.HARD)
    assert learn(ours.parts, ours.project.id, Trigger.ANSWERED) == {"version": 1}
    project = make_project(database, name="theirs", policy=Policy(head="class_means"))
    ground = make_ground(database, tmp_path / "home", project)
    ground.label(ground.pool[:24], ReviewKind.HARD)
    ground.label(ground.reserved, ReviewKind.RANDOM)

    numbers = [learn(ground.parts, project.id, Trigger.ANSWERED)["version"] for _ in range(2)]

    with reading(database) as session:
        version = versions.by_number(session, project.id, 1)
    classifier, card = load_classifier(tmp_path / "home", version)
    files = {path.name for path in (tmp_path / "home" / folder_of(project.id, 1)).iterdir()}
    assert numbers == [1, 1] and files == {WEIGHTS, CARD}
    assert (card.fusion, card.head) == ("concatenation", "logistic")
    assert card.config["head"] == version.report["head"] == "class_means"
    assert version.report["accuracy"] > 0.8 and classifier.calibrated and classifier.temperature < 1.0


@pytest.mark.parametrize(
    ("line", "listed"),
    [
        ("engine: clip9000", "bundled, .*scripted"),
        ("strategy: luck", "badge, bald, .* entropy, .* margin, .* typical"),
        ("head: forest", "logistic"),
        ("escalation: [{engine: nobody}]", "few-shot"),
        ("image_encoder: resnet", "backbone:"),
        ("text_encoder: backbone:x", "sentences:"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused_with_those_that_exist(line: str, listed: str) -> None:
    with pytest.raises(Invalid, match=listed):
        parse_project(f"name: p\nlabels: [a, b]\npolicy:\n  {line}\n")


@pytest.mark.usefixtures("installed")
def test_the_names_of_plug_ins_are_listed_and_reading_them_loads_nothing() -> None:
    names = plugins.names_of(plugins.ENGINES)

    assert names[-1] == "brightness" and "my_hardcase" not in sys.modules


def test_a_plug_in_that_is_broken_says_so_and_ours_win_over_one_of_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"absent": "no_such_module:x", "wrong": "broken_pieces:Nothing", "scripted": "broken_pieces:Nothing"}
    _install(
        tmp_path, "broken_pieces", "class Nothing:\n    def __init__(self, order): ...\n", {plugins.ENGINES: names}
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_pieces", raising=False)
    settings = Settings(home=tmp_path / "home")

    with pytest.raises(Invalid, match="does not load"):
        make_engine(_project("absent"), settings)
    with pytest.raises(Invalid, match="without name, revision"):
        make_engine(_project("wrong"), settings)
    assert make_engine(_project("scripted"), settings).name == "scripted"


def test_a_head_that_returns_something_else_is_refused() -> None:
    rng = np.random.default_rng(0)
    inputs = Inputs(*(rng.random((6, 3), dtype=np.float32) for _ in range(3)))
    labels = np.array([0, 1, 0, 1, 0, 1])

    for wrong in (np.zeros((2, 2)), np.full((2, 11), np.nan)):
        with pytest.raises(Invalid, match="head 'mine' returned"):
            fit_classifier(inputs, labels, 2, HeadFromFunction("mine", lambda x, y, k, rng, w=wrong: (w, np.zeros(2))))


def test_the_list_of_our_own_engines_is_the_table() -> None:
    assert set(plugins.BUILT_IN[plugins.ENGINES]) >= set(MAKERS)


def test_the_list_of_our_own_heads_is_the_table() -> None:
    assert plugins.BUILT_IN[plugins.HEADS] == tuple(HEADS)


def test_the_list_of_our_own_strategies_is_the_registry() -> None:
    assert list(plugins.BUILT_IN[plugins.STRATEGIES]) == list(STRATEGIES)


def test_reading_the_names_of_strategies_loads_nothing_heavy() -> None:
    code = "import sys; from service import plugins; plugins.names_of(plugins.STRATEGIES); print(sorted(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not [name for name in ("numpy", "sklearn", "torch", "labeling.select") if f"'{name}'" in loaded]


@pytest.mark.usefixtures("installed")
def test_the_pages_other_strategy_picks_by_vectors(
    database: sa.Engine, tmp_path: Path, make_project: MakeProject
) -> None:
    project = make_project(database, policy=Policy(strategy="longest", query_size=20, low_water=5))
    parts = make_parts(database, tmp_path / "home")
    seed_images(parts, project, 100)

    counts = choose_query(parts, project.id, Trigger.PRELABELED)

    with reading(database) as session:
        hard = sa.select(ReviewRow.id).where(ReviewRow.kind == ReviewKind.HARD).order_by(ReviewRow.place)
        asked = list(session.scalars(hard))
    served = [review.id for review in read_queue(parts, project.id).reviews]
    assert counts["asked"] == 20 and len(asked) == 16
    assert [review for review in served if review in asked] == asked  # it has no score: as they were picked


OLD_FORMS = """
import numpy as np


def plain(probs):
    return probs.min(axis=1)


class Picker:
    uniform = False

    def choose(self, view, n, rng): ...

    def score(self, predicted): ...


number = 3
unready = Picker
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain", r'`plain = ByScore\("plain", plain\)`'),
        ("unready", r"a class; .* `unready = Picker\(\)`"),
        ("number", "no strategy: inherit from"),
    ],
)
def test_what_is_no_strategy_is_refused_with_the_line_that_makes_one(
    name: str, words: str, database: sa.Engine, tmp_path: Path, make_project: MakeProject,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    points = {each: f"old_pieces:{each}" for each in ("plain", "unready", "number")}
    _install(tmp_path / "site", "old_pieces", OLD_FORMS, {plugins.STRATEGIES: points})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "old_pieces", raising=False)
    project = make_project(database, policy=Policy(strategy=name))
    parts = make_parts(database, tmp_path / "home")
    seed_images(parts, project, 20)

    with pytest.raises(Invalid, match=f"The plug-in '{name}' is .*{words}"):
        choose_query(parts, project.id, Trigger.PRELABELED)


def test_the_line_that_the_refusal_shows_makes_a_strategy_of_the_function() -> None:
    space: dict[str, object] = {}

    exec(  # the line as a user would paste it
        OLD_FORMS + "from labeling.select.strategies.by_score import ByScore\n" + 'plain = ByScore("plain", plain)\n',
        space,
    )

    assert isinstance(space["plain"], Strategy)
