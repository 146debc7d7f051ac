"""Rules about the tree of tests and packages that no other tool checks: they read the files as text."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_only_the_factories_make_rows() -> None:
    made = re.compile(r"\b[A-Z]\w*Row\(")

    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.name != "factories.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if made.search(line)
    ]

    assert found == []


MORE_FILES = {"service/cli": "one a command", "service/web/api": "one a router", "service/web/pages": "one a page"}


def test_a_folder_holds_at_most_sixteen_files() -> None:
    tops = ("labeling", "db", "service", "tests/service")
    folders = {path.parent for top in tops for path in (ROOT / top).rglob("*.py")}

    many = {str(path.relative_to(ROOT)) for path in folders if len(list(path.glob("*.py"))) > 16}

    assert many == MORE_FILES.keys()


HOLDS_A_LOCK = ["labeling/conversion.py", "labeling/loading.py", "labeling/one_thread.py"]
"""They guard what a process has once: what msgspec keeps, the import of modules, the threads of linear algebra."""


def test_no_module_holds_a_lock_and_nothing_reaches_past_a_decorator() -> None:
    held = re.compile(
        r"^\w+(?::[^=]+)? ?= ?(?:threading\.)?(?:R?Lock|Condition|Event|\w*Semaphore)\(|__wrapped__", re.M
    )
    files = [path for top in ("labeling", "db", "service") for path in sorted((ROOT / top).rglob("*.py"))]

    assert [
        str(path.relative_to(ROOT)) for path in files if held.search(path.read_text(encoding="utf-8"))
    ] == HOLDS_A_LOCK


REPLACED = {
    "inference, output, viewed": r"looks|looked|seen|unseen",
    "prediction": r"opinions?|voices?|believe[sd]?|disbelieved?",
    "resolve labels": r"settl(?:e|es|ed|ing|ement)|unsettled",
    "promote, promotion": r"crown(?:s|ed|ing)?|coronations?",
    "overlay": r"second pictures?",
    "egress": r"(?:leaves?|left|leaving) the house|in the house",
    "more expensive": r"dear(?:er|est|ly)?",
    "shown, sent, for information": r"told|untold",
    "depends on": r"hangs? on|hung on",
    "notify": r"tells? people|telling people",
    "overlap": r"people wanted",
    "all": r"everybody",
    "answered": r"heard",
}
"""Words that are not written, by the word of docs/reference/vocabulary.md that is written instead."""
NAMES = {
    "labeling/learn/artifacts.py": ("seen",),
    "labeling/prelabel/endpoints/agent_tools.py": ("opinion", "looked"),
    "labeling/prelabel/endpoints/structured_answers.py": ("opinion", "believes"),
    "labeling/prelabel/guards/injections.py": ("opinion",),
    "db/repositories/images/sources.py": ("looked",),
    "db/tables/images.py": ("looked",),
    "db/tables/reviews.py": ("seen",),
    "db/views/image_history.py": ("seen", "people wanted"),
    "db/views/listings.py": ("looked",),
    "service/figures/engine_reports.py": ("looked",),
    "service/work/engine_reports/compare.py": ("looked",),
    "docs/reference/figures.md": ("looked",),
    "docs/reference/vocabulary.md": ("seen",),
}
"""What keeps its name: columns, tables, keys of stored JSON and of the API, and the texts and the tool
that paid answers rest on."""


def test_code_pages_and_docs_are_written_in_the_words_of_the_vocabulary() -> None:
    words = re.compile(rf"(?<![A-Za-z])({'|'.join(REPLACED.values())})(?![A-Za-z])", re.IGNORECASE)
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder in ("labeling", "db", "service", "docs"):
        pages += [
            path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".html", ".jinja", ".md", ".js")
        ]

    found = [
        f"{name}:{number}: {word}"
        for path in sorted(pages)
        if (name := str(path.relative_to(ROOT)))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in words.findall(line)
        if word.lower() not in NAMES.get(name, ())
    ]

    assert found == []


LOADED_BY_ONE_THREAD = {
    "service/work/__main__.py": "there is no other thread yet",
    "labeling/ingest/formats/dicom.py": "a process that decodes has one thread",
    "labeling/ingest/formats/heif.py": "a process that decodes has one thread",
}


def test_what_is_imported_within_a_function_is_loaded_by_one_thread_at_a_time() -> None:
    """Two threads that load a large library from different ends get half of it."""
    files = {
        p.relative_to(ROOT).as_posix(): p for top in ("labeling", "service/work") for p in (ROOT / top).rglob("*.py")
    }

    found = {name for name, path in files.items() if _imports_alone(ast.parse(path.read_text()))}

    assert found == LOADED_BY_ONE_THREAD.keys()


def _imports_alone(node: ast.AST, in_function: bool = False, loading: bool = False) -> bool:
    """Whether anything within a function is imported outside of `with loading:`."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        in_function, loading = True, False
    elif isinstance(node, ast.With):
        loading = loading or any(ast.unparse(item.context_expr) == "loading" for item in node.items)
    elif isinstance(node, ast.Import | ast.ImportFrom) and in_function and not loading:
        return True
    return any(_imports_alone(one, in_function, loading) for one in ast.iter_child_nodes(node))
