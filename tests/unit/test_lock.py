"""The lock file holds what pyproject.toml asks for, each with the hashes of its files; PyTorch is left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def locked() -> dict[str, tuple[str, int]]:
    """Each package of the lock: its version, and how many hashes it has."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text())
    found = (re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", entry) for entry in entries)
    return {
        canonicalize_name(match[1]): (match[2], entry.count("--hash=sha256:"))
        for entry, match in zip(entries, found, strict=True)
        if match
    }


def test_the_lock_fits_what_is_asked_for_and_hashes_all_of_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [one for name in ("bundled", "postgres", "agent", "siglip") for one in extras[name]]
    asked = [Requirement(one) for one in (*project["dependencies"], *wanted)]

    packages = locked()

    missing = [
        str(one)
        for one in asked
        if one.name != "torch" and not one.specifier.contains(packages.get(canonicalize_name(one.name), ("0", 0))[0])
    ]
    assert missing == [], "`make lock` writes requirements.lock anew"
    assert all(hashes for _, hashes in packages.values())
    assert not [name for name in packages if name.startswith(("torch", "nvidia", "cuda", "triton"))]
