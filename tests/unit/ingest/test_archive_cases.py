"""Archives as other programs pack them: the same names and images come out. Numbers are those of the cases."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest

from labeling.errors import BadArchive
from labeling.ingest.archives import ArchiveLimits, Contents, inspect_archive, read_archive

LIMITS = ArchiveLimits()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


def zipped(*members: tuple[str | bytes, bytes], flag: bool = True, **fields: int) -> io.BytesIO:
    """A ZIP; a name in bytes stands there as it is, without the UTF-8 flag."""
    file = io.BytesIO()
    replaced: list[tuple[bytes, bytes]] = []
    with zipfile.ZipFile(file, "w") as archive:
        for number, (name, data) in enumerate(members):
            plain = name if isinstance(name, str) else f"{number:0{len(name)}d}"
            info = zipfile.ZipInfo(plain)
            archive.writestr(info, data)
            if isinstance(name, bytes):
                replaced.append((plain.encode(), name))
    content = file.getvalue()
    for plain_name, raw in replaced:
        content = content.replace(plain_name, raw)
    return io.BytesIO(content)


def tarred(*members: tuple[str, bytes], mode: str = "w:gz") -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def read(file: io.BytesIO) -> tuple[list[str], Contents]:
    contents = inspect_archive(file, LIMITS)
    names = [member.name for member in read_archive(file, LIMITS)]
    assert len(names) == contents.images
    return names, contents


Pack = Callable[..., io.BytesIO]
PACKERS = pytest.mark.parametrize("pack", [zipped, tarred])


@PACKERS
@pytest.mark.parametrize(
    "name",
    [
        "./cat/1.png",
        "/cat/1.png",
        "cat//1.png",
        "cat/./1.png",
        "cat\\1.png",
        ".\\cat\\1.png",
        "C:\\cat\\1.png",
        "../../cat/1.png",
    ]
    + ["//cat/1.png", "cat/1.png", "C:/cat/1.png"],
)
def test_b17_the_first_folder_is_the_first_folder_however_the_packer_writes_it(pack: Pack, name: str) -> None:
    """B17: members that begin with `./` (what `tar -C photos -czf a.tgz .` makes) or `/`; backslashes; drives."""
    names, _ = read(pack((name, PNG)))

    assert names == ["cat/1.png"]


@PACKERS
def test_b17_an_image_finds_its_text_whatever_stands_before_the_names(pack: Pack) -> None:
    _, contents = read(pack(("./cat/Ka\u0308fer.png", PNG), ("cat/K\u00e4fer.TXT", b"a beetle")))

    assert contents.texts == {"cat/K\u00e4fer": "a beetle"}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("K\u00e4fer/1.png".encode(), "K\u00e4fer/1.png"),
        ("Ka\u0308fer/1.png".encode(), "K\u00e4fer/1.png"),
        ("\u732b/1.png".encode(), "\u732b/1.png"),
        ("K\u00e4fer/1.png".encode("cp437"), "K\u00e4fer/1.png"),
        ("K\u00e4fer/1.png".encode("cp850"), "K\u00e4fer/1.png"),
    ],
)
def test_b19_a_name_without_the_flag_is_utf8_where_it_can_be_else_cp437(raw: bytes, name: str) -> None:
    """B19: ZIPs of macOS, and of DOS and Windows."""
    names, _ = read(zipped((raw, PNG)))

    assert names == [name]


def with_unicode_field(raw: bytes, name: str, *, of: bytes) -> io.BytesIO:
    info = zipfile.ZipInfo("x" * len(raw))
    field = struct.pack("<BI", 1, zlib.crc32(of)) + name.encode()
    info.extra = struct.pack("<HH", 0x7075, len(field)) + field
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, PNG)
    return io.BytesIO(file.getvalue().replace(b"x" * len(raw), raw))


def test_b19_the_field_of_unicode_names_the_member_if_it_is_of_this_name() -> None:
    raw = "K\u00e4fer/1.png".encode("cp1252")

    assert read(with_unicode_field(raw, "K\u00e4fer/1.png", of=raw))[0] == ["K\u00e4fer/1.png"]
    assert read(with_unicode_field(raw, "other/1.png", of=b"another name"))[0] == ["K\u03a3fer/1.png"]


def test_b19_a_name_in_a_tar_that_is_no_utf8_loses_no_letter_in_silence() -> None:
    assert read(tarred(("M\udcfcller/1.png", PNG)))[0] == ["M\ufffdller/1.png"]


@PACKERS
@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/p/._a.png",
        "p/._a.png",
        ".hidden.png",
        "p/.git/a.png",
        "p/Thumbs.db",
        "@eaDir/a.png/x.jpg",
        "$RECYCLE.BIN/a.png",
    ]
    + ["@Recycle/a.png", "p/ehthumbs.db", "./._a.png", "__MACOSX\\p\\._a.png", "p/desktop.ini", "p/.DS_Store"],
)
def test_b20_what_systems_hide_in_archives_is_left_alone_and_counted(pack: Pack, name: str) -> None:
    """B20: a ZIP by the Finder of macOS."""
    names, contents = read(pack(("p/a.png", PNG), (name, b"Mac OS X")))

    assert names == ["p/a.png"] and contents.refused == []
    assert contents.ignored == {"hidden files and folders": 1}


@PACKERS
def test_b35_members_are_taken_by_their_first_bytes_where_the_name_does_not_say(pack: Pack) -> None:
    """B35: `.jfif`, `.mpo`, no extension."""
    images = ["a.jfif", "b.MPO", "c", "d.jpg_large", "e.2024", "f.png ", "g.pjpeg"]

    names, contents = read(
        pack(*[(name, PNG) for name in images], ("README", b"words"), ("x.json", PNG), ("y.2024", b"words"))
    )

    assert sorted(name.rstrip() for name in names) == sorted(name.rstrip() for name in images)
    assert contents.ignored == {"without extension": 1, ".json": 1, ".2024": 1}


def changed(file: io.BytesIO, *, flags: int = 0, method: int | None = None) -> io.BytesIO:
    """The ZIP with other flags and another method in every header."""
    data = bytearray(file.getvalue())
    for signature, at_flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + at_flags] |= flags
            if method is not None:
                data[at + at_flags + 2 : at + at_flags + 4] = struct.pack("<H", method)
            at = data.find(signature, at + 4)
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize(
    ("flags", "method", "words"),
    [(1, None, "encrypted"), (1, 99, "encrypted"), (0, 9, "Deflate64"), (0, 93, "Zstandard"), (0, 77, "method 77")],
)
def test_members_that_cannot_be_read_are_refused_one_by_one_with_the_reason(
    flags: int, method: int | None, words: str
) -> None:
    """B20, siblings: a password, and compression that Windows and WinZip use."""
    names, contents = read(changed(zipped(("cat/1.png", PNG), ("2.png", PNG)), flags=flags, method=method))

    assert names == []
    assert [name for name, _ in contents.refused] == ["cat/1.png", "2.png"]
    assert all(words in reason for _, reason in contents.refused)


@PACKERS
def test_b01_a_text_that_is_no_utf8_is_refused_and_its_image_is_taken(pack: Pack) -> None:
    names, contents = read(
        pack(("a.png", PNG), ("a.txt", b"M\xfcller"), ("b.png", PNG), ("b.txt", "Käfer".encode("utf-16")))
    )

    assert names == ["a.png", "b.png"] and contents.texts == {"b": "Käfer"}
    assert [name for name, _ in contents.refused] == ["a.txt"] and "UTF-8" in contents.refused[0][1]


def test_a_long_name_keeps_its_beginning_and_its_extension() -> None:
    (name,), _ = read(tarred(("cat/" + "x" * 4_000 + ".png", PNG)))

    assert name.startswith("cat/") and name.endswith(".png") and len(name) == 1_000


def test_b17_a_tar_of_the_oldest_form_is_known_by_its_sum() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("./cat/1.png")
        info.size = len(PNG)
        archive.addfile(info, io.BytesIO(PNG))
    head = bytearray(file.getvalue())
    head[257:512] = bytes(255)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])

    names, _ = read(io.BytesIO(bytes(head)))

    assert names == ["cat/1.png"]


def test_b19_the_field_of_unicode_counts_where_the_plain_name_has_no_other_letters() -> None:
    """Some packers write `_` for what their code page lacks."""
    plain, right = "__/1.png", "\u732b/1.png".encode()
    info = zipfile.ZipInfo(plain)
    info.extra = struct.pack("<HHBI", 0x7075, 5 + len(right), 1, zlib.crc32(plain.encode())) + right
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, PNG)

    names, _ = read(file)

    assert names == ["\u732b/1.png"]


@pytest.mark.parametrize(
    ("before", "after"), [(b"cat/1.png", b"cat\\1.png"), ("K\u00e4f/1.png".encode(), b"K+-f/1.png")]
)
def test_b19_a_name_that_stands_otherwise_before_the_bytes_is_the_name_in_the_directory(
    before: bytes, after: bytes
) -> None:
    """Packers that write `\\` or another encoding in one of the two places."""
    content = zipped((before.decode(), PNG)).getvalue()

    names, _ = read(io.BytesIO(content.replace(before, after, 1)))

    assert names == [before.decode()]


def test_b19_a_name_that_is_not_the_utf8_it_says_it_is_refuses_the_archive_with_the_name() -> None:
    content = zipped(("K\u00e4f/1.png", PNG)).getvalue().replace("\u00e4".encode(), b"\xe4-")

    with pytest.raises(BadArchive, match=r"not UTF-8|one is not \(b'K"):
        inspect_archive(io.BytesIO(content), LIMITS)
