"""Puts a bundle together and proves it: the manifest from the graphs themselves, golden vectors, hashes, model card."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from convert.errors import TrainingError
from convert.package.golden import GOLDEN_FILE, make_golden, tolerances
from convert.package.signing import Signer
from convert.package.sources import LICENCE, is_ours
from convert.predict.evaluation import Device
from convert.predict.render import render
from convert.quantize.graph import computes_in
from convert.quantize.tensors import BACKBONE_FILE, HEAD_FILE, describe_backbone, describe_head
from convert.train.recipe import NETWORK_TITLES, Recipe
from edge.affect.network import prove_offer
from edge.errors import BundleError, EngineError
from edge.geometry import CropRule
from edge.model.bundle import (
    CARD_FILE,
    FORMAT,
    LICENCE_FILE,
    MANIFEST,
    Bundle,
    Crop,
    Golden,
    Manifest,
    Metric,
    Source,
    check_licences,
    load_bundle,
)
from edge.model.engines.choice import Offer, see_as
from edge.model.engines.litert import load_runtime
from edge.model.engines.onnx import available_providers
from edge.model.signature import SIGNATURE

NETWORK = "{name} {width:g} at {size} px, {backbone}; LSTM step of {units} units, {head}"
RUNTIMES = {"litert": ">=2.3.0", "tflite": ">=2.14.0"}
_APACHE = Path(__file__).parents[2] / "LICENSE"
_DOS_EPOCH = (1980, 1, 1, 0, 0, 0)  # a ZIP of the same files is the same bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a bundle calls itself: name, version from 1, and the day it was made as YYYY-MM-DD."""

    name: str
    version: int
    created: str


def assemble(
    backbone: bytes,
    head: bytes,
    recipe: Recipe,
    label: Label,
    *,
    sources: Sequence[Source],
    metrics: Sequence[Metric],
    evidence: str = "",
    licence: str = LICENCE,
) -> Bundle:
    """A whole bundle in memory.

    Args:
        backbone, head: the graphs.
        recipe: that they were made by.
        label: name, version and day.
        sources, metrics: for manifest and model card.
        evidence: Markdown for the card, of what else was measured.
        licence: of the weights.
    """
    rule = CropRule()
    manifest = Manifest(
        format=FORMAT,
        name=label.name,
        version=label.version,
        created=label.created,
        licence=licence,
        network=NETWORK.format(
            name=NETWORK_TITLES.get(recipe.backbone.network, recipe.backbone.network),
            width=recipe.backbone.width,
            size=recipe.backbone.size,
            units=recipe.head.units,
            backbone=computes_in(backbone),
            head=computes_in(head),
        ),
        runtimes=RUNTIMES,  # type: ignore[arg-type]
        crop=Crop(size=recipe.backbone.size, **rule._asdict()),
        step_s=recipe.head.step_s,
        reset_s=recipe.head.reset_s,
        warmup_steps=recipe.head.warmup_steps,
        backbone=describe_backbone(backbone),
        head=describe_head(head),
        golden=Golden(file=GOLDEN_FILE, tolerance={}),
        sources=list(sources),
        metrics=list(metrics),
        files={},
        mirror=recipe.head.mirror,
    )
    files = {BACKBONE_FILE: backbone, HEAD_FILE: head}
    device = Device(seal(manifest, files))
    files[GOLDEN_FILE] = make_golden(device.backbone, device.stream, manifest.head, recipe.backbone.size)
    golden = Golden(file=GOLDEN_FILE, tolerance=tolerances(manifest))
    manifest = msgspec.structs.replace(manifest, golden=golden)
    files[CARD_FILE] = write_card(manifest, evidence).encode()
    files[LICENCE_FILE] = licence_text(manifest)
    return seal(manifest, files)


def write_card(manifest: Manifest, evidence: str = "") -> str:
    """The model card (Markdown), with a section on what else was measured."""
    added = [source for source in manifest.sources if not is_ours(source)]
    kit = len(added) < len(manifest.sources)
    return render("card.md.j2", manifest=manifest, evidence=evidence, added=added, kit=kit)


