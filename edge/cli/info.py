"""`affect-edge info`: which versions, which model, which files, so that a report or an audit can name them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edge.affect.proof import prove
from edge.cli import app
from edge.config import Config, load_config
from edge.errors import AssetError
from edge.model.assets import ASSETS, Asset, find_asset, read_asset
from edge.model.bundle import Bundle
from edge.model.store import Store
from edge.release import VERSION, commit

_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "msgspec",
    "paho-mqtt",
    "typer",
    "rich",
)


@app.command(epilog="Example: affect-edge info --json | jq .bundle")
def info(
    config: Annotated[Path | None, typer.Option(help="Tell of this configuration's model and runtime.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Say versions, commit, model bundle and hashes; the bundle is verified on this machine first."""
    facts = gather(load_config(config) if config else Config())
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())
        return
    _show(facts)


def gather(config: Config) -> dict[str, Any]:
    """Everything `info` tells, ready for JSON.

    Raises:
        BundleError, EngineError: no model runs here.
    """
    (bundle, proof), why = Store(config.model).first(lambda bundle: (bundle, prove(bundle, config.engine)))
    manifest = bundle.manifest
    return {
        "affect_edge": VERSION,
        "commit": commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": {name: found for name in _PACKAGES if (found := _installed(name))},
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "created": manifest.created,
            "licence": manifest.licence,
            "network": manifest.network,
            "input_px": manifest.crop.size,
            "step_s": manifest.step_s,
            "sha256": bundle.sha256,
            "state": why,
            "signature": signature_state(bundle),
            "files": manifest.files,
            "golden_max_difference": {name: round(worst, 6) for name, worst in proof.golden.items()},
            "runtime": proof.runtime,
            "engine": proof.engine,
            "metrics": manifest.metrics,
            "sources": manifest.sources,
        },
        "assets": [_asset_facts(asset) for asset in ASSETS],
    }


def signature_state(bundle: Bundle) -> str:
    """Whether a bundle is signed, and whether anybody checked: a signature without a trusted key proves nothing."""
    if bundle.signed_by is not None:
        return f"signed by key {bundle.signed_by}"
    if bundle.signature is not None:
        return "signed, not checked: no model.public_key is configured"
    return "unsigned"


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _asset_facts(asset: Asset) -> dict[str, Any]:
    path = find_asset(asset)
    try:
        read_asset(asset)
        state = "verified"
    except AssetError:
        state = "missing, run `affect-edge fetch`" if path is None else "altered, run `affect-edge fetch`"
    return {
        "name": asset.name,
        "state": state,
        "path": str(path or ""),
        "sha256": asset.sha256,
        "licence": asset.licence,
        "origin": asset.origin,
    }


def _show(facts: dict[str, Any]) -> None:
    bundle = facts["bundle"]
    worst = ", ".join(f"{name} {value:g}" for name, value in bundle["golden_max_difference"].items())
    rows = [
        ("affect-edge", f"{facts['affect_edge']} ({facts['commit']})"),
        ("python", f"{facts['python']} on {facts['machine']}"),
        *(("package", f"{name} {found}") for name, found in facts["packages"].items()),
        ("bundle", f"{bundle['name']} {bundle['version']}, made {bundle['created']}, {bundle['licence']}"),
        ("", bundle["network"]),
        ("", f"{bundle['sha256']}  manifest.json"),
        ("runs as", bundle["state"]),
        ("signature", bundle["signature"]),
        *(("", f"{digest}  {name}") for name, digest in bundle["files"].items()),
        ("golden", f"reproduced on {bundle['engine']}; largest difference: {worst}"),
    ]
    for metric in bundle["metrics"]:
        interval = f"[{metric.ccc_low:.2f}, {metric.ccc_high:.2f}]"
        where = f"{metric.data}, n = {metric.n}"
        rows.append(("accuracy", f"{metric.answer} {metric.target}: CCC {metric.ccc:.2f} {interval} on {where}"))
    for asset in facts["assets"]:
        rows += [("detector", f"{asset['state']}, {asset['licence']}"), ("", f"{asset['sha256']}  {asset['path']}")]
    for key, value in rows:
        typer.echo(f"{key:<12} {value}")
    typer.echo("\nThe scores describe expressions, not feelings, and are not made to judge a person.")
