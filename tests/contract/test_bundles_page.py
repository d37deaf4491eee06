"""docs/bundles.md is true: its commands run or exist, its fields and messages are those of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edge.config import load_config
from edge.model.bundle import Manifest, default_bundle, load_bundle

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs" / "bundles.md").read_text(encoding="utf-8")
SOURCES = "\n".join(
    (REPO / "edge" / name).read_text(encoding="utf-8")
    for name in (
        "model/bundle.py",
        "model/bundle_files.py",
        "model/signature.py",
        "model/golden.py",
        "model/store.py",
        "affect/untrusted.py",
    )
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def named(table_head: str) -> list[str]:
    """What stands in code in the first column of the table with that head."""
    table = PAGE.split(f"| {table_head} |", 1)[1].split("\n\n", 1)[0]
    return [name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_every_field_of_the_manifest_is_explained() -> None:
    assert set(named("field of the manifest")) == {field.name for field in msgspec.structs.fields(Manifest)}


def test_every_file_of_the_shipped_bundle_is_explained() -> None:
    assert set(named("file")) == {*load_bundle(default_bundle()).files, "manifest.json", "manifest.sig"}


def test_every_refusal_is_one_that_the_code_gives() -> None:
    table = PAGE.split("| what is wrong | the line says |\n", 1)[1].split("\n\n", 1)[0]
    said = re.findall(r"\| `([^`]+)` \|", table)
    assert len(said) >= 14
    assert [text for text in said if text not in SOURCES] == []


def test_every_command_exists_with_its_options() -> None:
    import typer.main

    from convert.__main__ import app

    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("python -m convert ")]
    assert len(lines) >= 5
    for line in lines:
        verb, *rest = line.split()[3:]
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, line


def test_summary_of_the_shipped_bundle_is_the_real_one() -> None:
    from convert.commands.audit import summary
    from convert.edgetpu.audit import audit

    (text,) = blocks("text")
    backbone = load_bundle(default_bundle()).files["backbone.tflite"]
    assert text.splitlines()[0] == summary(audit(backbone, "backbone.tflite"), "backbone.tflite")


def test_configuration_names_real_keys(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "config.toml").write_text(text)
    assert load_config(tmp_path / "config.toml").model.public_key == str(tmp_path / "maker.pub.pem")


@pytest.mark.needs("openssl")
def test_signing_as_the_page_says_gives_a_bundle_that_verifies(tmp_path: Path) -> None:
    shutil.copytree(default_bundle(), tmp_path / "bundle")
    script = "\n".join(block for block in blocks("sh") if "openssl" in block)
    script = script.replace("python -m", f"{sys.executable} -m")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fingerprint = done.stdout.splitlines()[-1].split()[0]
    assert f"signature  signed by your key {fingerprint}" in done.stdout
