"""The demo's images, stored so that hardcase gets no true labels.

In: the stamps or the user's folder of class folders. Out: one flat folder of names made of hashes, with a
caption beside each image, and the true labels in a separate file that only the simulated annotators and the random arm
read. The same input gives the same names and the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from labeling.errors import Invalid
from service.demo.stamps import CLASSES, StampClass, cache_folder, fetch_stamps

SMALL = "small"
"""`IMAGES=small`: ten images of each of six classes, for a quick look and for continuous integration."""

_SMALL_PER_CLASS = 10
_LONGEST_SIDE = 512
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class DemoImages:
    """The images of the demo; `truth` maps each file's name in `folder` to its class."""

    folder: Path
    truth: dict[str, str]
    classes: tuple[tuple[str, str], ...]
    origin: str


@dataclass(frozen=True, slots=True)
class _Original:
    path: Path
    key: str
    label: str
    caption: str

    @property
    def stem(self) -> str:
        """A name that does not depend on the class, nor sorts by it."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]


def prepare_images(choice: str | None, home: Path) -> DemoImages:
    """Lay out the images of `choice` (nothing, "small" or a folder) under `home`."""
    if choice is None or choice == SMALL:
        stamps = fetch_stamps(cache_folder())
        small = choice == SMALL
        classes = tuple(c for c in CLASSES if c.small) if small else CLASSES
        originals = list(_of_stamps(stamps, classes, _SMALL_PER_CLASS if small else None))
        described = tuple((c.name, c.description) for c in classes)
        origin = f"{len(originals)} stamps of Debian's tuxpaint-stamps-default"
    else:
        originals = list(_of_folder(Path(choice)))
        described = tuple((name, "") for name in sorted({original.label for original in originals}))
        origin = f"{len(originals)} images of {Path(choice).name}"
    if len(described) < 2:
        raise Invalid(f"{choice} must hold at least two folders with images, one for each class.")
    truth = _lay_out(originals, home / "images")
    (home / "truth.json").write_text(json.dumps(truth, indent=1, sort_keys=True), encoding="utf-8")
    return DemoImages(home / "images", truth, described, origin)


def _of_stamps(root: Path, classes: Iterable[StampClass], limit: int | None) -> Iterator[_Original]:
    for cls in classes:
        paths = {path for pattern in cls.stamps for path in root.glob(f"{pattern}/*.png")}
        found = [original for path in paths if (original := _of_stamp(path, root, cls.name))]
        yield from sorted(found, key=lambda original: original.stem)[:limit]


def _of_stamp(path: Path, root: Path, label: str) -> _Original | None:
    """One stamp with its English caption; a mirrored copy has none and is left out."""
    text = path.with_suffix(".txt")
    if not text.exists():
        return None
    caption = text.read_text(encoding="utf-8").splitlines()[0].strip()
    return _Original(path, path.relative_to(root).as_posix(), label, caption)


def _of_folder(root: Path) -> Iterator[_Original]:
    """The images of the user's class folders, with the text beside each where there is one."""
    if not root.is_dir():
        raise Invalid(f"IMAGES={root}: there is no such folder. It must hold one folder of images for each class.")
    for path in sorted(root.glob("*/**/*")):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            text = path.with_suffix(".txt")
            caption = text.read_text(encoding="utf-8", errors="replace").strip() if text.exists() else ""
            key = path.relative_to(root)
            yield _Original(path, key.as_posix(), key.parts[0], caption)


def _lay_out(originals: Iterable[_Original], folder: Path) -> dict[str, str]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    truth = {}
    for original in originals:
        target = folder / original.stem
        truth[_write(original.path, target).name] = original.label
        if original.caption:
            target.with_suffix(".txt").write_text(original.caption + "\n", encoding="utf-8")
    return truth


def _write(source: Path, target: Path) -> Path:
    """Write the image on white, at most 512 pixels wide and high; what cannot be decoded is copied unchanged."""
    try:
        with Image.open(source) as opened:
            picture = opened.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        return Path(shutil.copyfile(source, target.with_suffix(source.suffix.lower())))
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A"))
    flat.save(target.with_suffix(".png"))
    return target.with_suffix(".png")
