"""Files that are no picture that we take are refused by their name, with the way out."""

from __future__ import annotations

import pytest

from labeling.errors import BadImage
from labeling.ingest.formats.magic import format_of, without_junk
from labeling.ingest.headers import Limits, check_header
from tests.unit.ingest.formats.test_jpeg import KINDS

NAMED = {
    "BigTIFF": b"II+\0\x08\0\0\0",
    "BigTIFF.": b"MM\0+\0\x08\0\0",
    "JPEG XL": b"\xff\x0a\xfa\x1f",
    "JPEG XL.": b"\0\0\0\x0cJXL \r\n\x87\n",
    "JPEG-LS": b"\xff\xd8\xff\xf7\0\x0b\x08",
    "JPEG XR": b"II\xbc\x01\x08\0\0\0",
    "JPEG 2000": b"\xff\x4f\xff\x51\0",
    "ICO": b"\0\0\1\0\1\0\x10\x10",
    "CUR": b"\0\0\2\0\1\0\x10\x10",
    "TGA": b"\0\0\2\0\0\0\0\0\0\0\0\0\x08\0\x08\0\x18\0",
    "TGA.": b"\0\1\1\0\0\0\1\x18" + bytes(40) + b"TRUEVISION-XFILE.\0",
    "PCX": b"\x0a\x05\x01\x08\0\0\0\0",
    "XPM": b"/* XPM */\nstatic char *x[] = {",
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF\0\0\1\0",
    "ICNS": b"icns\0\0\0\x10",
    "Photoshop": b"8BPS\0\1",
    "GIMP": b"gimp xcf v011\0",
    "OpenEXR": b"v/1\x01\2\0\0\0",
    "Radiance": b"#?RADIANCE\n",
    "QOI": b"qoif\0\0\0\x10",
    "DDS": b"DDS |\0\0\0",
    "PNM": b"P6\n640 480\n255\n",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "NumPy": b"\x93NUMPY\x01\0",
    "gzip": b"\x1f\x8b\x08\0",
    "7z": b"7z\xbc\xaf\x27\x1c",
    "TAR": b"a.txt".ljust(257, b"\0") + b"ustar\x0000",
    "Office": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "MP4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "QuickTime": b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
    "Canon raw": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "Matroska": b"\x1aE\xdf\xa3\x01",
    "AVI": b"RIFF\0\0\0\0AVI LIST",
    "sound": b"ID3\x03\0\0\0\0\0\0" + b"APIC" + KINDS["baseline"],
    "Fujifilm": b"FUJIFILMCCD-RAW " + b"\0" * 132 + KINDS["baseline"],
    "JSON": b'{"image": 1}',
    "web page": b"<html><img src='data:" + KINDS["baseline"],
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
    "copied as text": b"\x89PNG\n\x1a\n" + b"\0" * 30,
    "lost its bytes": "\ufffd\ufffd\ufffd\ufffd\0\x10JFIF".encode(),
    "saved as text": KINDS["baseline"].decode("latin-1").encode(),
    "base64": b"data:image/png;base64,iVBORw0KGgo",
    "BMP": b"BMnonsense that is no bitmap at all",
}


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_taken_is_named(name: str) -> None:
    with pytest.raises(BadImage, match=name.rstrip(".")) as refused:
        check_header(NAMED[name], Limits())

    assert "Convert it first" in refused.value.message


def test_avif_and_heic_are_told_apart_by_all_their_brands() -> None:
    def begins(*brands: bytes) -> bytes:
        return (8 + 4 * len(brands) + 4).to_bytes(4, "big") + b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])

    assert format_of(begins(b"avif", b"mif1", b"miaf")) == "AVIF"
    assert format_of(begins(b"mif1", b"miaf", b"avif")) == "AVIF"
    assert format_of(begins(b"heic", b"mif1")) == "HEIC"
    assert format_of(begins(b"mif1", b"heic")) == "HEIC"


def test_junk_is_left_out_only_before_the_signature_of_a_picture() -> None:
    assert without_junk(b"\r\n" + KINDS["baseline"]) == KINDS["baseline"]
    assert without_junk(b"%PDF-1.7" + KINDS["baseline"])[:4] == b"%PDF"
    assert without_junk(b"\0" * 2_000 + KINDS["baseline"])[:2] == b"\0\0"
