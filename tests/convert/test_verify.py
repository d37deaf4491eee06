"""Packing signed bundles and verifying them as a person does: as processes, judged by output and exit code."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from convert.commands.pack import pack
from convert.errors import DataError
from convert.faces.table import make_faces, write_faces
from convert.package.packing import encode, licence_text, write_folder, write_zip
from convert.package.signing import Signer
from convert.train.recipe import find_recipe
from convert.train.run import Run
from edge.errors import BundleError
from edge.model.bundle import MANIFEST, default_bundle, load_bundle
from edge.model.signature import SIGNATURE

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.needs("openssl")


def openssl(*arguments: str | Path) -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True, timeout=30).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Private and public key, made as docs/bundles.md says."""
    folder = tmp_path_factory.mktemp("keys")
    private, public = folder / "maker.pem", folder / "maker.pub.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


@pytest.fixture(scope="module")
def signed(keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped bundle, signed."""
    folder = tmp_path_factory.mktemp("signed") / "bundle"
    write_folder(load_bundle(default_bundle()), folder, Signer(keys[0]))
    return folder


@pytest.fixture
def shipped_run(tmp_path: Path) -> Path:
    """A run's folder as training leaves it, with the shipped graphs."""
    bundle = load_bundle(default_bundle())
    run = Run(tmp_path / "run")
    run.start(find_recipe("default"))
    for name in ("backbone.tflite", "head.tflite"):
        run.path(name).write_bytes(bundle.files[name])
    face = {"id": ["a"], "picture": "a.jpg", "subject": "a", "source": "diffusionfer", "rater": "people", "real": False}
    write_faces(run.path("faces.parquet"), make_faces(pd.DataFrame(face)))
    return tmp_path / "run"


def test_signed_bundle_verifies_and_says_by_whom(
    convert_verb: Callable[..., Any], signed: Path, keys: tuple[Path, Path]
) -> None:
    done = convert_verb("verify", signed, "--public-key", keys[1], "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["signed_by"] == Signer(keys[0]).fingerprint
    assert (found["name"], found["version"]) == ("default", load_bundle(signed).manifest.version)
    assert found["sha256"] == load_bundle(signed).sha256


def test_refusal_is_one_line_and_exit_code_four(convert_verb: Callable[..., Any], keys: tuple[Path, Path]) -> None:
    done = convert_verb("verify", default_bundle(), "--public-key", keys[1])
    assert done.returncode == 4
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "is by no key in" in line


def test_shipped_bundle_verifies_without_a_key(convert_verb: Callable[..., Any]) -> None:
    done = convert_verb("verify", default_bundle())
    assert done.returncode == 0, done.stderr
    assert "signature  signed by the release key" in done.stdout
    assert "reproduced on litert" in done.stdout


def test_openssl_agrees_with_our_signature_and_we_with_its_own(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    check = ("pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", signed / MANIFEST)
    assert b"Verified Successfully" in openssl(*check, "-sigfile", signed / SIGNATURE)
    folder = shutil.copytree(default_bundle(), tmp_path / "bundle")
    openssl("pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", folder / MANIFEST, "-out", folder / SIGNATURE)
    assert load_bundle(folder, public).signature == (signed / SIGNATURE).read_bytes()


def test_fingerprint_is_the_one_that_openssl_gives(keys: tuple[Path, Path]) -> None:
    import hashlib

    der = openssl("pkey", "-pubin", "-in", keys[1], "-outform", "DER")
    assert hashlib.sha256(der).hexdigest() == Signer(keys[0]).fingerprint


def test_zip_of_a_signed_bundle_is_the_same_bytes_each_time_and_keeps_its_signature(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    again = shutil.copytree(signed, tmp_path / "again", copy_function=shutil.copyfile)  # other times and modes
    for source, target in ((signed, tmp_path / "a.zip"), (again, tmp_path / "b.zip")):
        write_zip(source, target)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert load_bundle(tmp_path / "a.zip", keys[1]).signed_by == Signer(keys[0]).fingerprint


def test_zip_does_not_depend_on_a_compressor(signed: Path, tmp_path: Path) -> None:
    import zipfile

    write_zip(signed, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_pack_signs_what_it_writes(
    convert_verb: Callable[..., Any],
    shipped_run: Path,
    keys: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    pack(shipped_run, out, "mine", 3, "2026-01-02", tmp_path / "out.zip", sign=keys[0])
    assert Signer(keys[0]).fingerprint in capsys.readouterr().out
    done = convert_verb("verify", tmp_path / "out.zip", "--public-key", keys[1])
    assert done.returncode == 0, done.stderr
    assert "mine 3, made 2026-01-02" in done.stdout
    assert load_bundle(out).files["LICENSE"] == (REPO / "LICENSE").read_bytes()


def test_other_terms_than_apache_are_written_out() -> None:
    manifest = load_bundle(default_bundle()).manifest
    assert licence_text(manifest) == (REPO / "LICENSE").read_bytes()
    text = licence_text(msgspec.structs.replace(manifest, licence="research only")).decode()
    assert "The weights of default: research only" in text
    assert all(f"- {source.name}: {source.licence}" in text for source in manifest.sources)


def test_key_that_cannot_sign_is_named(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Signer(tmp_path / "none.pem")
    with pytest.raises(DataError, match="no Ed25519 private key"):
        Signer(keys[1])
    openssl("pkey", "-in", keys[0], "-aes128", "-passout", "pass:secret", "-out", tmp_path / "locked.pem")
    with pytest.raises(DataError, match="has a passphrase"):
        Signer(tmp_path / "locked.pem")


def test_signature_is_over_the_bytes_that_were_written(signed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(signed, tmp_path / "bundle")
    compact = msgspec.json.encode(load_bundle(signed).manifest)
    assert compact != encode(load_bundle(signed).manifest)
    (folder / MANIFEST).write_bytes(compact)  # the same values, other bytes
    with pytest.raises(BundleError, match="manifest was changed"):
        load_bundle(folder, keys[1])


@pytest.mark.parametrize("verb", ["verify", "audit", "compile", "pack"])
def test_help_has_an_example(convert_verb: Callable[..., Any], verb: str) -> None:
    assert f"Example: python -m convert {verb}" in " ".join(convert_verb(verb, "--help").stdout.split())
