"""Which models the API may name: the administrator's list of hub names and folders; the command line may name any.

In: a project's policy, or engines by name. Out: nothing, or a refusal that names the place. Models behind an endpoint
are not meant: `endpoints.yaml` decides about those. Invariant: what follows a colon is refused unless it is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from labeling.errors import Invalid
from labeling.project import Policy
from service.engines.kinds import kind_of
from service.settings import Settings

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def check_models(settings: Settings, policy: Policy, before: Policy | None = None) -> None:
    """Invalid if the policy names a model that the list does not have; what the policy `before` named stays good."""
    standing = set() if before is None else {model for _, model in _named(before)}
    _check(settings, ((place, model) for place, model in _named(policy) if model not in standing))


def check_engines(settings: Settings, engines: Iterable[str], policy: Policy) -> None:
    """The same for engines that a request names, beside those of the project's policy."""
    standing = {model for _, model in _named(policy)}
    named = ((f"engines.{at}", _model_of(engine)) for at, engine in enumerate(engines))
    _check(settings, ((place, model) for place, model in named if model and model not in standing))


def is_allowed(settings: Settings, model: str) -> bool:
    """Whether the list has a model: a hub name by name or pattern, a path by a folder above it, links followed."""
    entries = [entry.strip() for entry in settings.allowed_models.split(",") if entry.strip()]
    if _HUB_NAME.fullmatch(model) and not Path(model).exists():
        return any(fnmatchcase(model, entry) for entry in entries if not entry.startswith("/"))
    path = Path(model).resolve()
    folders = [Path(entry).resolve() for entry in entries if entry.startswith("/")]
    return Path(model).is_absolute() and any(path.is_relative_to(folder) for folder in folders)


def _check(settings: Settings, named: Iterable[tuple[str, str]]) -> None:
    for place, model in named:
        if not is_allowed(settings, model):
            raise Invalid(
                f"{place}: the model {model[:200]!r} is not one that the API may name. An administrator adds its hub "
                "name or its folder to HARDCASE_ALLOWED_MODELS, or names it on the server: `hardcase project edit`."
            )


def _named(policy: Policy) -> Iterator[tuple[str, str]]:
    """Every model that a policy names, with its place."""
    engines = [("policy.engine", policy.engine)]
    engines += [(f"policy.escalation.{at}.engine", use.engine) for at, use in enumerate(policy.escalation)]
    found = [(place, _model_of(engine)) for place, engine in engines]
    for place, encoder in (
        ("policy.image_encoder", policy.image_encoder),
        ("policy.text_encoder", policy.text_encoder),
    ):
        found.append((place, encoder.partition(":")[2]))
    found.append(("policy.regions", policy.regions))
    return ((place, model) for place, model in found if model)


def _model_of(engine: str) -> str:
    """What an engine loads; nothing for a model behind an endpoint."""
    return "" if kind_of(engine).endpoint else engine.partition(":")[2]
