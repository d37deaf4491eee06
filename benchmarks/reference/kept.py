"""Finds the results that the checkout keeps: `benchmarks/reference/<device>/`, told apart by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from convert.errors import DataError

FOLDER = Path(__file__).parent
Kind = Literal["bench", "floor", "peers"]
# `affect-edge bench` names its files by their date, every other measurement begins with its kind.
_PATTERNS: dict[Kind, str] = {
    "bench": "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]-*.json",
    "floor": "floor-*.json",
    "peers": "peers-*.json",
}


def list_devices(folder: Path = FOLDER) -> list[Path]:
    """The folders of the devices that have a result."""
    return sorted(
        device for device in folder.iterdir() if device.is_dir() and any(find_kept(device, kind) for kind in _PATTERNS)
    )


def find_kept(device: Path, kind: Kind) -> list[Path]:
    """A device's results of one kind, oldest first; of one day, by name."""
    return sorted(device.glob(_PATTERNS[kind]), key=lambda path: (_date(path), path.name))


def retire_older(device: Path, kind: Kind, before: list[Path]) -> None:
    """Removes the results that a new one of the same bundle replaces; the repository's history keeps them.

    Args:
        device: its folder.
        kind: of result.
        before: what `find_kept` found before the new one was written.
    """
    fresh = {_bundle(path) for path in find_kept(device, kind) if path not in before}
    for path in before:
        if _bundle(path) in fresh:
            path.unlink()


def find_reference(given: Path | None, device: str, *, other_than: Path, folder: Path = FOLDER) -> Path:
    """The result of `affect-edge bench` to compare with.

    Args:
        given: a file, or a folder whose newest result is taken; None for the device's folder in the checkout.
        device: what the machine that was measured calls itself.
        other_than: the result that is to be compared.
        folder: where the devices' folders are.

    Raises:
        DataError: there is none; says what to do.
    """
    if given is not None and not given.is_dir():
        return given
    place = given or folder / device
    found = [path for path in find_kept(place, "bench") if path.resolve() != other_than.resolve()]
    if not found:
        kept = ", ".join(path.name for path in list_devices(folder)) or "none"
        raise DataError(
            f"{place}: holds no other result of `affect-edge bench`; name one with --reference, or measure with "
            f"--device-name as one of the devices that are kept ({kept})"
        )
    return found[-1]


def _bundle(path: Path) -> str:
    return str(msgspec.json.decode(path.read_bytes())["bundle"]["name"])


def _date(path: Path) -> str:
    name = path.name.partition("-")[2] if path.name[0].isalpha() else path.name
    return name[:10]
