"""Lists the engines, and describes one engine in a project: its revision, prompts, calibration and counts.

In: settings, or a project and an engine's name. Out: documents. `list_engines` loads no engine; `show` loads it,
because only the engine knows its revision.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from db.repositories.engines import calibrations, probes
from db.session import reading
from db.views import engine_stats
from labeling.prelabel.endpoints.endpoint import Endpoint
from labeling.prelabel.zero_shot.templates import CAPTIONS, SENTENCES, texts_by_label
from labeling.project import EngineUse, Project
from service import plugins
from service.engines.endpoints_file import load_endpoints
from service.engines.kinds import kind_of, kinds
from service.figures.estimates import Json, rounded
from service.settings import Settings
from service.work.engine_reports.dry_run import currency_of, engines_of, load, use_of
from service.work.engines.means import first_use
from service.work.wiring import Parts

TEMPLATES = {"captions": CAPTIONS, "sentences": SENTENCES}


def list_engines(settings: Settings, projects: Sequence[Project]) -> Json:
    """Every kind of engine, whether it can be used here, and which projects use it."""
    endpoints = load_endpoints(settings)
    used = [(name, project.config.name) for project in projects for name in engines_of(project)]
    return {
        "engines": [
            {
                "name": kind.name,
                "model": kind_of(kind.name).model,
                "summary": kind_of(kind.name).summary,
                "ready": kind.ready,
                "way_out": kind.way_out,
                "used": [
                    {"engine": name, "project": project} for name, project in used if name.split(":")[0] == kind.name
                ],
            }
            for kind in kinds(plugins.names_of(plugins.ENGINES), endpoints=bool(endpoints))
        ],
        "endpoints": [
            {"name": one.name, "url": one.url, "kind": one.kind, "local": one.local, "price": _price(one)}
            for one in endpoints.values()
        ],
    }


def show(parts: Parts, project: Project, name: str) -> Json:
    """One engine as this project uses it, or would.

    Raises
    ------
    Invalid, Unavailable
        When it cannot be loaded; the message says what to do.
    """
    engine = load(parts, project, name)
    with reading(parts.database) as session:
        facts = next((f for f in engine_stats.revisions(session, project.id) if f.revision == engine.revision), None)
        calibration = calibrations.newest(session, project.id, engine.revision)
    use, endpoint = use_of(project, name) or first_use(project), _endpoint(parts.settings, name)
    return {
        "engine": name,
        "revision": engine.revision,
        "used": name in engines_of(project),
        "image_encoder": engine.image_encoder,
        "text_encoder": engine.text_encoder,
        "use": msgspec.to_builtins(use),
        "config_version": project.config_version,
        "prompts": _prompts(project, name, use),
        "currency": currency_of(project),
        "price": _price(endpoint[0]) if endpoint else "free",
        "probe": _probe(parts, *endpoint) if endpoint else {},
        "calibration": msgspec.to_builtins(calibration) if calibration else None,
        "facts": msgspec.to_builtins(facts) if facts else None,
        "seconds": rounded(facts.seconds, 4) if facts else None,
    }


def _endpoint(settings: Settings, name: str) -> tuple[Endpoint, str] | None:
    """The endpoint that an engine calls, and its model there; None for other engines."""
    where, _, model = name.partition(":")[2].partition("/")
    endpoint = load_endpoints(settings).get(where) if kind_of(name).endpoint else None
    return (endpoint, model) if endpoint else None


def _price(endpoint: Endpoint) -> str:
    """In words; an unknown price refuses a project with a budget."""
    price = endpoint.price
    if price is None:
        return "not known"
    if price.free:
        return "free"
    tokens = f"{price.input_per_m / 1e6:g} in, {price.output_per_m / 1e6:g} out"
    each = f", {price.per_request / 1e6:g} a request" if price.per_request else ""
    return f"{tokens} {price.currency} a million tokens{each}"


def _probe(parts: Parts, endpoint: Endpoint, model: str) -> Json:
    """What the newest probe found that a model can do; empty before the first probe."""
    with reading(parts.database) as session:
        probe = probes.newest(session, endpoint=endpoint.name, model=model, url=endpoint.url)
    return {} if probe is None else {**probe.result, "probed_at": probe.created_at.isoformat()}


def _prompts(project: Project, name: str, use: EngineUse) -> Json:
    """The texts of each label, where the engine compares texts."""
    templates = kind_of(name).templates
    if not templates:
        return {}
    labels = project.config.labels
    texts = texts_by_label(labels, use.templates, TEMPLATES[templates])
    return {label.name: own for label, own in zip(labels, texts, strict=True)}
