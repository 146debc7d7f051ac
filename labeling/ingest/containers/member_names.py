"""What the members of an archive are called, whoever packed it: `cat/1.png` in every one of its ways of writing.

In: a name as the archive has it. Out: the same in one normal form, from the archive's own top folder on. Names are
data, never paths.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib

from labeling.normal_form import one_line

__all__ = ["UTF8_FLAG", "member_name", "name_in_zip"]

_LONGEST = 1_000
UTF8_FLAG = 0x800
"""Of a ZIP's member: its name is UTF-8."""
_UNICODE_PATH = 0x7075
_DRIVE = re.compile(r"[A-Za-z]:")


def member_name(name: str) -> str:
    """The name of a member: `/` between its parts, without what stands before the first folder.

    >>> member_name("./cat/1.png"), member_name("C:\\\\cat\\\\1.png"), member_name("/cat//1.png")
    ('cat/1.png', 'cat/1.png', 'cat/1.png')
    """
    text = name.encode("utf-8", "surrogateescape" if _is_escaped(name) else "replace").decode("utf-8", "replace")
    parts = [part for part in re.split(r"[/\\]", one_line(text)) if part not in ("", ".")]
    while parts and (parts[0] == ".." or _DRIVE.fullmatch(parts[0])):
        del parts[0]
    plain = "/".join(parts) or "without name"
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 100] + plain[-100:]


def name_in_zip(info: zipfile.ZipInfo) -> str:
    """The name of a ZIP's member: by its flag or its field of Unicode, else UTF-8 where it is valid, else cp437.

    Source: APPNOTE.TXT 6.3.10, appendix D (flag bit 11, field 0x7075); macOS writes UTF-8 without either.
    """
    if info.flag_bits & UTF8_FLAG:
        return info.filename
    raw = info.orig_filename.encode("cp437").split(b"\0")[0]
    if (found := _unicode_path(info.extra, raw)) is not None:
        return found
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return info.filename


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in the field of Unicode, if it belongs to this name."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[1:5] == struct.pack("<I", zlib.crc32(raw)):
            return field[5:].decode("utf-8", "replace")
    return None


def _is_escaped(name: str) -> bool:
    """Whether the name holds bytes that were no UTF-8, as the operating system's names do, and nothing odder."""
    return all(not "\ud800" <= sign <= "\udfff" or "\udc80" <= sign <= "\udcff" for sign in name)
