"""`sign --release`: all bundles of a checkout by one key, of which only the public half is ever written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from convert.errors import DataError
from convert.package import signing
from convert.package.packing import write_zip
from convert.package.signing import sign_release
from edge.model.bundle import default_bundle, load_bundle
from edge.model.signature import SIGNATURE, PublicKeys


class Checkout:
    """A shipped bundle, one as ZIP, and the file of public keys."""

    def __init__(self, folder: Path) -> None:
        self.shipped, self.keys = shutil.copytree(default_bundle(), folder / "default"), folder / "release.pem"
        (self.shipped / SIGNATURE).unlink()
        (folder / "bundles").mkdir()
        self.archive = folder / "bundles" / "nano.zip"
        write_zip(self.shipped, self.archive)
        self.folder = folder

    def sign(self, version: str) -> str:
        return sign_release(self.folder / "bundles", shipped=self.shipped, keys=self.keys, version=version)[0]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr(signing, "seal_memory", lambda: True)
    return Checkout(tmp_path)


def test_every_bundle_is_signed_by_one_key_and_otherwise_unchanged(checkout: Checkout) -> None:
    before = [load_bundle(path).files for path in (checkout.shipped, checkout.archive)]
    key = checkout.sign("1.0")
    signed = [load_bundle(path, checkout.keys) for path in (checkout.shipped, checkout.archive)]
    assert {bundle.signed_by for bundle in signed} == {key}
    assert [bundle.files for bundle in signed] == before


def test_private_half_is_written_nowhere(checkout: Checkout) -> None:
    checkout.sign("1.0")
    for path in [path for path in checkout.folder.rglob("*") if path.is_file()]:
        assert b"PRIVATE" not in path.read_bytes()
    assert len(re.findall("BEGIN", checkout.keys.read_text())) == 1


def test_next_release_keeps_the_keys_of_earlier_ones_and_the_same_one_replaces_its_own(checkout: Checkout) -> None:
    first = checkout.sign("1.0")
    old = shutil.copy(checkout.archive, checkout.folder / "old.zip")
    second, third = checkout.sign("1.1"), checkout.sign("1.1")
    assert PublicKeys(checkout.keys).fingerprints == [third, first]
    assert second != third
    assert load_bundle(Path(old), checkout.keys).signed_by == first


def test_a_machine_that_could_swap_the_key_out_signs_nothing(checkout: Checkout, monkeypatch) -> None:
    monkeypatch.setattr(signing, "seal_memory", lambda: False)
    with pytest.raises(DataError, match="swapped out"):
        checkout.sign("1.0")
    assert not checkout.keys.exists()
    assert not (checkout.shipped / SIGNATURE).exists()