def licence_text(manifest: Manifest) -> bytes:
    """The terms that every copy of a bundle has to come with: Apache's own words, or what the manifest states."""
    if manifest.licence == LICENCE:
        return _APACHE.read_bytes()
    sources = "".join(f"- {source.name}: {source.licence} ({source.origin})\n" for source in manifest.sources)
    return f"The weights of {manifest.name}: {manifest.licence}\n\nMade from:\n\n{sources}".encode()


def write_folder(bundle: Bundle, folder: Path, signer: Signer | None = None) -> dict[str, dict[str, float]]:
    """Writes a bundle's folder anew, signed if there is a signer, and proves it as a device would.

    Returns:
        What `prove` does.

    Raises:
        TrainingError: the folder holds something else than a bundle; nothing is deleted then.
        BundleError: what was written does not load or does not reproduce its golden vectors.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise TrainingError(f"{folder}: is not empty and holds no bundle; choose another --out")
    fresh = folder.with_name(folder.name + ".partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, data in (*bundle.files.items(), (MANIFEST, encode(bundle.manifest))):
        (fresh / name).write_bytes(data)
    if signer is not None:
        (fresh / SIGNATURE).write_bytes(signer.sign((fresh / MANIFEST).read_bytes()))
    worst = prove(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return worst


def write_zip(folder: Path, path: Path) -> None:
    """Writes a bundle's folder as a ZIP, the same bytes each time and on every machine, and proves it.

    Stored, not deflated: compressors differ from one zlib to the next, and int8 weights hardly shrink.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(file.name, _DOS_EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # a regular file, as Unix writes it
            archive.writestr(entry, file.read_bytes())
    prove(path)


class Verification(NamedTuple):
    """What a bundle was found to be.

    Attributes:
        bundle: read and checked.
        golden: largest difference met for each golden output, real units, by engine.
        not_tried: engines of the bundle whose runtime is not installed here.
    """

    bundle: Bundle
    golden: dict[str, dict[str, float]]
    not_tried: list[str]


def prove(path: Path) -> dict[str, dict[str, float]]:
    """The largest differences to a bundle's golden vectors, by engine; errors as `verify_bundle`, but for licences."""
    return _prove(path, load_bundle(path)).golden


def verify_bundle(path: Path, public_key: Path | None = None) -> Verification:
    """Checks signature, hashes, licences, tensors and golden vectors, in this order, on every runtime that is here.

    Args:
        path: a folder or a ZIP.
        public_key: PEM file of the key that must have signed it; None accepts an unsigned one.

    Raises:
        BundleError: the first thing that is wrong.
        ConfigError: the key cannot be used.
        EngineError: a runtime cannot load the graphs.
    """
    bundle = load_bundle(path, *([public_key] if public_key else []))
    check_licences(bundle)
    return _prove(path, bundle)


def _prove(path: Path, bundle: Bundle) -> Verification:
    offers = [Offer(runtime, runtime, bundle) for runtime in bundle.manifest.golden.tolerance]
    offers += [Offer(engine.name, engine.runtime, see_as(bundle, engine)) for engine in bundle.manifest.engines]
    here = [offer for offer in offers if _is_installed(offer.runtime)]
    if not here:
        named = ", ".join(offer.name for offer in offers) or "it names none"
        raise BundleError(f"{path}: none of its runtimes is installed here ({named})")
    golden = {offer.name: prove_offer(bundle, offer).golden for offer in here}
    return Verification(bundle, golden, [offer.name for offer in offers if offer not in here])


def encode(manifest: Manifest) -> bytes:
    """The manifest's exact bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def seal(manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """A bundle of these files with their hashes in its manifest."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    sealed = msgspec.structs.replace(manifest, files=hashes)
    return Bundle(manifest=sealed, files=dict(files), sha256=hashlib.sha256(encode(sealed)).hexdigest())


def _is_installed(runtime: str) -> bool:
    try:
        available_providers() if runtime == "onnx" else load_runtime(runtime)
    except EngineError:
        return False
    return True
