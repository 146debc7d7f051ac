"""The stamps of Debian's package tuxpaint-stamps-default: where they come from, and which folders make a class.

In: a cache folder. Out: the folder of stamps, unpacked there once. Their licence is GPL-2: they are downloaded when the
demo runs and never shipped.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from labeling.errors import Unavailable

PACKAGE = "tuxpaint-stamps-default"


@dataclass(frozen=True, slots=True)
class StampClass:
    """A class of the demo: its description, and the folders of its stamps; `**` includes the folders inside."""

    name: str
    description: str
    stamps: tuple[str, ...]
    small: bool = False


CLASSES = (
    StampClass("bird", "Any bird, real or drawn, flying or not.", ("animals/birds/**",), small=True),
    StampClass("clothing", "Things to wear: clothes, shoes and hats.", ("clothes/**",)),
    StampClass("fish", "Any fish, from the sea or from an aquarium.", ("animals/fish/**",)),
    StampClass("flower", "A flower or a bunch of flowers.", ("plants/flowers/**",), small=True),
    StampClass("fruit", "Fruit of any kind, whole or cut.", ("food/fruit/**",), small=True),
    StampClass("Halloween", "Things of Halloween: pumpkins, ghosts, witches.", ("seasonal/halloween/**",)),
    StampClass("Christmas", "Things of Christmas: trees, gifts, ornaments, cakes.", ("seasonal/christmas/**",)),
    StampClass("hand sign", "A hand that signs a letter or a number.", ("symbols/alphabets/asl/**",)),
    StampClass("house", "A drawn building of a town, a village or a camp.", ("town/houses/**",), small=True),
    StampClass(
        "household item", "Things and tools used at home.", ("household", "household/arttools", "household/tools")
    ),
    StampClass("insect", "Insects, spiders and other small crawling animals.", ("animals/insects/**",)),
    StampClass("mammal", "Mammals: pets, farm animals, wild animals, whales.", ("animals/mammals/**",)),
    StampClass("mathematics", "A digit or a sign of arithmetic.", ("symbols/math/**",)),
    StampClass("money", "Coins and signs of currencies.", ("symbols/money/**",), small=True),
    StampClass(
        "music", "Musical instruments and the signs of written music.", ("hobbies/music/**", "symbols/music/**")
    ),
    StampClass("road sign", "A sign that stands beside a road.", ("town/roadsigns/**",)),
    StampClass("space", "Planets, moons, stars and spacecraft.", ("space/**",)),
    StampClass("sport", "Balls and other things used in sports and games.", ("sports/**", "symbols/chess/**")),
    StampClass("vegetable", "Vegetables, whole or cut.", ("food/vegetables/**",)),
    StampClass("vehicle", "Cars, trains, ships, aircraft and machines on wheels.", ("vehicles/**",), small=True),
)


def cache_folder() -> Path:
    """Where downloads are kept between runs: the user's cache folder."""
    return Path.home() / ".cache" / "hardcase"


def fetch_stamps(cache: Path) -> Path:
    """The folder of stamps, downloaded and unpacked unless it is there already."""
    unpacked = cache / PACKAGE
    if not unpacked.is_dir():
        _unpack(_download(cache), unpacked)
    return unpacked / "usr" / "share" / "tuxpaint" / "stamps"


def _download(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", PACKAGE], cache)
    return max(cache.glob(f"{PACKAGE}_*.deb"), key=lambda path: path.stat().st_mtime)


def _unpack(package: Path, target: Path) -> None:
    half_done = target.with_suffix(".part")
    shutil.rmtree(half_done, ignore_errors=True)
    _run(["dpkg", "-x", str(package), str(half_done)], package.parent)
    half_done.rename(target)
    package.unlink()


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _cannot(command, str(error)) from error
    if done.returncode:
        raise _cannot(command, (done.stderr or done.stdout).strip()[-300:])


def _cannot(command: list[str], why: str) -> Unavailable:
    return Unavailable(
        f"The demo images could not be fetched: `{' '.join(command[:3])}` failed ({why}). "
        "On Debian or Ubuntu `sudo apt-get update` may help. Anywhere else give a folder that holds one "
        "folder of images for each class: make demo IMAGES=folder"
    )
