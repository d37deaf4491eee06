"""Model bundles as an enemy would pack them: manifest, archive, folder and golden vectors.

See `conftest.py` for the deep run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.affect.network import AffectModel, load_model
from edge.config import EngineConfig, ModelConfig
from edge.errors import BundleError, EngineError
from edge.model.bundle import MANIFEST, Bundle, default_bundle, load_bundle
from edge.model.golden import compare, read_golden

fuzz = settings.get_profile("fuzz")
SHIPPED = {path.name: path.read_bytes() for path in default_bundle().iterdir() if path.is_file()}
RAW = SHIPPED[MANIFEST]


def pack(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as archive:
        warnings.simplefilter("ignore")  # a name is cut at a NUL and may then be there twice
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def signed(manifest: dict[str, Any], files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, with a manifest that lists their hashes: what remains to find is what they say."""
    listed = manifest | {"files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    return files | {MANIFEST: json.dumps(listed).encode()}


# Small files, so that an archive is a few kilobytes and a mutation meets structure, not weights.
SMALL = {name: data[:300] for name, data in SHIPPED.items() if name not in (MANIFEST, "manifest.sig")}
ARCHIVES = {
    name: pack(signed(json.loads(RAW), SMALL), method)
    for name, method in {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}.items()
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle") / "bundle.zip"


def load(place: Path, data: bytes) -> Bundle:
    place.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_bundle(place)


def test_the_small_archives_load(place: Path) -> None:
    for whole in ARCHIVES.values():
        assert set(load(place, whole).files) == set(SMALL)


# The archive


@settings(fuzz, max_examples=fuzz.max_examples * 2)
@given(st.sampled_from(sorted(ARCHIVES)), st.data())
def test_an_archive_cut_anywhere_is_refused(place: Path, typed, archive: str, data: st.DataObject) -> None:
    whole = ARCHIVES[archive]
    with typed(BundleError):
        load(place, whole[: data.draw(st.integers(0, len(whole) - 1))])
        raise AssertionError("loaded")


@settings(fuzz, max_examples=fuzz.max_examples * 4)
@given(st.sampled_from(sorted(ARCHIVES)), st.data())
def test_an_archive_with_flipped_bits_is_the_same_bundle_or_refused(
    place: Path, typed, archive: str, data: st.DataObject
) -> None:
    whole = ARCHIVES[archive]
    flipped = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=8)):
        flipped[at // 8] ^= 1 << at % 8
    with typed(BundleError):
        assert load(place, bytes(flipped)).files == SMALL


@settings(fuzz, max_examples=fuzz.max_examples * 2)
@given(st.sampled_from(sorted(ARCHIVES)), st.data())
def test_an_archive_whose_lists_are_rewritten(place: Path, typed, archive: str, data: st.DataObject) -> None:
    """Numbers of the central directory and the end record, where offsets, sizes and counts stand."""
    whole = ARCHIVES[archive]
    start = whole.index(b"PK\1\2")
    spoilt = bytearray(whole)
    for at in data.draw(st.lists(st.integers(start, len(whole) - 4), min_size=1, max_size=3)):
        spoilt[at : at + 4] = data.draw(
            st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x7f", b"\x63\0\x63\0"])
        )
    with typed(BundleError):
        assert load(place, bytes(spoilt)).files == SMALL


@fuzz
@given(st.binary(max_size=300))
@example(b"PK\5\6" + b"\0" * 18)
@example(b"PK\5\6" + b"\xff" * 18)
def test_any_bytes_as_an_archive_are_refused(place: Path, typed, data: bytes) -> None:
    with typed(BundleError):
        load(place, data)
        raise AssertionError("loaded")


@fuzz
@given(st.text(min_size=1, max_size=80).filter(lambda name: name not in (*SMALL, MANIFEST)))
@example("/etc/passwd")
@example("../escape")
@example("..\\escape")
@example("folder/")
@example("head.tflite\n")
@example("head.tflite\0x")
@example("\x1b[2Jhead")
@example("..")
def test_an_entry_of_any_other_name_is_refused(place: Path, typed, name: str) -> None:
    with typed(BundleError):
        try:
            packed = pack(signed(json.loads(RAW), SMALL) | {name: b"x"})
        except (ValueError, IndexError):  # `zipfile` cannot write such a name
            return
        load(place, packed)
        raise AssertionError("loaded")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_with_a_memory_of_its_own_is_refused(place: Path, method: int) -> None:
    with pytest.raises(BundleError, match="neither stored nor deflated"):
        load(place, pack(signed(json.loads(RAW), SMALL), method))


# Of addresses, which libraries use freely; what the five bombs would unpack to is beyond it, each for itself.
MEMORY_MB = 900
BOMB = """
from pathlib import Path
from edge.model.bundle import load_bundle
from edge.errors import BundleError
from edge.model.golden import read_golden
import edge.affect.network
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
for path in sys.argv[2:]:
    try:
        read_golden(load_bundle(Path(path)))
    except BundleError as error:
        print(error)
    else:
        print("loaded")
"""


def test_bombs_are_refused_with_the_memory_of_a_small_board(tmp_path: Path, bounded: Callable[..., Any]) -> None:
    zeros = b"\0" * (32 << 20)
    manifest = json.loads(RAW)
    (tmp_path / "many.zip").write_bytes(pack({f"f{i}": zeros for i in range(3)}, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(tmp_path / "entries.zip", "w") as archive:
        for i in range(3_000):
            archive.writestr(f"{i}", b"")
    lying = bytearray(pack({"a": zeros}, zipfile.ZIP_DEFLATED))  # says that it is small
    struct.pack_into("<I", lying, lying.index(b"PK\1\2") + 24, 100)
    (tmp_path / "lying.zip").write_bytes(lying)
    arrays = io.BytesIO()
    with (
        zipfile.ZipFile(arrays, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("image.npy", "w") as entry,
    ):
        for _ in range(3):
            entry.write(zeros)
    golden = pack(signed(manifest, SMALL | {"golden.npz": arrays.getvalue()}))
    (tmp_path / "arrays.zip").write_bytes(golden)
    announced = b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999999, 999999), }\n"
    header = pack({"image.npy": b"\x93NUMPY\x01\0" + struct.pack("<H", len(announced)) + announced})
    (tmp_path / "header.zip").write_bytes(pack(signed(manifest, SMALL | {"golden.npz": header})))
    names = ["many.zip", "entries.zip", "lying.zip", "arrays.zip", "header.zip"]
    done = bounded(BOMB, *(tmp_path / name for name in names), memory_mb=MEMORY_MB)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    said = ["larger than", "lists more than", "readable ZIP", "not a NumPy archive", "not a NumPy archive"]
    assert [word in line for word, line in zip(said, lines, strict=True)] == [True] * 5, lines


# The manifest


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in leaves(item, (*path, key)))]


