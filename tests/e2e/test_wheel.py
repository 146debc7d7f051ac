"""The wheel alone is enough: installed without the checkout, `hardcase init` migrates with what it carries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import migrate
from db.session import make_engine

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout with what is installed already, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def test_everything_that_is_no_code_travels_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())

    needed = {
        str(path.relative_to(ROOT))
        for package in ("service", "labeling", "db")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    migrations = {f"db/migrations/versions/{path.name}" for path in (ROOT / "alembic" / "versions").glob("*.py")}

    assert any(name.endswith(".css") for name in needed)
    assert any("/templates/" in name for name in needed)
    assert migrations
    assert not (needed | migrations | {"db/migrations/env.py"}) - packed
    assert not [name for name in packed if name.startswith(("tests/", "bench/", "alembic/"))]


def test_the_wheel_in_an_empty_environment_makes_a_home(wheel: Path, tmp_path: Path) -> None:
    python = _installed(wheel, tmp_path / "venv")
    site = _run(python, "-c", "import db, pathlib; print(pathlib.Path(db.__file__).parent)", cwd=tmp_path)

    done = _run(str(Path(python).with_name("hardcase")), "init", "--json", cwd=tmp_path, HARDCASE_HOME="home")

    shipped = Path(site.strip())
    assert shipped.is_relative_to(tmp_path)
    assert (shipped / "migrations" / "env.py").exists()
    assert json.loads(done)["home"] == str(tmp_path / "home")
    database = make_engine(f"sqlite:///{tmp_path / 'home' / 'hardcase.db'}")
    assert migrate.revision(database) == migrate.head()
    assert {"image", "label", "workflow_status"} <= set(sa.inspect(database).get_table_names())
    database.dispose()


def test_the_wheel_in_an_empty_environment_serves_its_pages_and_loads_its_jobs(wheel: Path, tmp_path: Path) -> None:
    python = _installed(wheel, tmp_path / "venv")

    said = _run(
        python,
        "-c",
        "import pathlib, service.web.app, service.web.pages.rendering as r, service.work.workflows as w\n"
        "print(r.__file__); print(w.__file__)\n"
        "print(len(list(pathlib.Path(r.__file__).parent.glob('templates/*.html'))))",
        cwd=tmp_path,
    )

    pages, jobs, templates = said.split()
    assert Path(pages).is_relative_to(tmp_path)
    assert Path(jobs).is_relative_to(tmp_path)
    assert int(templates) >= 5


def _installed(wheel: Path, folder: Path) -> str:
    """A new environment with the wheel alone; its python."""
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = str(folder / "bin" / "python")
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "-q", str(wheel))
    return python


def _run(*words: str, cwd: Path | None = None, **settings: str) -> str:
    """Run a program that finds third-party packages where this environment has them, and nothing of the checkout.

    `.pth` files on PYTHONPATH are not read, so the editable install of the checkout stays out of sight.
    """
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), "OMP_NUM_THREADS": "1", **settings}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
