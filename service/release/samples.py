"""A few small pictures of each class for the page of a release, as data URLs; their number is limited.

In: records in any order. Out: for each class the images with the lowest content hashes, so that the choice depends on
the images alone, as small JPEG files.
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
    """Keeps the records whose pictures will be displayed."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[int, int, Record]]] = defaultdict(list)

    def add(self, record: Record) -> None:
        """Keep the record if it has one of the lowest hashes of its class."""
        kept = self._kept[record.label]
        heapq.heappush(kept, (-int(record.content_hash, 16), record.image, record))
        if len(kept) > EACH:
            heapq.heappop(kept)

    def draw(self, labels: LabelSet) -> dict[str, list[str]]:
        """Data URLs by class; with many classes fewer of each."""
        each = max(1, min(EACH, IN_ALL // max(1, len(self._kept))))
        shown = sorted(self._kept)[:IN_ALL]
        lowest = {name: sorted(self._kept[name], reverse=True)[:each] for name in shown}
        return {name: [_data_url(labels, record) for _, _, record in kept] for name, kept in lowest.items()}


def _data_url(labels: LabelSet, record: Record) -> str:
    data, _ = labels.picture(record)
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        small.save(out, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode()}"
