"""`verify`: whether a bundle may be trusted, by the code that the device trusts it with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from convert.package.packing import Verification, verify_bundle


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
