"""The history of a project's configuration: every version with its changes.

In: the versions in their order. Out: documents for people and programs: guidelines as a unified diff, labels whose
description or prompts changed, keys of the policy with their old and new values; and the versions of the label set.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from itertools import pairwise
from typing import Any

import msgspec

from db.repositories.projects.projects import ConfigVersion
from labeling.project import LabelChange, LabelOperation, ProjectConfig

Json = dict[str, Any]


def history(versions: Sequence[ConfigVersion]) -> list[Json]:
    """Every version, the newest first, with its changes against the one before."""
    changed = [None, *(changes(before.config, after.config) for before, after in pairwise(versions))]
    return [
        {
            "version": version.version,
            "author": version.author,
            "reason": version.reason,
            "at": version.created_at.isoformat(),
            "changed": change,
        }
        for version, change in zip(reversed(versions), reversed(changed), strict=True)
    ]


def change_words(change: LabelChange) -> str:
    """One change in a line.

    >>> change_words(LabelChange(LabelOperation.MERGE, ("cat", "dog"), ("pet",)))
    "'cat', 'dog' became 'pet'"
    """
    was, becomes = (", ".join(map(repr, names)) for names in (change.was, change.becomes))
    return {
        LabelOperation.ADD: f"{becomes} was added",
        LabelOperation.RENAME: f"{was} is called {becomes}",
        LabelOperation.MERGE: f"{was} became {becomes}",
        LabelOperation.SPLIT: f"{was} was split into {becomes}",
        LabelOperation.RETIRE: f"{was} was retired",
    }[change.operation]


def label_sets(versions: Sequence[ConfigVersion]) -> list[Json]:
    """Every version of the label set, the newest first: its change, its classes, who made it, when and why."""
    first = versions[:1]
    found = [after for before, after in pairwise(versions) if len(after.config.changes) > len(before.config.changes)]
    return [
        {
            "version": one.config.label_set,
            "config_version": one.version,
            "words": change_words(one.config.changes[-1]) if one.config.changes else "as the project was made",
            "change": msgspec.to_builtins(one.config.changes[-1]) if one.config.changes else None,
            "classes": list(one.config.classes),
            "author": one.author,
            "reason": one.reason,
            "at": one.created_at.isoformat(),
        }
        for one in reversed([*first, *found])
    ]


def changes(before: ProjectConfig, after: ProjectConfig) -> Json:
    """What differs between two configurations.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from labeling.project import LabelClass
    >>> first = ProjectConfig("animals", (LabelClass("cat"), LabelClass("dog")), "Whole animals.")
    >>> found = changes(first, replace(first, guidelines="Whole animals only."))
    >>> found["guidelines"][-2:], found["labels"], found["policy"]
    (['-Whole animals.', '+Whole animals only.'], [], [])
    """
    lines = unified_diff(before.guidelines.splitlines(), after.guidelines.splitlines(), "before", "after", lineterm="")
    old, new = ({label.name: msgspec.to_builtins(label) for label in config.labels} for config in (before, after))
    return {
        "guidelines": list(lines),
        "labels": [
            {"label": name, "changes": _differences(old.get(name, {}), new[name])}
            for name in new
            if old.get(name) != new[name]
        ],
        "label_set": [change_words(change) for change in after.changes[len(before.changes) :]],
        "policy": _differences(msgspec.to_builtins(before.policy), msgspec.to_builtins(after.policy)),
    }


def _differences(before: Json, after: Json, within: str = "") -> list[Json]:
    """Keys with another value, nested ones with dots."""
    found: list[Json] = []
    for key in dict.fromkeys([*before, *after]):
        old, new, name = before.get(key), after.get(key), f"{within}{key}"
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{name}.")
        elif old != new:
            found.append({"key": name, "before": old, "after": new})
    return found
