"""Which models the API may name: those of the administrator's list, and those that a project has already."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeling.errors import Invalid
from labeling.project import EngineUse, Policy
from service.engines.allowed_models import check_engines, check_models, is_allowed
from service.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "models/clip").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "models/out").symlink_to(tmp_path / "elsewhere")
    return Settings(home=tmp_path / "home", allowed_models=f"openai/clip-*, intfloat/e5-small-v2,{tmp_path}/models")


@pytest.mark.parametrize(
    "model", ["openai/clip-vit-base-patch32", "intfloat/e5-small-v2", "{}/models/clip", "{}/models"]
)
def test_what_the_list_has_is_allowed(settings: Settings, tmp_path: Path, model: str) -> None:
    assert is_allowed(settings, model.format(tmp_path))


@pytest.mark.parametrize(
    "model",
    ["openai/whisper", "intfloat/e5-small-v2x", "/etc", "{}", "{}/models/../elsewhere", "{}/models/out", "{}/models-2",
     "openai/clip-x/../../../etc", "models/clip", "./models/clip", "~/clip", "http://127.0.0.1/openai/clip-x", "", "*",
     "openai/clip-x@main", "openai/clip-x\n"],
)  # fmt: skip
def test_what_it_does_not_have_is_not(
    settings: Settings, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert not is_allowed(settings, model.format(tmp_path))


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        (Policy(engine="vlm:/etc"), "policy.engine"),
        (Policy(engine="bundled", escalation=(EngineUse("few-shot"), EngineUse("described:/x.gguf"))), "escalation.1"),
        (Policy(engine="plug-in-of-others:/etc"), "policy.engine"),
        (Policy(image_encoder="backbone:/etc"), "policy.image_encoder"),
        (Policy(text_encoder="sentences:a/b"), "policy.text_encoder"),
        (Policy(regions="/etc"), "policy.regions"),
    ],
)
def test_every_key_that_names_a_model_is_checked_with_its_place(settings: Settings, policy: Policy, place: str) -> None:
    with pytest.raises(Invalid, match=place):
        check_models(settings, policy)
    check_models(settings, policy, before=policy)  # what an administrator chose is kept when something else is changed


def test_engines_without_a_model_and_models_of_endpoints_need_no_list(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, allowed_models="")

    check_models(
        settings, Policy(engine="bundled", escalation=(EngineUse("agent:ollama/qwen3-vl"), EngineUse("few-shot")))
    )
    check_engines(settings, ["decide:ours/m", "scripted"], Policy())
    with pytest.raises(Invalid, match=r"engines\.1"):
        check_engines(settings, ["scripted", "vlm:/etc"], Policy())


def test_what_the_documentation_names_is_allowed_from_the_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    check_models(settings, Policy(engine="dual-encoder:openai/clip-vit-base-patch32"))
    check_models(settings, Policy(regions="CIDAS/clipseg-rd64-refined", image_encoder="backbone:facebook/dinov2-small"))
