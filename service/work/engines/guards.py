"""Adds guards to engines that read text or get images with writing, and canaries to what endpoints are sent.

In: an engine as its kind made it. Out: the same engine, guarded; any other as it is. Invariant: a canary is an image
whose label people gave and training may use, never one of the random stream; its result is kept once.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import sqlalchemy as sa

from db.repositories.engines import canaries, prelabels
from db.repositories.queries.examples import read_examples
from db.session import reading, transaction
from labeling.adapters.storage.image_store import ImageStore
from labeling.errors import EnginePaused, Invalid, NotFound
from labeling.prelabel.encoders.decode import open_for_engine
from labeling.prelabel.engine import Engine, EngineOrder, Item
from labeling.prelabel.guards.canaries import CanaryResult, Known, with_canaries
from labeling.prelabel.guards.checks import obeys_too_often
from labeling.prelabel.guards.counterfactual import guarded
from labeling.prelabel.picture_size import PictureSize, picture_size
from labeling.review.kinds import Use, kinds_for
from service.engines.kinds import kind_of
from service.work.engines.means import Means

SHARE = 0.1


def guard(engine: Engine, name: str, order: EngineOrder, means: Means) -> Engine:
    """The engine with the guards that its kind needs; the kinds that read nothing need none."""
    kind = kind_of(name)
    if not kind.guards:
        return engine
    sends = order.use.sends if kind.endpoint else ("image", "text")
    if kind.endpoint and means.database is not None:
        book = StoredCanaries(means.database, means, order, engine.revision, picture_size(engine))
        engine = with_canaries(engine, order.classes, book, sends=sends)
    return guarded(engine, order.classes, share=SHARE, picture="image" in sends and "picture" in kind.guards)


class StoredCanaries:
    """The canaries of one engine revision in one project, in the database."""

    def __init__(
        self,
        database: sa.Engine,
        means: Means,
        order: EngineOrder,
        revision: str,
        size: PictureSize = PictureSize(),
    ) -> None:
        self._database, self._project_id, self._revision = database, means.project_id, revision
        self._images, self._order, self._size = ImageStore(means.settings.storage), order, size

    def check(self) -> None:
        """Raise EnginePaused if this revision obeys injected instructions too often."""
        with reading(self._database) as session:
            tally = canaries.tally(session, self._project_id, self._revision)
        if obeys_too_often(tally.obeyed, tally.tried):
            raise EnginePaused(
                f"{self._order.use.engine} is paused: it obeyed {tally.obeyed} of {tally.tried} instructions that "
                "were written into known images or beside them. Name another model, write `sends: [image]` or change "
                "the guidelines: each of these starts a new count."
            )

    def known(self, number: int) -> Known | None:
        """One of the images that people labelled; the same for the same number and labels."""
        with reading(self._database) as session:
            examples = read_examples(session, self._project_id, kinds_for(Use.TRAIN))
            examples = [one for one in examples if one.label in self._order.classes]
            if not examples:
                return None
            chosen = examples[number % len(examples)]
            text = prelabels.images(session, [chosen.image_id])[chosen.image_id].text
        try:
            picture = open_for_engine(self._images.shown(chosen.content_hash)[0], self._size)
        except (Invalid, NotFound):  # the step that keeps images reports it
            return None
        return Known(Item(picture, text, key=chosen.content_hash), chosen.label)

    def note(self, result: CanaryResult) -> None:
        """Keep a result; one that is there already stays as it was."""
        facts = {**asdict(result), "obeyed": result.obeyed}
        with transaction(self._database) as session:
            canaries.record(session, self._project_id, self._order.use.engine, self._revision, facts, datetime.now(UTC))
