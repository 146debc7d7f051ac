"""Which languages the bundled engine reads: names of classes, and texts beside images, in six languages.

The demo's stamps come with captions that volunteers translated; the class names were translated for this file. Goals:
none but that English, which the sentence encoder was made for, is not worse than another language.

Run: python -m bench.languages [--quick]
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from transformers.utils import logging

from bench.report import at_least, emit
from labeling.adapters.models.model_files import load_bundled_sentences
from labeling.prelabel.engine import Item
from labeling.project import LabelClass, Project, ProjectConfig
from labeling.types import ProjectId
from service.demo.images import DemoImages, prepare_images
from service.demo.stamps import cache_folder, fetch_stamps
from service.settings import Settings
from service.work.engines.factory import make_engine
from service.work.wiring import utc_now

ENGLISH = "en"
# fmt: off
NAMES = {
    "en": ("bird", "clothing", "fish", "flower", "fruit", "Halloween", "Christmas", "hand sign", "house",
           "household item", "insect", "mammal", "mathematics", "money", "music", "road sign", "space", "sport",
           "vegetable", "vehicle"),
    "de": ("Vogel", "Kleidung", "Fisch", "Blume", "Obst", "Halloween", "Weihnachten", "Handzeichen", "Haus",
           "Haushaltsgegenstand", "Insekt", "Säugetier", "Mathematik", "Geld", "Musik", "Verkehrszeichen", "Weltraum",
           "Sport", "Gemüse", "Fahrzeug"),
    "fr": ("oiseau", "vêtements", "poisson", "fleur", "fruit", "Halloween", "Noël", "signe de la main", "maison",
           "objet ménager", "insecte", "mammifère", "mathématiques", "argent", "musique", "panneau routier", "espace",
           "sport", "légume", "véhicule"),
    "es": ("pájaro", "ropa", "pez", "flor", "fruta", "Halloween", "Navidad", "seña con la mano", "casa",
           "objeto doméstico", "insecto", "mamífero", "matemáticas", "dinero", "música", "señal de tráfico", "espacio",
           "deporte", "verdura", "vehículo"),
    "ja": ("鳥", "衣類", "魚", "花", "果物", "ハロウィーン", "クリスマス", "手話", "家", "家庭用品", "昆虫", "哺乳類",
           "数学", "お金", "音楽", "道路標識", "宇宙", "スポーツ", "野菜", "乗り物"),
    "zh_CN": ("鸟", "衣服", "鱼", "花", "水果", "万圣节", "圣诞节", "手语", "房子", "家居用品", "昆虫", "哺乳动物",
              "数学", "钱", "音乐", "路标", "太空", "运动", "蔬菜", "交通工具"),
}
# fmt: on
FOLDS = 5


def main() -> None:
    """Predict every stamp by names in each language, and by its caption in each language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 stamps of six classes")
    options = parser.parse_args()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        demo = prepare_images("small" if options.quick else None, Path(folder))
        names = [_by_names(demo, language, Path(folder)) for language in NAMES]
        texts = _by_captions(demo)
    english = next(line["right"] for line in names if line["language"] == ENGLISH)
    others = max(line["right"] for line in names if line["language"] != ENGLISH)
    emit("languages", {"english_over_the_best_other": at_least(english - others, 0.0)}, [*names, *texts])


def _by_names(demo: DemoImages, language: str, home: Path) -> dict[str, Any]:
    """The bundled engine, its labels' names in this language and without descriptions."""
    translated = dict(zip(NAMES[ENGLISH], NAMES[language], strict=True))
    order = [name for name, _ in demo.classes]
    labels = tuple(LabelClass(translated[name]) for name in order)
    project = Project(ProjectId(1), ProjectConfig("p", labels), 1, "salt", utc_now())
    files = sorted(demo.truth)
    items = [Item(Image.open(demo.folder / name).convert("RGB"), None) for name in files]
    look = make_engine(project, Settings(home=home, device="cpu")).look(items)
    best = np.array([prelabel.probs for prelabel in look.prelabels]).argmax(axis=1)
    return _line("names of classes", language, best == np.array([order.index(demo.truth[name]) for name in files]))


def _by_captions(demo: DemoImages) -> list[dict[str, Any]]:
    """A classifier on the text vectors alone, each image predicted without its fold; in all languages the same."""
    captions = _captions(demo)
    order = [name for name, _ in demo.classes]
    files = [name for name in sorted(demo.truth) if captions.get(name, {}).keys() >= NAMES.keys()]
    truth = np.array([order.index(demo.truth[name]) for name in files])
    encoder, lines = load_bundled_sentences(), []
    for language in NAMES:
        vectors = encoder.encode([captions[name][language] for name in files])
        found = cross_val_predict(LogisticRegression(C=30, max_iter=2_000), vectors, truth, cv=FOLDS)
        lines.append(_line("texts beside the images", language, found == truth))
    return lines


def _captions(demo: DemoImages) -> dict[str, dict[str, str]]:
    """The captions of each file in all languages that it has."""
    root, found = fetch_stamps(cache_folder()), {}
    for path in root.rglob("*.txt"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        given = dict(line.split(".utf8=", 1) for line in lines[1:] if ".utf8=" in line)
        key = path.with_suffix(".png").relative_to(root).as_posix()
        name = f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.png"
        found[name] = {language: text.strip() for language, text in given.items() if text.strip()}
        found[name][ENGLISH] = lines[0].strip() if lines else ""
    return {name: captions for name, captions in found.items() if name in demo.truth and captions[ENGLISH]}


def _line(read: str, language: str, right: NDArray[np.bool_]) -> dict[str, Any]:
    share = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return {
        "read": read,
        "language": language,
        "images": len(right),
        "right": round(float(right.mean()), 3),
        "interval": [round(float(share.low), 3), round(float(share.high), 3)],
    }


if __name__ == "__main__":
    main()