PLACES = leaves(json.loads(RAW))[1:]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=6,
)


@fuzz
@given(st.binary(max_size=400))
@example(b'{"format":' + b"[" * 200_000)
@example(b'{"format": "a\\nb"}')
@example(b'{"format": 1e999}')
@example(b'{"format": ' + b"9" * 5000 + b"}")
@example(RAW.replace(b'"format": 1', b'"format": 1, "format": 2'))
def test_any_bytes_as_a_manifest(place: Path, typed, raw: bytes) -> None:
    with typed(BundleError):
        load(place, pack(SMALL | {MANIFEST: raw}))


@cache
def shipped() -> AffectModel:
    """No fixture: a failing example would print all of its weights."""
    return load_model(ModelConfig(), EngineConfig())


@settings(fuzz, max_examples=fuzz.max_examples * 2)
@given(
    st.sampled_from(PLACES),
    ANY | st.sampled_from([0, -1, 1e-300, 1e300, 2**63, "", "a\n", "../x", [], {}, [-1], [0, 0], [2**40]]),
)
@example(("backbone", "image", "name"), "a\n")
@example(("network",), "\x1b[2J")
def test_a_manifest_with_any_value_anywhere_makes_a_model_or_one_line(
    place: Path, typed, where: tuple[Any, ...], value: Any
) -> None:
    """All the way: a manifest that passes is put to work, golden vectors included."""
    manifest = json.loads(RAW)
    inner = manifest
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    place.write_bytes(pack(SHIPPED | {MANIFEST: json.dumps(manifest).encode()}))
    with typed(BundleError, EngineError):
        load_model(ModelConfig(bundle=str(place), allow_unsigned=True), EngineConfig())


# The folder


