"""Arrays out of a NumPy archive (.npz) that anyone may have made: plain, bounded, and read without trusting a header.

`numpy.load` reserves what a header announces before it looks at what is there, unpacks without an end, and reads the
header as Python source, whose parser has errors of its own (NumPy 2.2, checked 2026-11).
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_ARRAYS = 32
_MAGIC = b"\x93NUMPY\x01\x00"  # version 1.0, which NumPy writes for every array of plain numbers
# As NumPy writes it, and no other spelling.
_HEADER = re.compile(
    rb"\{'descr': '([<|][biuf][1248])', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,9}, ?|\d{1,9}(?=\)))*)\), \} *\n"
)


def read_arrays(data: bytes, max_bytes: int) -> dict[str, NDArray[Any]]:
    """The arrays by name.

    Args:
        data: the archive.
        max_bytes: of all arrays together, unpacked.

    Raises:
        ValueError: it is no such archive, is larger, or holds an array that is not plain numbers.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > _MAX_ARRAYS or sum(entry.file_size for entry in entries) > max_bytes:
                raise ValueError(f"more than {_MAX_ARRAYS} arrays or {max_bytes} bytes")
            return {entry.filename.removesuffix(".npy"): _array(archive.read(entry)) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"not a readable archive: {error}") from error


def _array(data: bytes) -> NDArray[Any]:
    """One `.npy` file: what its header announces has to be there to the byte."""
    start = 10 + int.from_bytes(data[8:10], "little")
    header = _HEADER.fullmatch(data[10:start])
    if not data.startswith(_MAGIC) or header is None:
        raise ValueError("not an array of plain numbers")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(n) for n in re.findall(rb"\d+", header[3]))
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array of {len(data)} bytes that announces {shape}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if header[2] == b"True" else "C")
