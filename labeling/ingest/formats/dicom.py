"""DICOM, by the extra `dicom`: the first frame, windowed as the file itself says. Nothing but pixels comes out.

In: the bytes of a file with DICOM's preamble. Out: its size, then a picture of eight bits.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
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


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the library says of the first frame: its values as stored, and grey as measured or as a table shows it."""

    meaning: str
    values: NDArray[Any]
    measured: NDArray[Any]
    window: tuple[str, float, float] | None = None
    highest: int | None = None


def open_dicom(data: bytes) -> Image.Image:
    """The first frame, in colour or grey with black as black, windowed by the file's own centre and width or table.

    A file of more than eight bits without a window goes from its darkest to its brightest value.

    Raises
    ------
    BadImage
        For a file that the library, or one of its plugins, cannot read.
    """
    file = _read(data)
    try:
        frame = _frame(data, file)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 -- pydicom raises whatever its plugins raise for a broken or unknown file
        raise _unreadable(type(error).__name__) from error
    if frame.values.ndim != 2 and frame.values.shape[2:] not in ((3,), (4,)):
        raise _unreadable("neither grey nor in colour")
    return Image.fromarray(_pixels(frame))


def _unreadable(why: str) -> BadImage:
    return BadImage(f"The pixels of this DICOM file cannot be read ({why}). Save it uncompressed, or as PNG.")


def _frame(data: bytes, file: Any) -> _Frame:
    """Ask the library; nothing is computed here, so what is raised speaks of the file."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

    meaning = str(file.PhotometricInterpretation)
    values = pixel_array(io.BytesIO(data), index=0)  # YBR comes as RGB
    if meaning == "PALETTE COLOR":
        values = apply_color_lut(values, file)
    if meaning not in _GREY:
        return _Frame(meaning, values, np.empty(0))
    if file.get("VOILUTSequence"):
        highest = max(1, 2 ** int(file.VOILUTSequence[0].LUTDescriptor[2]) - 1)
        return _Frame(meaning, values, apply_voi_lut(apply_modality_lut(values, file), file), highest=highest)
    measured = apply_modality_lut(values, _group(file, _RESCALING) or file).astype(np.float64)
    return _Frame(meaning, values, measured, _window(_group(file, _WINDOWS) or file))


def _window(group: Any) -> tuple[str, float, float] | None:
    """Function, centre and width, where the file says them."""
    if "WindowCenter" not in group or "WindowWidth" not in group:
        return None
    return str(group.get("VOILUTFunction", "LINEAR")).upper(), _first(group.WindowCenter), _first(group.WindowWidth)


def _pixels(frame: _Frame) -> Bytes:
    if frame.meaning not in _GREY:
        values = frame.values
        colours: Bytes = (values >> 8 if values.dtype == np.uint16 else values).astype(np.uint8)
        return colours
    shown = _shown(frame)
    return 255 - shown if frame.meaning == "MONOCHROME1" else shown


def _shown(frame: _Frame) -> Bytes:
    """Grey as the table or the window of the file says, black as the lowest value."""
    if frame.highest is not None:
        return scaled(frame.measured, frame.highest)
    if frame.window is None:
        plain = frame.values.dtype == np.uint8
        return np.asarray(frame.values, np.uint8) if plain else stretched(frame.measured)
    kind, centre, width = frame.window
    if kind == "SIGMOID":
        share = 1 / (1 + np.exp(-4 * (frame.measured - centre) / width))
    else:
        less = 1.0 if kind == "LINEAR" else 0.0
        share = (frame.measured - (centre - less / 2)) / max(width - less, 1e-9) + 0.5
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
