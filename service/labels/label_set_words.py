"""What a change of the label set does, in words; the same for the command and the page."""

from __future__ import annotations

from labeling.project import LabelChange
from service.labels.label_set import Effect
from service.projects.history import change_words

__all__ = ["words_of"]


def words_of(effect: Effect, *, done: bool) -> list[str]:
    """What it does, or did: a line for each thing that it touches."""
    heading = change_words(LabelChange(effect.operation, effect.was, effect.becomes))
    lines = [
        f"{heading}: version {effect.label_set} of the label set"
        + (" is in force." if done else ", if you put it in force. Nothing was changed.")
    ]
    counted = ", ".join(f"{one.images} of {one.label!r}" for one in effect.labels)
    if effect.follow:
        lines.append(f"Labels: {counted} are {effect.becomes[0]!r} from now on, and train at once.")
    if effect.excluded:
        lines.append(
            f'Labels: {counted} are "none of these" from now on, with the reason; no version learns from them.'
        )
    if effect.asked_again:
        lines.append(f"Labels: {counted} have none until people say which part it is; reviews ask them again.")
    if effect.none_labels:
        lines.append(
            f'{effect.none_labels} images are labelled "none of these" and may be of the new class: ask people again '
            "on the page of labels."
        )
    if effect.gold:
        what = "cannot be used until it is decided again" if effect.asked_again else "follows"
        lines.append(f"Gold: {effect.gold} of these labels; it {what}.")
    if effect.pre_selected:
        lines.append(f"Label Studio: the suggestions of {effect.pre_selected} open reviews are made anew.")
    if effect.versions:
        serving = f"; version {effect.champion} stays in use until a new one is promoted" if effect.champion else ""
        lines.append(
            f"Versions: what {effect.versions} of before predicted is read by the names of the classes{serving}."
        )
    if effect.certificates:
        names = ", ".join(map(str, effect.certificates))
        lines.append(f"Certificates: {names} ends, and its labels are taken back; the next is of the new label set.")
    lines.append(f"Engines: {', '.join(effect.engines)} is asked about the images again with the new classes.")
    return lines
