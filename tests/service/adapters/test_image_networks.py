"""The bundled image encoder by PyTorch and by OpenVINO: the same vectors, from whole files, and nothing sent home."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from labeling.adapters.models.compiled_networks import CompiledNetwork, converted_network
from labeling.adapters.models.image_networks import load_bundled_images
from labeling.adapters.models.model_files import LITE0_NAME, load_bundled_classifier
from labeling.errors import Invalid, Unavailable
from labeling.prelabel.encoders.decode import open_shown
from labeling.prelabel.encoders.encoders import ImageEncoder
from labeling.prelabel.encoders.torch_network import TorchNetwork
from labeling.prelabel.engine import Vectors
from service.settings import Settings
from service.work.engines.bundled_encoder import bundled_images, device_of


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("home") / "models"


@pytest.fixture(scope="module")
def plain(models: Path) -> ImageEncoder:
    return load_bundled_images(models, compiled=False)


@pytest.fixture(scope="module")
def compiled(models: Path) -> ImageEncoder:
    return load_bundled_images(models, compiled=True)


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    whole = [Image.fromarray(load_sample_image(name)) for name in ("flower.jpg", "china.jpg")]
    return [*whole, *(image.crop((left, 40, left + 300, 400)) for image in whole for left in (0, 150, 300))]


def _cosines(a: Vectors, b: Vectors) -> Vectors:
    return np.asarray((a * b).sum(axis=1))


def test_both_compute_the_same_under_the_same_name(
    plain: ImageEncoder, compiled: ImageEncoder, photographs: list[Image.Image]
) -> None:
    vectors, probs = compiled.encode(photographs)

    expected, expected_probs = plain.encode(photographs)
    assert compiled.name == plain.name
    assert _cosines(vectors, expected).min() > 0.999999
    np.testing.assert_allclose(probs, expected_probs, atol=1e-4)


def test_shorter_numbers_have_another_name_for_other_vectors(
    models: Path, plain: ImageEncoder, photographs: list[Image.Image]
) -> None:
    short = load_bundled_images(models, dtype="bfloat16", compiled=False)

    vectors, _ = short.encode(photographs[:2])

    expected, _ = plain.encode(photographs[:2])
    assert short.name == f"{plain.name}-bfloat16-torch"
    assert 0.99 < _cosines(vectors, expected).min() < 0.9999


def test_int8_has_a_name_of_its_own_for_vectors_that_are_near(
    models: Path, plain: ImageEncoder, photographs: list[Image.Image]
) -> None:
    short = load_bundled_images(models, dtype="int8")

    vectors, _ = short.encode(photographs)

    expected, _ = plain.encode(photographs)
    assert short.name.startswith(f"{plain.name}-int8-openvino-")
    assert short.name == load_bundled_images(models, dtype="int8").name
    assert 0.9 < _cosines(vectors, expected).min() < 0.9999


def test_numbers_that_it_cannot_compute_in_are_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="not in int4"):
        load_bundled_images(models, dtype="int4")
    with pytest.raises(Invalid, match="by OpenVINO in int8"):
        load_bundled_images(models, dtype="int8", compiled=False)
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(Invalid, match="quantized"):
        load_bundled_images(models.parent / "elsewhere", dtype="int8")


def test_without_openvino_pytorch_computes_the_same(
    models: Path, plain: ImageEncoder, photographs: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    encoder = bundled_images(Settings(home=models.parent, device="cpu", torch_threads=1))

    assert encoder.name == plain.name
    np.testing.assert_allclose(encoder.encode(photographs[:1])[0], plain.encode(photographs[:1])[0], atol=1e-6)


def test_a_gpu_that_is_not_there_is_an_error_and_auto_does_without(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(Invalid, match="HARDCASE_DEVICE is cuda:1, but torch sees no GPU"):
        bundled_images(Settings(home=models.parent, device="cuda:1"))

    assert device_of(Settings(device="auto")) == device_of(Settings(device="cpu")) == "cpu"


def test_a_conversion_that_is_broken_is_made_again(models: Path, compiled: ImageEncoder) -> None:
    path = converted_network(models)
    weights = path.with_suffix(".bin")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])

    again = converted_network(models)

    assert again == path and weights.read_bytes() == whole
    assert [folder for folder in models.iterdir() if folder.name.startswith("tmp")] == []


def test_a_conversion_without_its_hashes_was_never_finished(models: Path, compiled: ImageEncoder) -> None:
    sums = converted_network(models).with_name("sha256.json")
    sums.unlink()

    converted_network(models)

    assert set(json.loads(sums.read_text())) == {"network.xml", "network.bin"}


def test_it_takes_as_many_threads_as_it_is_given(models: Path, compiled: ImageEncoder) -> None:
    network = CompiledNetwork(converted_network(models), threads=1, lanes=1)

    assert network.threads == 1


def test_a_photograph_decoded_at_a_smaller_scale_has_nearly_the_same_vector(plain: ImageEncoder) -> None:
    buffer = io.BytesIO()
    Image.fromarray(load_sample_image("china.jpg")).resize((2560, 1708)).save(buffer, "JPEG", quality=92)

    small = open_shown(buffer.getvalue())

    whole = Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
    assert small.size == (1280, 854)
    vectors, _ = plain.encode([small, whole])
    assert vectors[0] @ vectors[1] > 0.99


ELSEWHERE = """
import gc, os, signal, sys
from pathlib import Path
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
from PIL import Image
from labeling.adapters.models.compiled_networks import CompiledNetwork, converted_network
from labeling.adapters.models.image_networks import load_bundled_images
models = Path(sys.argv[1])
load_bundled_images(models, compiled=True).encode([Image.new("RGB", (300, 300), "red")])
telemetry = [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module]
print(seen, telemetry, flush=True)
gc.collect()
first = CompiledNetwork(converted_network(models))
second = CompiledNetwork(converted_network(models))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def elsewhere(
    models: Path, compiled: ImageEncoder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """What a process of its own said, which looks at a picture and lets go of its networks; and its HOME.

    One process for both questions: six seconds of its time go into loading the libraries.
    """
    home = tmp_path_factory.mktemp("of-the-process")
    command = [sys.executable, "-c", ELSEWHERE, str(models)]
    return subprocess.run(command, capture_output=True, text=True, env={"HOME": str(home)}, timeout=240), home


def test_loading_and_looking_sends_nothing_and_writes_nothing_home(
    elsewhere: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, home = elsewhere

    assert done.stdout.splitlines()[:1] == ["[] []"], done.stderr
    assert list(home.iterdir()) == []


def test_a_process_that_let_go_of_its_networks_still_hears_a_signal(
    elsewhere: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = elsewhere

    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["heard"]), done.stderr


class _SmallMemory(torch.nn.Module):
    """Holds no more than `most` images; its features are the first pixels."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.batches = most, list[int]()

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.batches.append(len(pixels))
        if len(pixels) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return pixels[:, :, 0, 0], pixels[:, :1, 0, 0]


def test_a_batch_that_does_not_fit_is_looked_at_in_halves() -> None:
    module = _SmallMemory(most=2)
    pixels = np.arange(7 * 3, dtype=np.float32).reshape(7, 3, 1, 1)

    features, logits = TorchNetwork(module)(pixels)

    np.testing.assert_array_equal(features, pixels[:, :, 0, 0])
    assert logits.shape == (7, 1)
    assert module.batches == [7, 4, 2, 2, 3, 2, 1]


def test_no_memory_for_a_single_image_says_what_to_do() -> None:
    pixels = np.zeros((2, 3, 1, 1), np.float32)

    with pytest.raises(Unavailable, match="HARDCASE_DEVICE=cpu"):
        TorchNetwork(_SmallMemory(most=0))(pixels)


def test_a_checkpoint_of_which_a_byte_was_changed_is_made_again(models: Path) -> None:
    load_bundled_classifier(models)
    weights = models / LITE0_NAME / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    load_bundled_classifier(models)

    assert weights.read_bytes() == whole
