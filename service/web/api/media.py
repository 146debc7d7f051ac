"""Images under signed addresses: for Label Studio by review, for our pages by content.

In: an address that we signed. Out: our own re-encoding, with headers that let a browser only show it. An address that
was changed in any way is 403, without a reason.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response

from db.repositories.reviews import overlays
from db.session import reading
from db.views import dashboard
from labeling.errors import Denied, Invalid, NotFound
from labeling.types import ReviewId
from service.label_studio.signed_urls import verify_media
from service.web.edge.problems import Described
from service.web.wiring import PartsDep, WebParts

MEDIA_TYPES = frozenset({"image/jpeg", "image/png"})
MEDIA_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_LOOPBACK = ("127.0.0.1", "localhost")
_IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "The image."}
}
Short = Annotated[str, Query(max_length=20)]


def _verify(
    request: Request,
    parts: PartsDep,
    expires: Short = "",
    key: Short = "",
    signature: Annotated[str, Query(max_length=100)] = "",
) -> None:
    try:
        verify_media(
            parts.settings.signing,
            method=request.method,
            path=request.scope["raw_path"].decode("ascii", "replace"),
            expiry=expires,
            key=key,
            signature=signature,
            now=parts.now(),
        )
    except Invalid as error:
        raise Denied(error.message) from error


router = APIRouter(
    tags=["media"],
    default_response_class=Response,
    responses=_IMAGE,
    dependencies=[Depends(_verify)],
    route_class=Described,
)


@router.get("/media/review/{token}", summary="A review's image, for Label Studio")
def show_review(request: Request, parts: PartsDep, token: str) -> Response:
    """Serving it is recorded once: an answer to an image that was never fetched is not counted."""
    review_id, content_hash, _ = _review(parts, token)
    response = _image(parts, content_hash)
    parts.image_views.note(review_id)
    return _for_label_studio(request, parts, response)


@router.get("/media/region/{token}", summary="Where a review's class is thought to be, for Label Studio")
def show_region(request: Request, parts: PartsDep, token: str) -> Response:
    """The overlay; the image itself while none is drawn, and where the review is blind."""
    _, content_hash, drawing = _review(parts, token)
    try:
        response = _picture(parts.images.drawing(drawing), "image/jpeg") if drawing else _image(parts, content_hash)
    except NotFound:
        response = _image(parts, content_hash)
    response.headers["Cache-Control"] = "private, no-cache"  # it is drawn again when another class is suggested
    return _for_label_studio(request, parts, response)


@router.get("/media/picture/{project_id}/{content_hash}", summary="An image on one of our pages")
def show_picture(parts: PartsDep, project_id: str, content_hash: str) -> Response:
    response = _image(parts, content_hash)
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _review(parts: WebParts, token: str) -> tuple[ReviewId, str, str | None]:
    with reading(parts.database) as session:
        found = dashboard.review_media(session, token)
        if found is None:
            raise Denied("This review is not there any more. Open the task again in Label Studio.")
        return *found, overlays.newest(session, found[0])


def _for_label_studio(request: Request, parts: WebParts, response: Response) -> Response:
    origin = request.headers.get("origin", "")
    if origin in _origins(parts.settings.label_studio_page_origin):
        response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Vary"] = "Origin"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _image(parts: WebParts, content_hash: str) -> Response:
    data, media_type = parts.images.shown(content_hash)
    if media_type not in MEDIA_TYPES:
        raise Denied("Only images are served here.")
    return _picture(data, media_type)


def _picture(data: bytes, media_type: str) -> Response:
    headers = {
        "Cache-Control": "private, max-age=3600",
        "Content-Security-Policy": MEDIA_POLICY,
        "Content-Disposition": "inline",
        "Cross-Origin-Opener-Policy": "unsafe-none",
    }
    return Response(data, media_type=media_type, headers=headers)


def _origins(page_origin: str) -> set[str]:
    """Label Studio's origin; loopback has two names, and both are accepted."""
    parts = urlsplit(page_origin)
    origin = f"{parts.scheme}://{parts.netloc}"
    if parts.hostname not in _LOOPBACK:
        return {origin}
    return {origin.replace(str(parts.hostname), name, 1) for name in _LOOPBACK}