@pytest.mark.parametrize("kind", ["fifo", "socket folder", "link", "dangling link", "loop", "unreadable"])
def test_a_folder_with_anything_but_files_is_refused(tmp_path: Path, typed, kind: str) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle(), folder)
    odd = folder / "head.tflite"
    odd.unlink()
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "socket folder":
        odd.mkdir()
    elif kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        folder.chmod(0)
    else:
        odd.symlink_to({"link": default_bundle() / "head.tflite", "dangling link": "nowhere", "loop": odd}[kind])
    try:
        with typed(BundleError):
            load_bundle(folder)
            raise AssertionError("loaded")
    finally:
        folder.chmod(0o755)


def test_a_folder_of_many_or_large_files_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for i in range(3):
        with (tmp_path / f"f{i}").open("wb") as file:
            file.truncate(30 << 20)
    with pytest.raises(BundleError, match="in all"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "a\0b", "/dev/null", "/dev/zero"])
def test_a_path_that_is_no_bundle_is_named(name: str) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle(Path(name))


# The golden vectors


def with_golden(data: bytes) -> Bundle:
    model = shipped()
    files = dict(model.bundle.files) | {model.bundle.manifest.golden.file: data}
    return Bundle(manifest=model.bundle.manifest, files=files, sha256=model.bundle.sha256)


def check(data: bytes) -> None:
    model = shipped()
    compare(with_golden(data), model.backbone.run, model.stream.run, "litert")


@settings(fuzz, max_examples=fuzz.max_examples * 2)
@given(at=st.integers(0, 8 * len(SHIPPED["golden.npz"]) - 1))
def test_golden_vectors_with_a_flipped_bit(typed, at: int) -> None:
    data = bytearray(SHIPPED["golden.npz"])
    data[at // 8] ^= 1 << at % 8
    with typed(BundleError):
        read_golden(with_golden(bytes(data)))


DTYPES = ["uint8", "float32", "float64", "int8", "bool", "complex64", "U3", "datetime64[s]", "object"]


@fuzz
@given(
    st.sampled_from(["image", "embedding", "va", "head_embedding", "head_va"]),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 5), max_size=5),
)
@example("image", "uint8", [2, 112, 112, 4])
@example("image", "uint8", [0, 112, 112, 3])
@example("head_embedding", "float32", [0, 3, 128])
@example("head_embedding", "float32", [3, 0, 128])
@example("head_embedding", "float32", [2, 2, 127])
@example("va", "float32", [6, 3])
def test_golden_vectors_of_any_type_and_shape(typed, name: str, dtype: str, shape: list[int]) -> None:
    arrays: dict[str, Any] = dict(read_golden(shipped().bundle)) | {name: np.zeros(shape, dtype)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with typed(BundleError, EngineError):
        check(buffer.getvalue())
        raise AssertionError("reproduced")


HEADERS = [
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }" % (1 << 60),
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    b"{'descr': '<f4', 'fortran_order': 3, 'shape': 7, }",
    b"{'descr': ('<f4', (%d,)), 'fortran_order': False, 'shape': (1,), }" % (1 << 40),
    b"(" * 500,
    b"{" * 900,
    b"-" * 900 + b"1",
]


@settings(fuzz, max_examples=fuzz.max_examples * 2)
@given(st.sampled_from(HEADERS) | st.binary(max_size=200), st.sampled_from([(1, 0), (2, 0), (3, 0), (0, 0)]))
def test_golden_vectors_with_any_header(typed, header: bytes, version: tuple[int, int]) -> None:
    length = struct.pack("<H" if version[0] < 2 else "<I", len(header))
    array = b"\x93NUMPY" + bytes(version) + length + header + b"\0" * 16
    with typed(BundleError):
        read_golden(with_golden(pack({"image.npy": array})))


def test_a_pickle_in_golden_vectors_is_never_read() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, image=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BundleError, match="not a NumPy archive of plain arrays"):
        read_golden(with_golden(buffer.getvalue()))


def test_a_flipped_bit_in_a_deflated_stream_is_one_line_too(place: Path) -> None:
    """What `zipfile` lets through as it comes: zlib's own error."""
    spoilt = bytearray(ARCHIVES["deflated"])
    start = spoilt.index(b"PK\3\4")
    at = start + 30 + spoilt[start + 26]
    spoilt[at] |= 0x06  # a block type that does not exist
    with pytest.raises(zlib.error), zipfile.ZipFile(io.BytesIO(spoilt)) as archive:
        archive.read(archive.infolist()[0])
    with pytest.raises(BundleError, match="readable ZIP"):
        load(place, bytes(spoilt))
