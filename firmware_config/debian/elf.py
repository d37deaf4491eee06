"""What a compiled file is for: its machine and the libraries it names. Reads the ELF header and the dynamic section."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

MACHINES = {"amd64": 62, "arm64": 183}  # e_machine: EM_X86_64, EM_AARCH64
_DYNAMIC, _NEEDED = 6, 1  # SHT_DYNAMIC, DT_NEEDED


class Elf(NamedTuple):
    """One shared object.

    Attributes:
        machine: e_machine.
        needed: the libraries it names.
    """

    machine: int
    needed: tuple[str, ...]


def read_elf(path: Path) -> Elf | None:
    """What a file says; None if it is no 64-bit little-endian ELF file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    (machine,) = struct.unpack_from("<H", data, 18)
    (offset,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + n * size) for n in range(count)]
    needed = []
    for _, kind, _, _, start, length, link, *_ in sections:
        if kind != _DYNAMIC:
            continue
        strings = sections[link][4]
        for tag, value in struct.iter_unpack("<qQ", data[start : start + length]):
            if tag == _NEEDED:
                end = data.index(b"\0", strings + value)
                needed.append(data[strings + value : end].decode())
    return Elf(machine, tuple(needed))
