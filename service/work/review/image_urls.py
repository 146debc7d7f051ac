"""The addresses in a task: those under which annotators get images, signed, naming the review, renewed before they end.

An address lives until its review closes and 30 days more: it is made for 60 days and renewed, while the review
is open, as soon as 40 are left, or when our own address or signing secret changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from db.repositories.reviews import reviews
from db.repositories.reviews.label_studio import Place
from db.session import reading
from labeling.adapters.label_studio.client import Changed
from labeling.errors import Invalid
from labeling.review import payloads
from labeling.review.controls import Controls
from labeling.review.hint_text import Hint
from labeling.review.payloads import NO_HINT
from service.label_studio.adopted_tasks import controls_of
from service.label_studio.signed_urls import LONGEST_LIFE, expiry_of, key_id, sign_media, sign_region
from service.work.wiring import Parts

LIFE = timedelta(days=60)
LEFT = timedelta(days=40)


def task_data_of(
    parts: Parts, token: str, controls: Controls, *, text: str | None = None, hint: Hint = NO_HINT
) -> dict[str, str]:
    """The data of a review's task, with its addresses from now on."""
    image, overlay = _addresses_of(parts, token)
    return payloads.task_data(token=token, image_url=image, region_url=overlay, text=text, hint=hint, controls=controls)


def _addresses_of(parts: Parts, token: str) -> tuple[str, str]:
    """The addresses of a review's image and of its overlay."""
    secret, now = parts.settings.secret.get_secret_value(), parts.now()
    image, overlay = (sign(secret, token=token, expires_at=now + LIFE, now=now) for sign in (sign_media, sign_region))
    return f"{parts.settings.address}{image}", f"{parts.settings.address}{overlay}"


def renew_addresses(parts: Parts, place: Place, tasks: Sequence[Changed]) -> int:
    """Give those of these tasks whose review is open a new address where theirs nears its end; return how many."""
    with reading(parts.database) as session:
        open_tokens = {review.token for review in reviews.open_reviews(session, place.project_id)}
    key = controls_of(place).image_key
    due = [task for task in tasks if task.token in open_tokens and not _is_good(parts, str(task.data.get(key, "")))]
    for task in due:
        image, overlay = _addresses_of(parts, task.token)
        parts.label_studio.set_task_data(task.task_id, {**task.data, key: image, "region": overlay})
    return len(due)


def _is_good(parts: Parts, address: str) -> bool:
    ours = f"key={key_id(parts.settings.secret.get_secret_value())}"
    if not address.startswith(f"{parts.settings.address}/") or ours not in address:
        return False
    try:
        return LEFT < expiry_of(address) - parts.now() <= LONGEST_LIFE
    except Invalid:
        return False
