"""A few pictures of each class for a page: small, as text within it, and never more than a page can bear.

In: records, as they come. Out: for each class the images with the lowest content hashes, which is a draw that depends
on nothing but the images; then their pictures as JPEG within a data address.
"""

from __future__ import annotations

import heapq
import io
from base64 import b64encode
from collections import defaultdict

from PIL import Image

from service.exporting.columns import Record
from service.exporting.label_set import LabelSet

EACH, IN_ALL = 4, 160
SIDE = 112
QUALITY = 70


class Samples:
    """Keeps the few records whose pictures will be shown."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[int, int, Record]]] = defaultdict(list)

    def add(self, record: Record) -> None:
        """Look at one; kept while its class has no more images with lower hashes."""
        kept = self._kept[record.label]
        heapq.heappush(kept, (-int(record.content_hash, 16), record.image, record))
        if len(kept) > EACH:
            heapq.heappop(kept)

    def draw(self, labels: LabelSet) -> dict[str, list[str]]:
        """Data addresses by class; with many classes fewer of each."""
        each = max(1, min(EACH, IN_ALL // max(1, len(self._kept))))
        shown = sorted(self._kept)[:IN_ALL]
        return {name: [_address(labels, record) for record in _lowest(self._kept[name], each)] for name in shown}


def _lowest(kept: list[tuple[int, int, Record]], count: int) -> list[Record]:
    return [record for _, _, record in sorted(kept, reverse=True)[:count]]


def _address(labels: LabelSet, record: Record) -> str:
    data, _ = labels.picture(record)
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        small.save(out, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode()}"
