"""Model bundles: a folder, or the same as a ZIP, with `manifest.json`, graphs, golden vectors and a model card.

Reads a bundle whole into memory, checked: every file is listed with its SHA-256 and nothing unlisted is there.
Refuses, before it decodes anything, a manifest that the trusted key did not sign. Runs nothing: `edge.model.golden`
proves the graphs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge.clock import NS
from edge.errors import BundleError, one_line
from edge.geometry import CropRule
from edge.model.bundle_files import read_files
from edge.model.signature import RELEASE_KEYS, SIGNATURE, PublicKeys

FORMAT = 1
MANIFEST = "manifest.json"
LICENCE_FILE = "LICENSE"
CARD_FILE = "MODEL_CARD.md"
_UNSTATED = ("", "not stated", "unknown")

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Tensor(_Record, frozen=True, kw_only=True):
    """One named tensor as the graph must have it; scale 0 means not quantized, −1 in `shape` any batch."""

    name: str
    dtype: Literal["int8", "uint8", "float32"]
    shape: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=-1, le=10**6)], ...], msgspec.Meta(min_length=1, max_length=8)
    ]
    scale: float = 0.0
    zero_point: int = 0


class BackboneGraph(_Record, frozen=True, kw_only=True):
    """Image in, embedding and per-frame valence/arousal out."""

    file: FileName
    image: Tensor
    embedding: Tensor
    va: Tensor


class HeadGraph(_Record, frozen=True, kw_only=True):
    """One LSTM step: embedding, h and c in; va, h and c out. All float32 with the faces on the first axis."""

    file: FileName
    embedding: Tensor
    h: Tensor
    c: Tensor
    va: Tensor
    next_h: Tensor
    next_c: Tensor

    def __post_init__(self) -> None:
        if self.h.shape[-1] < 1 or self.h.shape[-1] != self.c.shape[-1]:
            raise ValueError("`h` and `c` have one and the same known size, and it is at least 1")


class Alternative(_Record, frozen=True, kw_only=True):
    """The same networks for another runtime: graphs with their own tensors, held to the same golden vectors.

    `needs` is the runtime's version that they were made for; `tolerance` the largest difference from the golden
    vectors, real units.
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,32}$")]
    runtime: Literal["onnx"]
    needs: str
    backbone: BackboneGraph
    head: HeadGraph
    tolerance: Positive


class Crop(_Record, frozen=True, kw_only=True):
    """The aligned square: its side in pixels, and the three numbers of `CropRule`. Colour order is RGB."""

    size: Annotated[int, msgspec.Meta(ge=32, le=512)]
    eye_mouth: Annotated[float, msgspec.Meta(gt=0, le=20)]
    eye_eye: Annotated[float, msgspec.Meta(gt=0, le=20)]
    eye_weight: Annotated[float, msgspec.Meta(ge=0, le=1)]

    @property
    def rule(self) -> CropRule:
        return CropRule(self.eye_mouth, self.eye_eye, self.eye_weight)


class Golden(_Record, frozen=True, kw_only=True):
    """Inputs and expected outputs; the largest difference allowed, by runtime."""

    file: FileName
    tolerance: dict[str, Positive]


class Source(_Record, frozen=True, kw_only=True):
    """One thing the weights were made with: what, its licence, where from, how it was used, how many."""

    name: str
    licence: str
    origin: str
    use: str
    count: int = 0


class Metric(_Record, frozen=True, kw_only=True):
    """One number of the evaluation: of what answer (`frame` or `stream`), on which data, with a 95% interval."""

    data: str
    answer: Literal["frame", "stream"]
    target: Literal["valence", "arousal"]
    n: int
    ccc: float
    ccc_low: float
    ccc_high: float
    cc: float
    rmse: float
    sagr: float


