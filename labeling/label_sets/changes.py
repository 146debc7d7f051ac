"""The label set of a project as it changes: operations on classes, and what a class name of then stands for now.

In: classes and the changes so far, oldest first. Out: the classes after one more, each name that ever was with the
names that stand for it now, and the matrix that brings probabilities of then into today's columns. Invariant: a name
means the same for ever, so a text that was stored under any version of the set is read by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from labeling.answers import AnswerSet, is_always_offered
from labeling.errors import Conflict, Invalid
from labeling.normal_form import same_name
from labeling.project import EngineUse, LabelChange, LabelClass, LabelOperation, Policy, ProjectConfig
from labeling.types import NONE_OF_THESE

__all__ = [
    "LARGEST",
    "Names",
    "add",
    "is_same_set",
    "known_labels",
    "merge",
    "name_now",
    "names_now",
    "rename",
    "retire",
    "split",
    "split_now",
]

LARGEST = 1_000
SMALLEST = 2
Names = Mapping[str, tuple[str, ...]]
"""Each name that is of no class any more, with the labels that stand for it now: several where it was split."""


def names_now(changes: Iterable[LabelChange]) -> dict[str, tuple[str, ...]]:
    """What each former name stands for now, by all changes in their order.

    >>> cat = LabelChange(LabelOperation.RENAME, ("cat",), ("feline",))
    >>> names_now([cat, LabelChange(LabelOperation.MERGE, ("feline", "dog"), ("pet",))])
    {'cat': ('pet',), 'feline': ('pet',), 'dog': ('pet',)}
    >>> names_now([LabelChange(LabelOperation.RETIRE, ("dog",), ())])
    {'dog': ('none of these',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for change in changes:
        step = dict.fromkeys(change.was, change.becomes or (NONE_OF_THESE,))
        for name, stands in found.items():
            found[name] = tuple(dict.fromkeys(new for one in stands for new in step.get(one, (one,))))
        for name in change.was:
            found.setdefault(name, step[name])
    return {name: stands for name, stands in found.items() if stands != (name,)}


def name_now(name: str, names: Names) -> str | None:
    """The label that a name stands for now; None where its class was split, so that nobody has said which part.

    >>> name_now("cat", {"cat": ("feline",)}), name_now("dog", {}), name_now("dog", {"dog": ("puppy", "adult dog")})
    ('feline', 'dog', None)
    """
    stands = names.get(name, (name,))
    return stands[0] if len(stands) == 1 else None


def split_now(names: Names) -> tuple[str, ...]:
    """The names whose class was split: what was stored under them is no answer any more."""
    return tuple(name for name, stands in names.items() if len(stands) > 1)


def known_labels(config: ProjectConfig) -> tuple[str, ...]:
    """What is a label now, and what was one before: whoever chose it could tell."""
    return (*config.answers.labels, *names_now(config.changes))


def is_same_set(one: ProjectConfig, other: ProjectConfig) -> bool:
    """Whether two configurations of one project have the same version of its label set."""
    return len(one.changes) == len(other.changes)


def add(config: ProjectConfig, label: LabelClass) -> ProjectConfig:
    """With one more class, after the others."""
    _check_new(config, label.name)
    return _changed(config, LabelChange(LabelOperation.ADD, (), (label.name,)), (*config.labels, label))


def rename(config: ProjectConfig, name: str, to: str) -> ProjectConfig:
    """With another name for a class; its earlier names may be taken again."""
    old = _find(config, name)
    if old.name == to:
        raise Invalid(f"The class {to!r} is called so already. Nothing was changed.")
    _check_new(config, to, but=old.name)
    labels = [replace(one, name=to) if one is old else one for one in config.labels]
    return _changed(config, LabelChange(LabelOperation.RENAME, (old.name,), (to,)), labels)


def merge(config: ProjectConfig, names: Sequence[str], into: LabelClass) -> ProjectConfig:
    """With one class in place of several: one of them, another one that there is, or a new one."""
    old = list(dict.fromkeys(_find(config, name) for name in names))
    there = config.answers.find(into.name)
    target = next((one for one in config.labels if one.name == there), None)
    if len({one.name for one in old} | ({target.name} if target else set())) < 2:
        raise Invalid("Name at least two classes to merge. One class gets another name with `rename`.")
    if target is None:
        _check_new(config, into.name, but=old[0].name)
    new = target or into
    gone = [one for one in old if one is not target]
    place = config.labels.index(target or old[0])
    labels = [new if at == place else one for at, one in enumerate(config.labels) if at == place or one not in gone]
    change = LabelChange(LabelOperation.MERGE, tuple(one.name for one in gone), (new.name,))
    return _changed(config, change, labels)


def split(config: ProjectConfig, name: str, parts: Sequence[LabelClass]) -> ProjectConfig:
    """With several new classes in place of one; none keeps its name, which said all of them."""
    old = _find(config, name)
    if len({same_name(part.name) for part in parts}) < 2 or len(parts) != len({same_name(p.name) for p in parts}):
        raise Invalid("Name at least two different parts to split a class into.")
    for part in parts:
        if same_name(part.name) == same_name(old.name):
            raise Conflict(
                f"No part can be called {old.name!r}: answers of before said it of all parts. Choose a narrower name."
            )
        _check_new(config, part.name)
    labels = [new for one in config.labels for new in (parts if one is old else (one,))]
    change = LabelChange(LabelOperation.SPLIT, (old.name,), tuple(part.name for part in parts))
    return _changed(config, change, labels)


def retire(config: ProjectConfig, name: str) -> ProjectConfig:
    """Without a class: what it was is "none of these" now."""
    old = _find(config, name)
    change = LabelChange(LabelOperation.RETIRE, (old.name,), ())
    return _changed(config, change, [one for one in config.labels if one is not old])


def _changed(config: ProjectConfig, change: LabelChange, labels: Sequence[LabelClass]) -> ProjectConfig:
    if not SMALLEST <= len(labels) <= LARGEST:
        raise Conflict(
            f"A label set has {SMALLEST} to {LARGEST} classes, and this one would have {len(labels)}. "
            "Nothing was changed."
        )
    changes = (*config.changes, change)
    policy = _with_present_names(config.policy, names_now(changes), {one.name for one in labels})
    return replace(config, labels=tuple(labels), changes=changes, policy=policy)


def _with_present_names(policy: Policy, names: Names, classes: set[str]) -> Policy:
    """The label maps of engines speak of classes too; what stands for no single class is left out."""

    def mapped(of: Mapping[str, str]) -> dict[str, str]:
        found = {key: name_now(value, names) for key, value in of.items()}
        return {key: value for key, value in found.items() if value in classes}

    uses: list[EngineUse] = [replace(use, label_map=mapped(use.label_map)) for use in policy.escalation]
    return replace(policy, label_map=mapped(policy.label_map), escalation=tuple(uses))


def _find(config: ProjectConfig, name: str) -> LabelClass:
    """The class that a text names in whatever case; Conflict for one that was, Invalid for one that never was."""
    found = config.answers.find(name)
    label = next((one for one in config.labels if one.name == found), None)
    if label is not None:
        return label
    former = AnswerSet(tuple(names_now(config.changes))).find(name)
    if former is not None and not is_always_offered(former):
        stands = ", ".join(map(repr, names_now(config.changes)[former]))
        raise Conflict(f"There is no class {name!r} any more: it stands for {stands} since the label set changed.")
    raise Invalid(f"There is no class {name!r}. There are: {', '.join(config.classes[:20])}.")


def _check_new(config: ProjectConfig, name: str, but: str | None = None) -> None:
    """Conflict where a name is taken, or meant something else before; `but`: the class that may have had it."""
    if is_always_offered(same_name(name)):
        raise Invalid(f"{name!r} is always offered; it cannot be a class.")
    there = config.answers.find(name)
    if there is not None and there != but:
        raise Conflict(
            f"There is a class {there!r} already. To make one class of two, use `merge`. Nothing was changed."
        )
    names = names_now(config.changes)
    meant = {stands for former, stands in names.items() if same_name(former) == same_name(name)}
    if meant - {(but,)}:
        raise Conflict(
            f"{name!r} was a class before and meant something else: answers of then would be read as the new class. "
            "Choose another name."
        )
