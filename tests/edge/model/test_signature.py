"""Signed bundles: only what the configured key signed is loaded; everything else is refused with its reason."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from convert.package import packing
from convert.package.packing import verify_bundle
from edge.affect.network import load_model, prepare_model
from edge.config import EngineConfig, ModelConfig, load_config
from edge.errors import BundleError, ConfigError
from edge.model.bundle import MANIFEST, check_licences, default_bundle, load_bundle
from edge.model.signature import RELEASE_KEYS, SIGNATURE, PublicKeys
from edge.model.store import read_configured


def make_key(folder: Path, name: str) -> tuple[object, Path]:
    private = ed25519.Ed25519PrivateKey.generate()
    path = folder / f"{name}.pub.pem"
    path.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, path


@pytest.fixture
def key(tmp_path: Path) -> tuple[object, Path]:
    return make_key(tmp_path, "maker")


@pytest.fixture
def signed(tmp_path: Path, key: tuple[object, Path]) -> Path:
    """A copy of the shipped bundle, signed with `key`."""
    folder = shutil.copytree(default_bundle(), tmp_path / "bundle")
    (folder / SIGNATURE).write_bytes(key[0].sign((folder / MANIFEST).read_bytes()))  # type: ignore[attr-defined]
    return folder


def archived(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target


def refusal(bundle: Path, public_key: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_model(ModelConfig(bundle=str(bundle), public_key=str(public_key)), EngineConfig())
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("pack", [lambda folder: folder, archived], ids=["folder", "zip"])
def test_what_the_key_signed_is_loaded(signed: Path, key: tuple[object, Path], pack: object) -> None:
    model = load_model(ModelConfig(bundle=str(pack(signed)), public_key=str(key[1])), EngineConfig())  # type: ignore[operator]
    assert model.bundle.signed_by == PublicKeys(key[1]).fingerprints[0]
    assert SIGNATURE not in model.bundle.files
    assert model.bundle.signer == f"signed by your key {model.bundle.signed_by}"


def test_signature_that_nobody_checked_is_not_called_signed_by_anybody(signed: Path) -> None:
    bundle = load_bundle(signed)
    assert bundle.signed_by is None
    assert bundle.signer == "signed by a key that is not known here"


def test_unsigned_is_refused(signed: Path, key: tuple[object, Path]) -> None:
    (signed / SIGNATURE).unlink()
    assert "is not signed (no manifest.sig)" in refusal(signed, key[1])


def test_signed_by_somebody_else_is_refused(signed: Path, tmp_path: Path) -> None:
    assert "is by no key in" in refusal(signed, make_key(tmp_path, "other")[1])


def test_manifest_changed_after_signing_is_refused_though_it_is_whole(signed: Path, key: tuple[object, Path]) -> None:
    text = (signed / MANIFEST).read_text()
    (signed / MANIFEST).write_text(re.sub(r'"version": \d+', '"version": 999', text, count=1))
    load_bundle(signed)  # only the signature tells
    assert "manifest was changed since" in refusal(signed, key[1])


def test_file_changed_after_signing_is_refused(signed: Path, key: tuple[object, Path]) -> None:
    data = bytearray((signed / "head.tflite").read_bytes())
    data[-1] ^= 1
    (signed / "head.tflite").write_bytes(data)
    assert "head.tflite is not the file the manifest lists" in refusal(signed, key[1])


@pytest.mark.parametrize("size", [0, 63, 65, 4096])
def test_truncated_or_padded_signature_is_refused(signed: Path, key: tuple[object, Path], size: int) -> None:
    (signed / SIGNATURE).write_bytes(((signed / SIGNATURE).read_bytes() * 64)[:size])
    assert f"({size} bytes, not 64)" in refusal(signed, key[1])


def test_every_flipped_byte_of_a_signature_is_refused(signed: Path, key: tuple[object, Path]) -> None:
    good = (signed / SIGNATURE).read_bytes()
    manifest = (signed / MANIFEST).read_bytes()
    trusted = PublicKeys(key[1])
    for position in range(64):
        bad = bytearray(good)
        bad[position] ^= 0x10
        with pytest.raises(BundleError):
            trusted.check(manifest, bytes(bad), signed)


def test_signed_bundle_of_a_future_format_is_refused_with_the_fix(signed: Path, key: tuple[object, Path]) -> None:
    text = (signed / MANIFEST).read_text().replace('"format": 1', '"format": 2')
    (signed / MANIFEST).write_text(text)
    (signed / SIGNATURE).write_bytes(key[0].sign(text.encode()))  # type: ignore[attr-defined]
    assert "bundle format 2 is not 1, the one this release reads; update affect-edge" in refusal(signed, key[1])


def test_bundle_from_outside_needs_a_known_maker_or_a_word(signed: Path) -> None:
    with pytest.raises(BundleError, match="is by no key in") as caught:
        load_model(ModelConfig(bundle=str(signed)), EngineConfig())
    assert "allow_unsigned = true" in caught.value.fix
    model = load_model(ModelConfig(bundle=str(signed), allow_unsigned=True), EngineConfig())
    assert model.bundle.signed_by is None


def test_what_the_release_signed_runs_without_a_word_and_beside_a_key_of_one_s_own(
    tmp_path: Path, repo: Path, key: tuple[object, Path]
) -> None:
    (release,) = PublicKeys(RELEASE_KEYS).fingerprints
    copy = shutil.copytree(default_bundle(), tmp_path / "copy")
    for path in (copy, *(repo / "bundles").glob("*.zip")):
        for config in (ModelConfig(bundle=str(path)), ModelConfig(bundle=str(path), public_key=str(key[1]))):
            assert read_configured(config).signed_by == release
    (copy / SIGNATURE).unlink()
    with pytest.raises(BundleError, match="is not signed"):
        read_configured(ModelConfig(bundle=str(copy)))


def test_the_shipped_bundle_tells_that_the_release_signed_it() -> None:
    state = load_bundle(default_bundle()).signer
    assert state == f"signed by the release key {PublicKeys(RELEASE_KEYS).fingerprints[0]}"


def test_no_private_key_lies_in_the_checkout(repo: Path) -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=repo, capture_output=True, check=True).stdout.split(b"\0")
    shipped = [repo / name.decode() for name in files if name.endswith((b".pem", b".key", b".der", b".p8"))]
    assert RELEASE_KEYS in shipped
    assert not [path for path in shipped if b"PRIVATE" in path.read_bytes()]


def test_a_file_of_several_keys_trusts_each_of_them(signed: Path, key: tuple[object, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(make_key(tmp_path, "new")[1].read_bytes() + b"# the old one\n" + key[1].read_bytes())
    assert load_bundle(signed, both).signed_by == PublicKeys(key[1]).fingerprints[0]


def test_a_key_is_asked_even_where_unsigned_bundles_are_allowed(signed: Path, key: tuple[object, Path]) -> None:
    (signed / SIGNATURE).unlink()
    with pytest.raises(BundleError, match="is not signed"):
        load_model(ModelConfig(bundle=str(signed), public_key=str(key[1]), allow_unsigned=True), EngineConfig())


def test_the_shipped_bundle_needs_no_signature(key: tuple[object, Path]) -> None:
    assert load_model(ModelConfig(public_key=str(key[1])), EngineConfig()).bundle.signed_by is None


def test_runtime_that_the_bundle_does_not_name_is_refused_by_its_golden_vectors() -> None:
    bundle = load_bundle(default_bundle())
    bundle.manifest.runtimes.clear()
    bundle.manifest.golden.tolerance.clear()
    with pytest.raises(BundleError, match="does not support it"):
        prepare_model(bundle, EngineConfig())


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"", "no Ed25519 public key"), (b"-----BEGIN PUBLIC KEY-----\nx\n", "no Ed25519")],
    ids=["missing", "empty", "broken"],
)
def test_key_that_is_none_is_an_error_of_the_configuration(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_model(ModelConfig(bundle=str(default_bundle()), public_key=str(path)), EngineConfig())
    assert caught.value.exit_code == 2
    assert str(path) in str(caught.value)


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ec.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(ConfigError, match="no Ed25519 public key"):
        PublicKeys(path)


def test_key_in_the_configuration_is_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[model]\npublic_key = 'keys/maker.pem'\n")
    assert load_config(tmp_path / "config.toml").model.public_key == str(tmp_path / "keys" / "maker.pem")


def test_verification_names_key_and_differences(signed: Path, key: tuple[object, Path]) -> None:
    found = verify_bundle(archived(signed), key[1])
    assert found.bundle.signed_by == PublicKeys(key[1]).fingerprints[0]
    assert set(found.golden["litert"]) == {"embedding", "va", "head_va"}


def test_verification_without_any_runtime_is_no_success(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_is_installed", lambda runtime: False)
    with pytest.raises(BundleError, match="none of its runtimes is installed"):
        verify_bundle(signed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b.files.pop("LICENSE"), "has no LICENSE"),
        (lambda b: b.files.update({"MODEL_CARD.md": b" \n"}), "has no MODEL_CARD.md"),
        (lambda b: b.manifest.sources.clear(), "names nothing that it was made from"),
    ],
    ids=["licence file", "card", "sources"],
)
def test_bundle_without_its_papers_is_refused(change: object, said: str) -> None:
    bundle = load_bundle(default_bundle())
    check_licences(bundle)
    change(bundle)  # type: ignore[operator]
    with pytest.raises(BundleError, match=said):
        check_licences(bundle)


def test_source_without_a_licence_is_named() -> None:
    import msgspec

    bundle = load_bundle(default_bundle())
    bundle.manifest.sources[2] = msgspec.structs.replace(bundle.manifest.sources[2], licence="not stated")
    with pytest.raises(BundleError, match=bundle.manifest.sources[2].name):
        check_licences(bundle)