class Manifest(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a bundle says of itself. `version` only ever rises for one name.

    `engines`: graphs for other runtimes than LiteRT, preferred first; a bundle may have none.
    `mirror`: every second step of the time grid sees the face mirrored.
    """

    format: int
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    version: Annotated[int, msgspec.Meta(ge=1, le=10**9)]
    created: str
    licence: str
    network: str
    runtimes: dict[Literal["litert", "tflite"], str]
    crop: Crop
    step_s: Annotated[float, msgspec.Meta(ge=0.02, le=10)]
    reset_s: Annotated[float, msgspec.Meta(ge=0.02, le=60)]
    warmup_steps: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    backbone: BackboneGraph
    head: HeadGraph
    golden: Golden
    sources: list[Source]
    metrics: list[Metric]
    files: dict[FileName, Sha256]
    engines: list[Alternative] = []
    mirror: bool = False

    @property
    def mirror_ns(self) -> int:
        """Nanoseconds of a step of the time grid, of which every second sees the face mirrored; 0 where none does."""
        return round(self.step_s * NS) if self.mirror else 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    """A verified bundle in memory.

    Attributes:
        manifest: decoded.
        files: every listed file's bytes by name.
        sha256: of the manifest's exact bytes; through the hashes in it, of the whole bundle.
        raw: the manifest's exact bytes, where it was read.
        signature: the bytes of `manifest.sig`, checked or not; None if it has none.
        signed_by: fingerprint of the trusted key that the signature was checked with; None if none was asked for.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str
    raw: bytes = b""
    signature: bytes | None = None
    signed_by: str | None = None

    @property
    def signer(self) -> str:
        """Whether it is signed, and by whom, in words for people. A signature by an unknown key proves nothing."""
        if self.signature is None:
            return "unsigned"
        release = PublicKeys(RELEASE_KEYS)
        known = self.signed_by or release.find(self.raw, self.signature)
        if known is None:
            return "signed by a key that is not known here"
        return f"signed by {'the release' if known in release.fingerprints else 'your'} key {known}"

    @property
    def contents(self) -> dict[str, bytes]:
        """All files by name, manifest and signature among them: what `verify_files` takes."""
        signature = {} if self.signature is None else {SIGNATURE: self.signature}
        return {**self.files, MANIFEST: self.raw, **signature}


def default_bundle() -> Path:
    """The bundle that ships in the wheel."""
    return Path(__file__).parents[1] / "bundles" / "default"


def load_bundle(path: Path, *public_keys: Path) -> Bundle:
    """Reads and verifies a bundle.

    Args:
        path: a folder, or a ZIP of one with its files at the top.
        public_keys: PEM files of keys one of which must have signed it; without any, an unsigned one is taken.

    Raises:
        BundleError: names the file and what is wrong with it.
        ConfigError: the key cannot be used.
    """
    keys = PublicKeys(*public_keys) if public_keys else None
    return verify_files(read_files(path), path, keys)


def verify_files(files: Mapping[str, bytes], path: Path, keys: PublicKeys | None = None) -> Bundle:
    """A bundle out of all its files by name; `path` names it in errors, which are those of `load_bundle`."""
    listed = dict(files)
    raw, signature = listed.pop(MANIFEST, None), listed.pop(SIGNATURE, None)
    if raw is None:
        raise BundleError(f"{path}: has no {MANIFEST}")
    signed_by = keys.check(raw, signature, path) if keys is not None else None
    manifest = _decode(raw, path)
    _check_files(manifest, listed, path)
    return Bundle(
        manifest=manifest,
        files=listed,
        sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
        signature=signature,
        signed_by=signed_by,
    )


def check_licences(bundle: Bundle) -> None:
    """Refuses a bundle that does not say under what terms it and everything it was made from may be used.

    Raises:
        BundleError: names the source or file.
    """
    manifest = bundle.manifest
    for name in (LICENCE_FILE, CARD_FILE):
        if not bundle.files.get(name, b"").strip():
            raise BundleError(f"{manifest.name}: has no {name}")
    if not manifest.sources:
        raise BundleError(f"{manifest.name}: names nothing that it was made from")
    made_from = [(f"source {source.name!r} states", source.licence) for source in manifest.sources]
    for what, licence in (("its weights state", manifest.licence), *made_from):
        if licence.strip().lower() in _UNSTATED:
            raise BundleError(f"{manifest.name}: {what} no licence", fix="pack it anew from a run with one")


def _decode(raw: bytes, path: Path) -> Manifest:
    try:
        plain = msgspec.json.decode(raw, type=dict[str, Any])
        form = plain.get("format")
        if form != FORMAT:
            given = one_line(repr(form))
            fix = "update affect-edge" if isinstance(form, int) and form > FORMAT else ""
            raise BundleError(f"{path}: bundle format {given} is not {FORMAT}, the one this release reads", fix=fix)
        if not _printable(plain):  # it is cited in messages, and shown on terminals
            raise BundleError(f"{path}/{MANIFEST}: holds a line break or a control character")
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{path}/{MANIFEST}: {one_line(error)}") from error
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}/{MANIFEST}: not UTF-8") from error
    except RecursionError:
        raise BundleError(f"{path}/{MANIFEST}: nested too deeply") from None


def _printable(value: object) -> bool:
    if isinstance(value, dict):
        return all(_printable(part) for item in value.items() for part in item)
    if isinstance(value, list):
        return all(map(_printable, value))
    return not isinstance(value, str) or value.isprintable()


def _check_files(manifest: Manifest, files: Mapping[str, bytes], path: Path) -> None:
    unlisted = sorted(files.keys() - manifest.files.keys())
    if unlisted:
        raise BundleError(f"{path}: {unlisted[0]!r} is not listed in the manifest")
    others = [graph.file for engine in manifest.engines for graph in (engine.backbone, engine.head)]
    for name in (manifest.backbone.file, manifest.head.file, manifest.golden.file, *others):
        if name not in manifest.files:
            raise BundleError(f"{path}: {name} has no hash in the manifest")
    for name, digest in manifest.files.items():
        if name not in files:
            raise BundleError(f"{path}: {name} is missing")
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise BundleError(
                f"{path}: {name} is not the file the manifest lists (SHA-256 differs)", fix="install it anew"
            )
