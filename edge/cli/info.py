"""`affect-edge info`: which versions, which model, which files, so that a report or an audit can name them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.affect.untrusted import prove
from edge.cli import app, echo_json
from edge.config import Config, load_config
from edge.errors import AssetError
from edge.face.detector import GRAPH, LICENCE, ORIGIN, SHA256, read_graph
from edge.model.store import Store
from edge.version import VERSION, commit

_PACKAGES = (
    *("numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "onnxruntime"),
    *("msgspec", "paho-mqtt", "cryptography", "typer", "rich"),
)
_TOLD = ("name", "version", "created", "licence", "network", "step_s", "files", "metrics", "sources")


@app.command(epilog="Example: affect-edge info --json | jq .bundle")
def info(
    config: Annotated[Path | None, typer.Option(help="Tell of this configuration's model and runtime.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Say versions, commit, model bundle and hashes; the bundle is verified on this machine first."""
    facts = gather(load_config(config) if config else Config())
    if json:
        echo_json(facts)
        return
    for key, value in _rows(facts):
        typer.echo(f"{key:<12} {value}")
    typer.echo("\nThe scores describe expressions, not feelings, and are not made to judge a person.")


def gather(config: Config) -> dict[str, Any]:
    """Everything `info` tells, ready for JSON.

    Raises:
        BundleError, ConfigError, EngineError: no model runs here.
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
            **{key: getattr(manifest, key) for key in _TOLD},
            "input_px": manifest.crop.size,
            "sha256": bundle.sha256,
            "state": why,
            "signature": bundle.signer,
            "golden_max_difference": {name: round(worst, 6) for name, worst in proof.golden.items()},
            "runtime": proof.runtime,
            "engine": proof.engine,
        },
        "detector": _detector_facts(),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _detector_facts() -> dict[str, Any]:
    try:
        read_graph()
        state = "verified"
    except AssetError as error:
        state = str(error)
    return {"state": state, "path": str(GRAPH), "sha256": SHA256, "licence": LICENCE, "origin": ORIGIN}


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    bundle = facts["bundle"]
    worst = ", ".join(f"{name} {value:g}" for name, value in bundle["golden_max_difference"].items())
    accuracy = [
        f"{metric.answer} {metric.target}: CCC {metric.ccc:.2f} [{metric.ccc_low:.2f}, {metric.ccc_high:.2f}] "
        f"on {metric.data}, n = {metric.n}"
        for metric in bundle["metrics"]
    ]
    return [
        ("affect-edge", f"{facts['affect_edge']} ({facts['commit']})"),
        ("python", f"{facts['python']} on {facts['machine']}"),
        *(("package", f"{name} {found}") for name, found in facts["packages"].items()),
        ("bundle", f"{bundle['name']} {bundle['version']}, made {bundle['created']}, {bundle['licence']}"),
        ("", bundle["network"]),
        ("runs as", bundle["state"]),
        ("signature", bundle["signature"]),
        ("file", f"{bundle['sha256']}  manifest.json"),
        *(("file", f"{sha256}  {name}") for name, sha256 in bundle["files"].items()),
        ("golden", f"reproduced on {bundle['engine']}; largest difference: {worst}"),
        *(("accuracy", line) for line in accuracy),
        ("detector", "{state}, {licence}: {origin}".format(**facts["detector"])),
        ("file", "{sha256}  {path}".format(**facts["detector"])),
    ]
