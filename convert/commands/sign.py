"""`sign`: this release's bundles, with a key that is made for it and then gone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from convert.errors import DataError
from convert.package.signing import sign_release

_BUNDLES = Path(__file__).resolve().parents[2] / "bundles"


def sign(
    release: Annotated[bool, typer.Option("--release", help="Sign every bundle of this checkout.")] = False,
) -> None:
    """Signs the shipped bundle and those in `bundles/` with a new key, and adds its public half to release.pem.

    The private half is never written anywhere, so nothing else can be signed with it. Run it once for a release, after
    the last change to a bundle. Bundles of your own are signed by `pack --sign`, or by openssl (docs/bundles.md).

    Example: python -m convert sign --release
    """
    if not release:
        raise DataError("--release: not given; bundles of your own are signed by `pack --sign`")
    fingerprint, signed = sign_release(_BUNDLES)
    for path in signed:
        print(f"signed {path}")
    print(f"by key {fingerprint}, whose private half is gone with this process")
