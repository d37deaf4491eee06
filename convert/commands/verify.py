"""`verify`: whether a bundle may be trusted, by the code that the device trusts it with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from edge.affect.network import prove_offer
from edge.errors import BundleError, EngineError
from edge.model.bundle import Bundle, check_licences, load_bundle
from edge.model.engines.choice import Offer, see_as
from edge.model.engines.litert import load_runtime
from edge.model.engines.onnx import available_providers


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


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder or ZIP.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="PEM file of the key that must have signed it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Checks signature, hashes, licences, tensors and golden vectors on every runtime that is installed here.

    The first thing that is wrong is told in one line, and the exit code is 4. A signature says who made the bundle;
    without --public-key it is told and not asked for.

    Example: python -m convert verify out/default.zip --public-key maker.pub.pem
    """
    found = verify_bundle(bundle, public_key)
    if as_json:
        print(json.dumps(record(found), indent=2))
        return
    manifest = found.bundle.manifest
    print(f"{manifest.name} {manifest.version}, made {manifest.created}, format {manifest.format}")
    print(f"sha256     {found.bundle.sha256}")
    print(f"signature  {found.bundle.signer}")
    print(f"files      {len(manifest.files)}, each with the SHA-256 that the manifest lists")
    print(f"licences   {manifest.licence}; {len(manifest.sources)} sources, each with its own")
    for runtime, worst in found.golden.items():
        told = ", ".join(f"{name} {value:.4f}" for name, value in worst.items())
        print(f"golden     reproduced on {runtime}, tensors as named; largest difference: {told}")
    for runtime in found.not_tried:
        print(f"golden     not tried on {runtime}, which is not installed here")


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
    offers = [Offer(runtime, runtime, bundle) for runtime in bundle.manifest.golden.tolerance]
    offers += [Offer(engine.name, engine.runtime, see_as(bundle, engine)) for engine in bundle.manifest.engines]
    here = [offer for offer in offers if _is_installed(offer.runtime)]
    if not here:
        named = ", ".join(offer.name for offer in offers) or "it names none"
        raise BundleError(f"{path}: none of its runtimes is installed here ({named})")
    golden = {offer.name: prove_offer(bundle, offer).golden for offer in here}
    return Verification(bundle, golden, [offer.name for offer in offers if offer not in here])


def record(found: Verification) -> dict[str, Any]:
    """What `--json` prints."""
    manifest = found.bundle.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "format": manifest.format,
        "sha256": found.bundle.sha256,
        "signed": found.bundle.signature is not None,
        "signed_by": found.bundle.signed_by,
        "golden_max_difference": found.golden,
        "not_tried": found.not_tried,
    }


def _is_installed(runtime: str) -> bool:
    try:
        available_providers() if runtime == "onnx" else load_runtime(runtime)
    except EngineError:
        return False
    return True
