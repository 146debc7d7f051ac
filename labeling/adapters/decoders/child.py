"""The process that decodes: one image at a time, with a limit on its memory and on the processor time of each.

In: orders on stdin, with the bytes of a file each. Out: answers on stdout, with the shown image each. It ends when
stdin does. It is the first that a machine without memory ends, never the worker.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from PIL import Image

from labeling.adapters.decoders.messages import Answer, Findings, Order, framed, parsed_order, read_head
from labeling.errors import BadImage
from labeling.ingest.decoding import decode, encode_shown
from labeling.ingest.fingerprints import fingerprint
from labeling.ingest.hashing import content_hash
from labeling.ingest.headers import Limits
from labeling.ingest.image_checks import check_picture

BESIDE = 512 * 2**20
"""Of address space for the encoder and for what libraries reserve."""
LARGE = 192 * 2**20
"""A process that is this large ends after its answer, so that its memory goes back."""
_MOST_FAULT = 4_000
_WAY_OUT = "Save it again as PNG or JPEG."


def main(max_decoding_bytes: int) -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    _bound_memory(max_decoding_bytes + BESIDE)
    Image.MAX_IMAGE_PIXELS = None  # the limits are the order's
    orders = sys.stdin.buffer
    while (head := read_head(orders.read)) is not None:
        order = parsed_order(head)
        data = orders.read(order.size)
        signal.setitimer(signal.ITIMER_PROF, order.cpu_s)  # SIGPROF ends the process, in C code too
        answer, shown = _work(order, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answers.fileno(), framed(answer))
        _send(answers.fileno(), shown)
        if answer.retire:
            return


def examined(data: bytes, limits: Limits) -> tuple[Findings, bytes]:
    """What is kept of an image, and its shown form; BadImage where it cannot be used."""
    decoded = decode(data, limits)
    shown, media_type = encode_shown(decoded)
    image = decoded.image
    findings = Findings(
        content_hash=content_hash(data),
        fingerprint=fingerprint(image),
        checks=check_picture(image),
        format=decoded.format,
        width=image.width,
        height=image.height,
        media_type=media_type,
        shown_bytes=len(shown),
    )
    return findings, shown


def _work(order: Order, data: bytes) -> tuple[Answer, bytes]:
    try:
        findings, shown = examined(data, order.limits)
    except BadImage as error:
        return Answer(None, error.message, _is_large()), b""
    except MemoryError:
        return Answer(None, "Decoding this image takes more memory than is given. Make it smaller.", True), b""
    except Exception as error:  # noqa: BLE001 -- the edge of the process: a mistake of ours, which the worker logs
        reason = f"hardcase itself failed at this image ({type(error).__name__}; the log says where). {_WAY_OUT}"
        return Answer(None, reason, _is_large(), traceback.format_exc()[-_MOST_FAULT:]), b""
    return Answer(findings, "", _is_large()), shown


def _send(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _is_large() -> bool:
    return _pages(1) * resource.getpagesize() > LARGE


def _bound_memory(more: int) -> None:
    """Limit the address space to what is used now and so much more; where it cannot be, the order's limits hold."""
    with suppress(OSError, ValueError):
        used = _pages(0) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _pages(which: int) -> int:
    """Of this process: all of its address space (0), or what is in memory (1); 0 where it is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[which])
    except OSError:
        return 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
