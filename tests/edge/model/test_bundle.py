"""Model bundles: whole, or refused with the reason."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.affect.network import load_model, prepare_model
from edge.config import EngineConfig, ModelConfig
from edge.errors import BundleError, EngineError
from edge.model.bundle import MANIFEST, default_bundle, load_bundle
from edge.model.golden import read_golden


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped bundle to spoil."""
    target = tmp_path / "bundle"
    shutil.copytree(default_bundle(), target)
    return target


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replaces a file and its hash: what remains to find is what the file says."""
    (folder / name).write_bytes(data)
    edit(folder, lambda m: m["files"].update({name: hashlib.sha256(data).hexdigest()}))


def pack(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target


def test_shipped_bundle_loads_and_reproduces_its_golden_vectors() -> None:
    model = load_model(ModelConfig(), EngineConfig())
    assert set(model.golden) == {"embedding", "va", "head_va"}


def test_shipped_bundle_is_small_and_names_its_sources() -> None:
    bundle = load_bundle(default_bundle())
    assert sum(len(data) for data in bundle.files.values()) <= 2_000_000
    assert "MODEL_CARD.md" in bundle.files
    assert all(source.licence for source in bundle.manifest.sources)
    assert {metric.answer for metric in bundle.manifest.metrics} == {"frame", "stream"}


def test_zip_gives_the_same_bundle_as_its_folder(folder: Path, tmp_path: Path) -> None:
    from_zip = load_bundle(pack(folder, tmp_path / "bundle.zip"))
    assert from_zip.sha256 == load_bundle(folder).sha256
    assert from_zip.files == load_bundle(folder).files


@pytest.mark.parametrize("name", ["backbone.tflite", "head.tflite", "golden.npz", "MODEL_CARD.md"])
@pytest.mark.parametrize("where", [0, -1])
def test_one_flipped_bit_is_refused(folder: Path, name: str, where: int) -> None:
    data = bytearray((folder / name).read_bytes())
    data[where] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} is not the file the manifest lists") as caught:
        load_bundle(folder)
    assert caught.value.exit_code == 4


def test_missing_file_is_refused(folder: Path) -> None:
    (folder / "head.tflite").unlink()
    with pytest.raises(BundleError, match=r"head.tflite is missing"):
        load_bundle(folder)


def test_unlisted_file_is_refused(folder: Path) -> None:
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"extra.bin. is not listed"):
        load_bundle(folder)


def test_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes((folder / "head.tflite").read_bytes())
    (folder / "head.tflite").unlink()
    (folder / "head.tflite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="not a regular file"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(format=2), "bundle format 2 is not 1"),
        (lambda m: m.pop("crop"), "crop"),
        (lambda m: m.update(colour="BGR"), "colour"),
        (lambda m: m.update(step_s=0), "step_s"),
        (lambda m: m["files"].update({"../escape": "0" * 64}), "files"),
        (lambda m: m["files"].pop("golden.npz"), "golden.npz"),
        (lambda m: m["head"].update(file="nowhere.tflite"), "nowhere.tflite"),
    ],
    ids=["future format", "missing key", "unknown key", "impossible", "escape", "unhashed", "dangling"],
)
def test_impossible_manifest_is_refused_in_words(
    folder: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=said) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"format": 1}'])
def test_manifest_that_is_none_is_refused(folder: Path, raw: bytes) -> None:
    (folder / MANIFEST).write_bytes(raw)
    with pytest.raises(BundleError):
        load_bundle(folder)


def test_no_bundle_and_no_manifest_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle(tmp_path / "none")
    with pytest.raises(BundleError, match=r"has no manifest.json"):
        load_bundle(tmp_path)


def test_archive_with_a_doubled_name_is_refused(folder: Path, tmp_path: Path) -> None:
    path = pack(folder, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.write(folder / "head.tflite", "head.tflite")
    with pytest.raises(BundleError, match="duplicate"):
        load_bundle(path)


@pytest.mark.parametrize("size", [0, 10, 1000, -30])
def test_truncated_archive_is_refused(folder: Path, tmp_path: Path, size: int) -> None:
    path = pack(folder, tmp_path / "b.zip")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BundleError, match="neither a folder nor a readable ZIP"):
        load_bundle(path)


def golden_with(folder: Path, **changed: np.ndarray) -> None:
    with np.load(folder / "golden.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays.update(changed)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    rewrite(folder, "golden.npz", buffer.getvalue())


@pytest.mark.parametrize("name", ["embedding", "va", "head_va"])
def test_model_that_computes_something_else_here_is_refused(folder: Path, name: str) -> None:
    golden = read_golden(load_bundle(folder))
    golden_with(folder, **{name: golden[name] + np.float32(0.7)})
    with pytest.raises(BundleError, match=f"{name} differs by"):
        prepare_model(load_bundle(folder), EngineConfig())


def test_golden_that_says_nan_is_refused(folder: Path) -> None:
    golden = read_golden(load_bundle(folder))
    golden_with(folder, va=golden["va"] * np.nan)
    with pytest.raises(BundleError, match="va differs"):
        prepare_model(load_bundle(folder), EngineConfig())


def test_golden_with_pickled_objects_is_refused(folder: Path) -> None:
    golden_with(folder, va=np.array([{"not": "numbers"}], dtype=object))
    with pytest.raises(BundleError, match="plain arrays"):
        prepare_model(load_bundle(folder), EngineConfig())


def test_graph_that_differs_from_its_manifest_is_refused(folder: Path) -> None:
    edit(folder, lambda m: m["backbone"]["image"].update(zero_point=3))
    with pytest.raises(BundleError, match="the manifest says"):
        prepare_model(load_bundle(folder), EngineConfig())


def test_graph_that_is_none_is_refused(folder: Path) -> None:
    rewrite(folder, "backbone.tflite", b"\x00" * 64)
    with pytest.raises(EngineError, match="cannot load the graph"):
        prepare_model(load_bundle(folder), EngineConfig())


def test_delegate_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match=r"/nowhere/libedgetpu.so.1 is not there; install"):
        load_model(ModelConfig(), EngineConfig(delegate="/nowhere/libedgetpu.so.1"))
