"""Decoding in processes: the same pictures, and no image takes the memory, the time or the life of the worker."""

from __future__ import annotations

import io
import signal
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import pytest
from PIL import Image

from labeling.adapters.decoders import pool
from labeling.adapters.decoders.pool import Decoders
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import BadImage
from labeling.ingest.decoding import decode, encode_shown
from labeling.ingest.fingerprints import fingerprint
from labeling.ingest.hashing import content_hash
from labeling.ingest.headers import Limits
from labeling.ingest.image_checks import check_picture

LIMITS = Limits()
SMALL = 48 * 32


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    made = Decoders(LIMITS.max_decoding_bytes, 2)
    yield made
    made.rest()


def saved(image: Image.Image, image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def picture(seed: int) -> bytes:
    return saved(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 48, 3), dtype=np.uint8)))


def empty_png(side: int, depth: int) -> bytes:
    """A whole grey PNG of side x side pixels, all black, made without its pixels in memory."""
    packing, row = zlib.compressobj(9), bytes(1 + side * depth // 8)
    body = b"".join(packing.compress(row) for _ in range(side)) + packing.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks
    )


def grown_mib(work: threading.Thread) -> float:
    """By how much this process grows while a thread works."""
    own = psutil.Process()
    before = most = own.memory_info().rss
    work.start()
    while work.is_alive():
        most = max(most, own.memory_info().rss)
        time.sleep(0.002)
    return (most - before) / 2**20


def test_a_process_gives_what_decoding_here_gives(decoders: Decoders) -> None:
    for seed, image_format in ((1, "PNG"), (2, "JPEG")):
        data = saved(Image.open(io.BytesIO(picture(seed))), image_format)
        here = decode(data, LIMITS)
        with decoders.decode(data, LIMITS, SMALL) as there:
            shown = b"".join(there.shown)

        findings = there.findings
        assert (shown, findings.media_type) == encode_shown(here)
        assert (findings.format, findings.width, findings.height) == (image_format, 48, 32)
        assert findings.content_hash == content_hash(data)
        assert (findings.fingerprint, findings.checks) == (fingerprint(here.image), check_picture(here.image))


def test_what_is_no_picture_is_refused_with_its_reason_and_the_process_goes_on(decoders: Decoders) -> None:
    with pytest.raises(BadImage, match="PDF"), decoders.decode(b"%PDF-1.7", LIMITS, SMALL):
        pass
    with decoders.decode(picture(1), LIMITS, SMALL) as found:
        assert len(b"".join(found.shown)) == found.findings.shown_bytes


def test_an_image_that_ends_its_process_twice_is_set_aside_and_the_next_one_is_decoded(decoders: Decoders) -> None:
    data, reasons, ended = empty_png(8_000, 8), [], set()

    def work() -> None:
        with pytest.raises(BadImage) as refused, decoders.decode(data, LIMITS, 64_000_000):
            pass
        reasons.append(refused.value.message)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        for child in psutil.Process().children():
            if child.pid not in ended and "decoders.child" in " ".join(child.cmdline()):
                child.kill()
                ended.add(child.pid)
        time.sleep(0.01)

    assert len(ended) == 2
    assert "ended its process 2 times (SIGKILL)" in reasons[0]
    with decoders.decode(picture(1), LIMITS, SMALL) as found:
        assert found.findings.width == 48


def test_an_image_that_takes_too_long_is_ended_by_its_processor_time(decoders: Decoders) -> None:
    with pytest.raises(BadImage, match="takes more than 2 s"), decoders.decode(empty_png(8_900, 16), LIMITS, 0):
        pass
    with decoders.decode(picture(1), LIMITS, SMALL) as found:
        assert found.findings.width == 48


def test_an_image_that_takes_too_much_memory_is_refused_and_this_process_does_not_grow() -> None:
    decoders, data, reasons = Decoders(64 * 2**20, 1), empty_png(8_900, 16), []

    def work() -> None:
        with pytest.raises(BadImage) as refused, decoders.decode(data, LIMITS, 79_210_000):
            pass
        reasons.append(refused.value.message)

    grown = grown_mib(threading.Thread(target=work))

    assert "memory" in reasons[0]
    assert grown < 64
    decoders.rest()


def test_a_picture_of_eighty_million_deep_pixels_is_decoded_within_its_limits(decoders: Decoders) -> None:
    found: list[tuple[int, int]] = []

    def work() -> None:
        with decoders.decode(empty_png(8_900, 16), LIMITS, 79_210_000) as there:
            found.append((there.findings.width, sum(map(len, there.shown))))

    grown = grown_mib(threading.Thread(target=work))

    assert found and found[0][0] == 8_900
    assert grown < 64


def test_reading_an_answer_only_in_part_does_not_spoil_the_next(decoders: Decoders) -> None:
    with pytest.raises(RuntimeError), decoders.decode(picture(1), LIMITS, SMALL):
        raise RuntimeError("the store is full")
    with decoders.decode(picture(2), LIMITS, SMALL) as found:
        assert found.findings.content_hash == content_hash(picture(2))


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_stops_while_its_picture_is_stored_is_no_outage_of_the_store(
    decoders: Decoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    monkeypatch.setattr(pool, "_START_S", 0.5)
    large = saved(Image.fromarray(np.random.default_rng(3).integers(0, 256, (900, 900, 3), dtype=np.uint8)))
    order = decoders.decode(large, LIMITS, 900 * 900)

    with pytest.raises(BadImage, match="ended before its answer"), order as found:
        (child,) = [one for one in psutil.Process().children() if "decoders.child" in " ".join(one.cmdline())]
        child.send_signal(sent)
        ImageStore(str(tmp_path)).keep(found.findings.content_hash, found.shown, found.findings.media_type, None)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_takes_long_is_no_fault_of_the_image(
    decoders: Decoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = saved(Image.fromarray(np.random.default_rng(3).integers(0, 256, (900, 900, 3), dtype=np.uint8)))
    with decoders.decode(large, LIMITS, 900 * 900) as found:
        later = time.monotonic() + 3_600
        monkeypatch.setattr(time, "monotonic", lambda: later)
        stored = b"".join(found.shown)

    assert len(stored) == found.findings.shown_bytes


def test_a_mistake_of_ours_is_logged_with_its_place_and_costs_one_image_and_no_process(
    decoders: Decoders, caplog: pytest.LogCaptureFixture
) -> None:
    with decoders.decode(picture(1), LIMITS, SMALL) as found:
        list(found.shown)
    before = psutil.Process().children()

    wrong = replace(LIMITS, max_side=cast(Any, "many"))
    with pytest.raises(BadImage, match="itself failed"), decoders.decode(picture(1), wrong, SMALL):
        pass

    assert "headers.py" in caplog.text and "TypeError" in caplog.text
    assert psutil.Process().children() == before


def test_free_processes_end_when_there_is_nothing_left(decoders: Decoders) -> None:
    with decoders.decode(picture(1), LIMITS, SMALL) as found:
        list(found.shown)

    decoders.rest()

    assert not [one for one in psutil.Process().children() if "decoders.child" in " ".join(one.cmdline())]
