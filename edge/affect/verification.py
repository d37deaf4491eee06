"""A whole bundle judged on this machine: who made it, what is in it, what it computes and what it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.affect.model import prove_offer
from edge.config import EngineConfig
from edge.errors import BundleError
from edge.model.bundle import Bundle, load_bundle
from edge.model.engines.choice import Offer, see_as
from edge.model.engines.installed import installed_version

LICENCE_FILE = "LICENSE"
CARD_FILE = "MODEL_CARD.md"
_UNSTATED = ("", "not stated", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verification:
    """What a bundle was found to be.

    Attributes:
        bundle: read and checked.
        golden: largest difference met for each golden output, real units, by engine.
        missing_runtimes: engines of the bundle whose runtime is not installed here, so not tried.
    """

    bundle: Bundle
    golden: dict[str, dict[str, float]]
    missing_runtimes: tuple[str, ...]


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
    bundle = load_bundle(path, public_key)
    check_licences(bundle)
    manifest = bundle.manifest
    offers = [Offer(runtime, runtime, bundle) for runtime in manifest.golden.tolerance]
    offers += [Offer(engine.name, engine.runtime, see_as(bundle, engine)) for engine in manifest.engines]
    here = [offer for offer in offers if installed_version(offer.runtime)]
    if not here:
        named = ", ".join(offer.name for offer in offers) or "it names none"
        raise BundleError(f"{path}: none of its runtimes is installed here ({named})")
    return Verification(
        bundle=bundle,
        golden={offer.name: prove_offer(bundle, offer, EngineConfig()).golden for offer in here},
        missing_runtimes=tuple(offer.name for offer in offers if offer not in here),
    )


def check_licences(bundle: Bundle) -> None:
    """Refuses a bundle that does not say under what terms it and everything it was made from may be used.

    Raises:
        BundleError: names the source or file.
    """
    manifest = bundle.manifest
    if manifest.licence.strip().lower() in _UNSTATED:
        raise BundleError(f"{manifest.name}: its weights state no licence")
    for name in (LICENCE_FILE, CARD_FILE):
        if not bundle.files.get(name, b"").strip():
            raise BundleError(f"{manifest.name}: has no {name}")
    if not manifest.sources:
        raise BundleError(f"{manifest.name}: names nothing that it was made from")
    for source in manifest.sources:
        if source.licence.strip().lower() in _UNSTATED:
            raise BundleError(
                f"{manifest.name}: source {source.name!r} states no licence; pack it anew from a run that states one"
            )
