"""DICOM, by the extra `dicom`: the first frame, windowed as the file itself says. Nothing but pixels comes out.

In: the bytes of a file with DICOM's preamble. Out: its size, then a picture of eight bits.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from labeling.errors import BadImage
from labeling.ingest.formats.broken import broken
from labeling.ingest.formats.depth import Bytes, scaled, stretched

__all__ = ["open_dicom", "read_dicom"]

_GREY = ("MONOCHROME1", "MONOCHROME2")
_OF_THE_HEADER = ["Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames"]
_WINDOWS = "FrameVOILUTSequence"
_RESCALING = "PixelValueTransformationSequence"


def read_dicom(data: bytes) -> tuple[int, int, int]:
    """Width, height and bytes a pixel over all frames, which are unpacked together.

    Raises
    ------
    BadImage
        Without the extra `dicom`, and for a file without an image.
    """
    header = _read(data, stop_before_pixels=True, specific_tags=_OF_THE_HEADER)
    try:
        width, height = int(header.Columns), int(header.Rows)
        frames = max(1, int(header.get("NumberOfFrames") or 1))
        return width, height, frames * int(header.get("SamplesPerPixel", 1)) * int(header.get("BitsAllocated", 16)) // 8
    except (AttributeError, TypeError, ValueError) as error:
        raise BadImage("This DICOM file holds no image. Leave it out, or export the image again.") from error


def open_dicom(data: bytes) -> Image.Image:
    """The first frame, in colour or grey with black as black, windowed by the file's own centre and width or table.

    A file of more than eight bits without a window goes from its darkest to its brightest value.
    """
    file = _read(data)
    try:
        return Image.fromarray(_pixels(data, file))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- pydicom raises whatever its plugins raise for a broken or unknown file
        way_out = "Save it uncompressed, or as PNG."
        raise BadImage(f"The pixels of this DICOM file cannot be read ({type(error).__name__}). {way_out}") from error


def _pixels(data: bytes, file: Any) -> Bytes:
    from pydicom.pixels import apply_color_lut, pixel_array

    meaning = str(file.PhotometricInterpretation)
    values = pixel_array(io.BytesIO(data), index=0)  # YBR comes as RGB
    if meaning == "PALETTE COLOR":
        values = apply_color_lut(values, file)
    if meaning not in _GREY:
        colours: Bytes = (values >> 8 if values.dtype == np.uint16 else values).astype(np.uint8)
        return colours
    shown = _windowed(values, file)
    return 255 - shown if meaning == "MONOCHROME1" else shown


def _windowed(values: Any, file: Any) -> Bytes:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    if file.get("VOILUTSequence"):
        highest = 2 ** int(file.VOILUTSequence[0].LUTDescriptor[2]) - 1
        return scaled(apply_voi_lut(apply_modality_lut(values, file), file), highest)
    rescaling = _group(file, _RESCALING) or file
    measured = apply_modality_lut(values, rescaling).astype(np.float64)
    window = _group(file, _WINDOWS) or file
    if "WindowCenter" not in window or "WindowWidth" not in window:
        return np.asarray(values, np.uint8) if values.dtype == np.uint8 else stretched(measured)
    centre, width = _first(window.WindowCenter), _first(window.WindowWidth)
    kind = str(window.get("VOILUTFunction", "LINEAR")).upper()
    if kind == "SIGMOID":
        share = 1 / (1 + np.exp(-4 * (measured - centre) / width))
    else:
        less = 1.0 if kind == "LINEAR" else 0.0
        share = (measured - (centre - less / 2)) / max(width - less, 1e-9) + 0.5
    result: Bytes = np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return result


def _group(file: Any, name: str) -> Any:
    """The first frame's functional group of this name, or that of all frames; None where the file has none."""
    for groups in (file.get("PerFrameFunctionalGroupsSequence"), file.get("SharedFunctionalGroupsSequence")):
        if groups and groups[0].get(name):
            return groups[0].get(name)[0]
    return None


def _first(value: Any) -> float:
    return float(value[0]) if hasattr(value, "__len__") and not isinstance(value, str) else float(value)


def _read(data: bytes, **options: Any) -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise BadImage(
            "This is a DICOM file. `pip install 'hardcase[dicom]'` makes it readable, or save it as PNG."
        ) from error
    try:
        return pydicom.dcmread(io.BytesIO(data), **options)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever it raises, the file is at fault and the batch goes on
        raise broken("DICOM file") from error
