"""Where a source may be: under the administrator's roots over the API, and never where hardcase keeps its own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeling.errors import BadAddress, HardcaseError, Invalid
from service.ingest.allowed_places import allowed_source, check_file, named_by, outside_home
from service.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("home/media", "data/photos", "data-of-others", "link"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/to-others").symlink_to(tmp_path / "data-of-others")
    (tmp_path / "data/to-home").symlink_to(tmp_path / "home/media")
    return Settings(
        home=tmp_path / "home", source_roots=f"{tmp_path}/data, s3://photos/animals/,gs://open,{tmp_path}/home"
    )


@pytest.mark.parametrize(
    "address",
    ["{}/data", "{}/data/photos", "{}/data/../data/photos", "file://{}/data/photos", "s3://photos/animals",
     "s3://photos/animals/2026/", "s3a://photos/animals/x", "gcs://open/x"],
)  # fmt: skip
def test_what_is_under_a_root_is_allowed(settings: Settings, tmp_path: Path, address: str) -> None:
    place = allowed_source(settings, address.format(tmp_path))

    assert place.startswith((f"{tmp_path}/data", "s3", "gcs://open"))
    assert ".." not in place


@pytest.mark.parametrize(
    "address",
    ["/", "/etc", "{}", "{}/data-of-others", "{}/data/../data-of-others", "{}/data/to-others", "file:///etc",
     "local://{}/data/../data-of-others", "file://{}/data/to-others", "~", ".", "s3://photos", "s3://photos/animals-of-others",
     "s3://photos/animals/../others", "s3://others/animals", "gs://photos/animals", "memory://photos/animals", "",
     "{}/data\0", "file::{}/data", "http://127.0.0.1/data", "az://photos/animals"],
)  # fmt: skip
def test_what_is_not_under_a_root_is_refused_before_anything_is_asked(
    settings: Settings, tmp_path: Path, address: str
) -> None:
    with pytest.raises(Invalid):
        allowed_source(settings, address.format(tmp_path))


def test_without_roots_the_api_adds_no_source(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="HARDCASE_SOURCE_ROOTS.*hardcase ingest"):
        allowed_source(Settings(home=tmp_path / "home"), str(tmp_path))


@pytest.mark.parametrize(
    "address", ["{}/home", "{}/home/media", "{}/home/x", "{}/data/to-home", "file://{}/home", "{}"]
)
def test_the_home_what_is_in_it_and_what_is_above_it_are_no_source_whatever_the_roots(
    settings: Settings, tmp_path: Path, address: str
) -> None:
    with pytest.raises(HardcaseError):
        allowed_source(settings, address.format(tmp_path))
    with pytest.raises(Invalid, match="own files"):
        outside_home(settings, address.format(tmp_path))


def test_the_bucket_of_our_own_images_is_no_source(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", storage_url="s3://ours/media", source_roots="s3://ours")

    for address in ("s3://ours", "s3://ours/media", "s3a://ours/media/ab"):
        with pytest.raises(Invalid, match="own files"):
            allowed_source(settings, address)
    assert allowed_source(settings, "s3://ours/photos") == "s3://ours/photos"


@pytest.mark.parametrize(
    "address", ["{}/home/media/ab.png", "{}/data/to-home/ab.png", "file://{}/home/media/../media/x"]
)
def test_no_line_of_a_manifest_and_no_link_reads_a_stored_image(
    settings: Settings, tmp_path: Path, address: str
) -> None:
    with pytest.raises(BadAddress):
        check_file(settings, address.format(tmp_path))
    assert check_file(settings, f"{tmp_path}/data/photos/a.png") == f"{tmp_path}/data/photos/a.png"


@pytest.mark.parametrize(
    ("address", "place"),
    [("{}/data/a.png", "{}/data/a.png"), ("{}/data/photos/../a.png", "{}/data/a.png"),
     ("file://{}/data/a.png", "{}/data/a.png"), ("{}/data-of-others/../data/a.png", "{}/data/a.png"),
     ("s3://photos/animals/a.png", "s3://photos/animals/a.png"), ("s3a://photos/animals/a.png", "s3a://photos/animals/a.png")],
)  # fmt: skip
def test_a_line_of_a_manifest_names_what_is_under_a_root(
    settings: Settings, tmp_path: Path, address: str, place: str
) -> None:
    assert named_by(settings)(address.format(tmp_path)) == place.format(tmp_path)


@pytest.mark.parametrize(
    "address",
    ["/etc/passwd", "{}/data-of-others/a.png", "{}/data/../data-of-others/a.png", "{}/data/to-others/a.png",
     "{}/data/to-others/../../etc/a.png", "file:///etc/passwd", "{}/home/hardcase.db", "{}/home/media/ab.png",
     "{}/data/to-home/ab.png", "{}/dataset/a.png", "s3://photos/a.png", "s3://photos/animals/../a.png", "s3://others/a.png",
     "memory://a.png", "ftp://photos/a.png", "s3://photos/animals::a", "{}/data/a\0.png"],
)  # fmt: skip
def test_a_line_of_a_manifest_names_nothing_else(settings: Settings, tmp_path: Path, address: str) -> None:
    with pytest.raises(Invalid):
        named_by(settings)(address.format(tmp_path))


def test_without_roots_a_line_names_only_what_lies_beside_the_manifest(tmp_path: Path) -> None:
    with pytest.raises(BadAddress, match="HARDCASE_SOURCE_ROOTS"):
        named_by(Settings(home=tmp_path / "home"))(f"{tmp_path}/a.png")
