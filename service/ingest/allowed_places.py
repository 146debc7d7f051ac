"""Which places a source or a line of a manifest may name: those under the administrator's roots, and our own never.

In: an address as somebody wrote it, and the settings. Out: the address as it is kept, or a refusal before anything of
the place is asked, so that no answer tells what is there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from labeling.adapters.sources.files import absolute
from labeling.errors import BadAddress, Invalid
from labeling.ingest.containers.file_names import printable
from service.settings import Settings

_LOCAL = ("file", "local")
_SAME = {"s3a": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs"}
"""Protocols that reach the same buckets."""


def outside_home(settings: Settings, address: str) -> str:
    """The address of a place as it is kept; Invalid where hardcase keeps its own files there, beneath it, or above."""
    place = _plain(address)
    for kept in (_plain(str(settings.home)), _plain(settings.storage)):
        if _within(place, kept) or _within(kept, place):
            raise Invalid(
                "hardcase keeps its own files there, images of all projects among them. Put the images into a folder "
                "of their own, outside of HARDCASE_HOME, and name that."
            )
    return place


def allowed_source(settings: Settings, address: str) -> str:
    """The same for the API, where the place must be under one of the administrator's roots; Invalid if it is not."""
    place = _plain(address)
    if not any(_within(place, root) for root in _roots(settings)):
        raise Invalid(
            "Over the API a source must be under a folder or bucket that the administrator allows: "
            "HARDCASE_SOURCE_ROOTS lists them. On the server, `hardcase ingest PROJECT ADDRESS --watch` adds any other."
        )
    return outside_home(settings, place)


def named_by(settings: Settings) -> Callable[[str], str]:
    """What says of an address that a manifest names outside of its own folder how it is kept, without links and `..`.

    It raises BadAddress where that is under no root of the administrator's, or where hardcase keeps its own files. Who
    writes a manifest is not the one who reads it in, so this holds for the command line too.
    """
    roots, ours = _roots(settings), [_plain(str(settings.home)), _plain(settings.storage)]

    def kept(address: str) -> str:
        place = _plain(address)
        if any(_within(place, one) for one in ours) or not any(_within(place, root) for root in roots):
            raise BadAddress(
                f"{printable(address)[:100]!r} lies neither in the folder of the manifest nor under a folder or bucket "
                "that the administrator allows (HARDCASE_SOURCE_ROOTS). Put it there, or the manifest above its images."
            )
        return place

    return kept


def check_file(settings: Settings, address: str) -> str:
    """The address of a file that is read now; BadAddress where it is one of hardcase's own, by a link too."""
    place = _plain(address)
    if any(_within(place, _plain(kept)) for kept in (settings.storage, str(settings.home / "label-studio"))):
        raise BadAddress("This is a file of hardcase's own. An image must come from a folder of its own.")
    return address


def _roots(settings: Settings) -> list[str]:
    return [_plain(root.strip()) for root in settings.source_roots.split(",") if root.strip()]


def _plain(address: str) -> str:
    """One way to write a place: a path in full without links, or a bucket's address without `.` and `..`."""
    protocol, separator, rest = address.partition("://")
    if not separator or protocol in _LOCAL:
        return absolute(rest if separator else address)
    place = absolute(address)
    if any(part in (".", "..") for part in rest.split("/")):
        raise BadAddress("An address with `.` or `..` in it cannot be a source. Write it in full.")
    return place


def _within(place: str, root: str) -> bool:
    """Whether a place is this root or beneath it."""
    place, root = _comparable(place), _comparable(root)
    return place == root or place.startswith(root.rstrip("/") + "/")


def _comparable(place: str) -> str:
    protocol, separator, rest = place.partition("://")
    if not separator:
        return place
    return f"{_SAME.get(protocol, protocol)}://{posixpath.normpath('/' + rest).strip('/')}"
