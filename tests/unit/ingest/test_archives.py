"""Archives from strangers: images come out, nothing is unpacked, bombs are refused by what is counted."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.errors import BadArchive
from labeling.ingest.archives import ArchiveLimits, inspect_archive, read_archive

LIMITS = ArchiveLimits(max_members=50, max_member_bytes=2**20, max_total_bytes=2**22, max_ratio=20, free_bytes=2**16)
ODD_NAMES = [
    "../../etc/passwd.png",
    "..\\..\\boot.png",
    "/absolute.png",
    "C:\\CON.png",
    "%2e%2e/x.png",
    "%252e%252e%252fx.png",
    "nul\0in.png",
    "unicode\u2215slash.png",
    "a" * 4_096 + ".png",
    "bidi\u202egnp.png",
    ".png",
]


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name) if "\0" in name else name, data, compression)
    return file


def tarred(*members: tuple[str, bytes], mode: str = "w:gz") -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def tarred_xz(*members: tuple[str, bytes]) -> io.BytesIO:
    return tarred(*members, mode="w:xz")


def tarred_plain(*members: tuple[str, bytes]) -> io.BytesIO:
    return tarred(*members, mode="w")


PACKERS = pytest.mark.parametrize("pack", [zipped, tarred, tarred_xz, tarred_plain])
Pack = Callable[..., io.BytesIO]


@PACKERS
def test_images_come_out_with_the_texts_beside_them_and_the_rest_is_counted(pack: Pack) -> None:
    file = pack(("cat/1.jpg", b"one"), ("cat/1.txt", b" a  cat "), ("2.PNG", b"two"), ("x.zip", b"PK"), ("README", b""))

    contents = inspect_archive(file, LIMITS)

    assert [(m.name, m.data) for m in read_archive(file, LIMITS)] == [("cat/1.jpg", b"one"), ("2.PNG", b"two")]
    assert (contents.images, contents.texts) == (2, {"cat/1": "a cat"})
    assert contents.ignored == {".zip": 1, "without extension": 1}


@PACKERS
@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_data_and_short_and_printable(pack: Pack, name: str) -> None:
    names = [member.name for member in read_archive(pack((name, b"x")), LIMITS)]

    assert all(len(n) <= 1_000 and (n.isprintable()) for n in names)


def test_links_devices_folders_and_encrypted_members_are_left_alone() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("evil.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    link = zipfile.ZipInfo("evil.png")
    link.external_attr = 0o120777 << 16
    zip_file = io.BytesIO()
    with zipfile.ZipFile(zip_file, "w") as zip_archive:
        zip_archive.writestr(link, "/etc/passwd")
        zip_archive.writestr("folder/", "")

    assert inspect_archive(file, LIMITS).ignored.total() == 5
    assert list(read_archive(file, LIMITS)) == []
    assert inspect_archive(zip_file, LIMITS).ignored.total() == 2
    assert list(read_archive(zip_file, LIMITS)) == []


def lying_zip() -> io.BytesIO:
    """A member that says it has 10 bytes and inflates to a million."""
    data = bytearray(zipped(("a.png", bytes(1_000_000))).getvalue())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = struct.pack("<I", 10)
    return io.BytesIO(bytes(data))


def huge_pax_header() -> io.BytesIO:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3 * 2**20
    return io.BytesIO(info.tobuf(tarfile.USTAR_FORMAT) + bytes(3 * 2**20) + bytes(1024))


def false_directory(zip64: bool) -> io.BytesIO:
    file = zipped(("a.png", b"x")).getvalue()
    at = file.rindex(b"PK\x05\x06")
    if not zip64:
        return io.BytesIO(file[: at + 12] + struct.pack("<I", 2**31) + file[at + 16 :])
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 2**31, 0)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, at, 1)
    return io.BytesIO(file[:at] + record + locator + file[at:])


BOMBS: dict[str, Callable[[], io.BytesIO]] = {
    "zip ratio": lambda: zipped(*[(f"{n}.png", bytes(500_000)) for n in range(8)]),
    "tar ratio": lambda: tarred(*[(f"{n}.png", bytes(500_000)) for n in range(8)]),
    "tar ratio in what is not even an image": lambda: tarred(*[(f"{n}.bin", bytes(500_000)) for n in range(8)]),
    "zip members": lambda: zipped(*[(f"{n}.png", b"") for n in range(60)]),
    "tar members": lambda: tarred(*[(f"{n}.png", b"") for n in range(60)]),
    "zip directory": lambda: false_directory(zip64=False),
    "zip64 directory": lambda: false_directory(zip64=True),
    "one large member": lambda: zipped(("a.png", bytes(range(256)) * 5_000), compression=zipfile.ZIP_STORED),
    "lying size": lying_zip,
    "header": huge_pax_header,
    "no archive": lambda: io.BytesIO(b"just words" * 100),
    "no archive, short": lambda: io.BytesIO(b"PK"),
    "empty": io.BytesIO,
    "cut off zip": lambda: io.BytesIO(zipped(("a.png", b"x" * 1_000)).getvalue()[:-30]),
    "cut off tar": lambda: io.BytesIO(tarred(("a.png", bytes(range(256)) * 40)).getvalue()[:-30]),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_and_broken_archives_are_refused(bomb: str) -> None:
    with pytest.raises(BadArchive) as refused:
        inspect_archive(BOMBS[bomb](), LIMITS)

    assert refused.value.message


def test_archives_within_archives_are_not_opened_and_duplicate_names_both_come() -> None:
    inner = zipped(("hidden.png", b"x")).getvalue()
    with pytest.warns(UserWarning, match="Duplicate"):
        file = zipped(("inner.zip", inner), ("a.png", b"1"), ("a.png", b"2"))

    assert [(m.name, m.data) for m in read_archive(file, LIMITS)] == [("a.png", b"1"), ("a.png", b"2")]


def test_a_member_without_a_name_is_passed_over() -> None:
    data = bytearray(zipped(("a.png", b"picture"), ("b.png", b"picture")).getvalue())
    data[data.rindex(b"a.png")] = 0  # in the directory: this name ends where it begins

    contents = inspect_archive(io.BytesIO(bytes(data)), LIMITS)

    assert contents.images == 1


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([zipped, tarred, tarred_plain]), st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255))))
def test_flipped_bytes_give_members_or_a_reason_and_nothing_else(pack: Pack, flips: list[tuple[int, int]]) -> None:
    data = bytearray(pack(("a.png", b"one"), ("b/c.jpg", b"two" * 50)).getvalue())
    for at, value in flips:
        data[at % len(data)] = value

    try:
        inspect_archive(io.BytesIO(bytes(data)), LIMITS)
    except BadArchive as error:
        assert error.message
