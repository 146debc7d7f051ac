"""HEIC and AVIF from phones, DICOM from scanners: right colours, the file's own window, and no name of anybody."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from labeling.errors import BadImage
from labeling.ingest.decoding import decode, encode_shown
from labeling.ingest.headers import Limits, check_header
from tests.unit.ingest.formats.files import Values, furthest, saved
from tests.unit.ingest.formats.profiles import P3, in_srgb

SMOOTH = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8), (21, 21), 0)
MEASURED = np.random.default_rng(1).integers(0, 4096, (40, 50)).astype("u2")


def heic(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, format="HEIF", quality=-1, **options)
    return buffer.getvalue()


def dicom(values: Values, meaning: str = "MONOCHROME2", **tags: Any) -> bytes:
    file, image = Dataset(), values.shape[-2:] if meaning != "RGB" else values.shape[:2]
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file.PatientName, (file.Rows, file.Columns) = "SECRET^NAME", image
    bits = 8 * values.dtype.itemsize
    file.SamplesPerPixel, file.PhotometricInterpretation = 3 if meaning == "RGB" else 1, meaning
    file.BitsAllocated, file.BitsStored, file.HighBit = bits, bits, bits - 1
    file.PixelRepresentation = int(values.dtype.kind == "i")
    if meaning == "RGB":
        file.PlanarConfiguration = 0
    elif values.ndim == 3:
        file.NumberOfFrames = len(values)
    for name, value in tags.items():
        setattr(file, name, value)
    file.PixelData = values.tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()


def windowed(values: Values, centre: float, width: float) -> Values:
    """DICOM part 3, C.11.2.1.2.1."""
    shown: Values = np.round(np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 255)
    return shown


def test_heic_and_avif_are_taken_with_their_profile_whether_transparent_or_not() -> None:
    flat = Image.new("RGB", (64, 64), (120, 200, 80))
    clear = flat.copy()
    clear.putalpha(255)
    flat.info["icc_profile"] = clear.info["icc_profile"] = P3

    assert furthest(heic(Image.fromarray(SMOOTH)), SMOOTH) <= 12
    assert furthest(saved(Image.fromarray(SMOOTH), "AVIF", quality=95), SMOOTH) <= 12
    for data in (heic(flat), heic(clear), *(saved(one, "AVIF", quality=100, icc_profile=P3) for one in (flat, clear))):
        assert furthest(data, in_srgb(flat, P3)) <= 6


def test_they_are_measured_from_their_boxes_and_what_follows_does_not_matter() -> None:
    for data in (heic(Image.fromarray(SMOOTH)), saved(Image.fromarray(SMOOTH), "AVIF")):
        header = check_header(data + b"x" * 10_000, Limits())
        assert (header.width, header.height) in ((80, 60), (80, 64))  # HEIC is coded in whole blocks
        assert decode(data + b"x" * 10_000, Limits()).image.size == (80, 60)
        with pytest.raises(BadImage, match="at most 1,000 pixels"):
            check_header(data, Limits(max_pixels=1_000))
        with pytest.raises(BadImage, match=r"cut off|broken"):
            decode(data[: len(data) // 2], Limits())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_turns_of_an_avif(orientation: int) -> None:
    values, exif = np.zeros((20, 30, 3), np.uint8), Image.Exif()
    values[:10, :15] = 233
    exif[0x0112] = orientation
    turned = [
        values,
        values[:, ::-1],
        values[::-1, ::-1],
        values[::-1],
        values.transpose(1, 0, 2),
        np.rot90(values, -1),
        values[::-1, ::-1].transpose(1, 0, 2),
        np.rot90(values),
    ][orientation - 1]

    assert furthest(saved(Image.fromarray(values), "AVIF", quality=100, exif=exif), turned) <= 12


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (dicom(MEASURED, WindowCenter=1040, WindowWidth=400), windowed(MEASURED, 1040, 400)),
        (dicom(MEASURED, WindowCenter=[1040, 50], WindowWidth=[400, 99]), windowed(MEASURED, 1040, 400)),
        (
            dicom(MEASURED, WindowCenter=40, WindowWidth=400, RescaleSlope=2, RescaleIntercept=-1024),
            windowed(MEASURED * 2.0 - 1024, 40, 400),
        ),
        (
            dicom(MEASURED, "MONOCHROME1", WindowCenter=2000, WindowWidth=3000),
            255 - windowed(MEASURED, 2000, 3000),
        ),
        (
            dicom(MEASURED.astype("i2") - 2000, WindowCenter=-500, WindowWidth=1000),
            windowed(MEASURED - 2000.0, -500, 1000),
        ),
        (
            dicom(np.stack([MEASURED, 0 * MEASURED]), WindowCenter=1040, WindowWidth=400),
            windowed(MEASURED, 1040, 400),
        ),
        (dicom(MEASURED), np.round((MEASURED - MEASURED.min()) / np.ptp(MEASURED) * 255)),
        (dicom((MEASURED >> 4).astype("u1")), MEASURED >> 4),
        (dicom(SMOOTH, "RGB"), SMOOTH),
    ],
)
def test_a_dicom_is_shown_as_it_says_itself(data: bytes, wanted: Values) -> None:
    assert furthest(data, wanted) <= 1


def test_nothing_of_the_patient_is_in_what_is_shown() -> None:
    data = dicom(MEASURED, WindowCenter=1040, WindowWidth=400)

    shown, media_type = encode_shown(decode(data, Limits()))

    assert b"SECRET" in data
    assert b"SECRET" not in shown
    assert media_type == "image/png"


def test_a_mistake_of_ours_is_not_taken_for_a_broken_dicom(monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(samples: Values) -> Values:
        raise TypeError("of ours")

    monkeypatch.setattr("labeling.ingest.formats.dicom.stretched", mistaken)
    with pytest.raises(TypeError, match="of ours"):
        decode(dicom(MEASURED), Limits())


@pytest.mark.parametrize(
    "tags", [{"WindowCenter": [], "WindowWidth": []}, {"BitsStored": 0}, {"PhotometricInterpretation": "PALETTE COLOR"}]
)
def test_a_dicom_whose_header_makes_no_sense_is_refused(tags: dict[str, Any]) -> None:
    data = dicom(MEASURED, **tags)

    with pytest.raises(BadImage, match="DICOM"):
        decode(data, Limits())


def test_a_dicom_without_a_whole_image_is_refused() -> None:
    data = dicom(MEASURED)

    with pytest.raises(BadImage, match="DICOM"):
        decode(data[:-100], Limits())
    with pytest.raises(BadImage, match="DICOM"):
        check_header(data[:140], Limits())
