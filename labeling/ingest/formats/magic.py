"""Which kind of file bytes are, by how they begin.

In: the bytes of a file. Out: one of the formats that are taken, with where it begins, or BadImage that names what it
is and says what to do. The name and the declared type of a file are not used.
"""

from __future__ import annotations

import re

from labeling.errors import BadImage

__all__ = ["FORMATS", "format_of", "without_junk"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC", "DICOM")
"""The only formats that are ever handed to a decoder."""
_TAKEN = "JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, and with its extra HEIC and DICOM"

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_REFUSED = (
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\xff\xd8\xf7", "a JPEG-LS image"),
    (b"\xff\xd8\xff\xf7", "a JPEG-LS image"),
    (b"II\xbc\x01", "a JPEG XR image"),
    (b"\0\0\0\x0cjP", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\0\0\1\0", "a Windows icon (ICO)"),
    (b"\x0a\x05\x01", "a PCX image"),
    (b"/* XPM */", "an XPM icon"),
    (b"icns", "an Apple icon (ICNS)"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
    (b"SIMPLE  =", "a FITS file"),
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"#?RGBE", "a Radiance HDR image"),
    (b"qoif", "a QOI image"),
    (b"DDS ", "a DDS texture"),
    (b"farbfeld", "a farbfeld image"),
    (b"BPG\xfb", "a BPG image"),
    (b"FLIF", "a FLIF image"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\x01\xda", "an SGI image"),
    (b"\x59\xa6\x6a\x95", "a Sun raster image"),
    (b"\x8aMNG\r\n\x1a\n", "an MNG animation"),
    (b"\x8bJNG\r\n\x1a\n", "a JNG image"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
    (b"IIRO", "an Olympus raw file"),
    (b"IIRS", "an Olympus raw file"),
    (b"IIU\0", "a Panasonic raw file"),
    (b"FUJIFILMCCD-RAW", "a Fujifilm raw file"),
    (b"FOVb", "a Sigma raw file"),
    (b"\0MRM", "a Minolta raw file"),
    (b"II\x1a\0\0\0HEAPCCDR", "a Canon raw file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"CDF\x01", "a NetCDF file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a database"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"#!", "a program"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM film"),
    (b"\0\0\1\xba", "an MPEG film"),
    (b"\0\0\1\xb3", "an MPEG film"),
    (b"FLV\x01", "a Flash film"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "a sound file"),
    (b"fLaC", "a sound file"),
    (b"\x89PNG\n", "a PNG that was copied as text, with other line ends"),
    (b"\x89PNG\r\r", "a PNG that was copied as text, with other line ends"),
    (b"\xef\xbf\xbd", "a file that was saved as text, which lost its bytes"),
    (b"\xc3\xbf\xc3\x98\xc3\xbf", "a JPEG that was saved as text"),
    (b"\xc2\x89PNG", "a PNG that was saved as text"),
    (b"data:image/", "an image written as text (base64)"),
    (b"/9j/", "an image written as text (base64)"),
    (b"iVBORw0KGgo", "an image written as text (base64)"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
)
_TARGA = (b"\0\0\2\0\0\0", b"\0\0\x0a\0\0\0")
_RIFF = {b"AVI ": "an AVI film", b"WAVE": "a sound file"}
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
}
_OTHER_BRANDS = {b"crx ": "a Canon raw file", b"qt  ": "a QuickTime film", b"jp2 ": "a JPEG 2000 image"}
_PORTABLE = re.compile(rb"P[1-7Ff][ \t\r\n]")
_STRONG = re.compile(rb"\xff\xd8\xff[\xc0\xc2\xdb\xe0-\xef\xfe]|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBPVP8", re.DOTALL)
_MAX_JUNK = 1024
_WINDOWS_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}


def without_junk(data: bytes) -> bytes:
    """The file from where its picture begins: line ends, a byte order mark or lost headers before it are left out.

    Examples
    --------
    >>> without_junk(b"\\r\\nGIF89a...")
    b'GIF89a...'
    """
    if _known(data) or _other(data):
        return data
    found = _STRONG.search(data, 0, _MAX_JUNK + 16)
    return data[found.start() :] if found else data


def format_of(data: bytes) -> str:
    """The format that the first bytes name; BadImage, with what to do, for any other format than `FORMATS`.

    >>> format_of(b"GIF89a...")
    'GIF'
    """
    if not data:
        raise BadImage("The file is empty. Copy it again from where it came.")
    known = _known(data)
    if known:
        return known
    raise BadImage(
        f"This is {_other(data) or 'not an image that we know'}, and only {_TAKEN} are taken. Convert it first."
    )


def _known(data: bytes) -> str:
    if data.startswith((b"\xff\xd8\xff\xf7", b"\xff\xd8\xf7")):
        return ""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _WINDOWS_HEADERS:
        return "BMP"
    if data[4:8] == b"ftyp":
        return next((_BRANDS[brand] for brand in _brands(data) if brand in _BRANDS), "")
    return "DICOM" if data[128:132] == b"DICM" else ""


def _brands(data: bytes) -> list[bytes]:
    """The major brand, then those that the file is compatible with; AVIF first, for it is also `mif1`."""
    end = min(int.from_bytes(data[:4], "big"), 512, len(data))
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]
    return sorted(brands, key=lambda brand: _BRANDS.get(brand) != "AVIF") if brands[0] in _BRANDS else brands[:1]


def _other(data: bytes) -> str:
    for magic, name in _REFUSED:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12], "a RIFF file that is no WEBP")
    if data[4:8] == b"ftyp":
        return _OTHER_BRANDS.get(data[8:12], "a film (MP4)")
    if data[:4] == b"\0\0\2\0" and data[4:6] != b"\0\0":
        return "a Windows cursor (CUR)"
    if data[-18:-2] == b"TRUEVISION-XFILE" or data[:6] in _TARGA:
        return "a Targa image (TGA)"
    if data[40:44] == b" EMF":
        return "a Windows metafile (EMF)"
    if data[257:262] == b"ustar":
        return "a TAR archive"
    if _PORTABLE.match(data):
        return "a portable pixmap (PNM)"
    if data[:2] == b"BM":
        return "a kind of BMP that we do not know"
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page or XML document"
    return "a JSON document" if start.startswith((b"{", b"[{")) else ""
