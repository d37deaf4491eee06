"""A bundle from outside is opened by a child without rights: what the child may do, and what its end means."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.affect import untrusted
from edge.affect.network import load_model
from edge.affect.untrusted import prove
from edge.config import EngineConfig, ModelConfig
from edge.errors import BundleError, EngineError
from edge.model.bundle import MANIFEST, default_bundle, load_bundle
from edge.model.isolated import NOBODY, Ended, run_module

MakeBundle = Callable[..., Path]
ENGINE = EngineConfig()


def rewrite(folder: Path, name: str, data: bytes) -> Path:
    """Replaces a file and its hash in the manifest."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def without_subgraphs(graph: bytes) -> bytes:
    """A graph whose table of contents has no subgraphs: LiteRT 2.3.0 follows a null pointer there."""
    root = int.from_bytes(graph[:4], "little")
    table = root - int.from_bytes(graph[root : root + 4], "little", signed=True)
    at = table + 4 + 2 * 2  # the third field of `Model` in TensorFlow Lite's schema
    return graph[:at] + b"\0\0" + graph[at + 2 :]


@pytest.fixture
def hostile(real: MakeBundle) -> Path:
    """A bundle with right hashes whose graph ends the process that opens it."""
    folder = real(900)
    return rewrite(folder, "head.tflite", without_subgraphs((folder / "head.tflite").read_bytes()))


def test_a_child_says_what_this_process_would_find(real: MakeBundle) -> None:
    found = prove(load_bundle(real(901)), ENGINE)
    model = load_model(ModelConfig(), ENGINE)
    assert (found.golden, found.runtime, found.engine) == (model.golden, model.runtime, model.engine)


def test_a_graph_that_crashes_the_runtime_is_refused_in_one_line(hostile: Path) -> None:
    with pytest.raises(BundleError, match=r"default 900: opening it ends the runtime \(SIG\w+\)") as caught:
        prove(load_bundle(hostile), ENGINE)
    assert "\n" not in str(caught.value)


def test_a_bundle_that_computes_something_else_is_refused_in_the_device_s_words(real: MakeBundle) -> None:
    folder = real(902)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["golden"]["tolerance"] = {"tflite": 0.1}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="names no tolerance for litert; this bundle does not support it"):
        prove(load_bundle(folder), ENGINE)
    graph = rewrite(real(903), "backbone.tflite", b"\0" * 64)
    with pytest.raises(EngineError, match="cannot load the graph"):
        prove(load_bundle(graph), ENGINE)


def test_the_shipped_bundle_is_opened_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "run_module", None)
    assert prove(load_bundle(default_bundle()), ENGINE).runtime == "litert"


@pytest.mark.parametrize("said", [b"", b"nonsense", b'\n{"golden": 1}', b'{"golden": {}}\n', b"\xff\n" * 3])
def test_a_child_that_lies_is_not_believed(real: MakeBundle, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(untrusted, "run_module", lambda *_, **__: Ended(0, said, b""))
    with pytest.raises(BundleError, match="opening it ends the runtime"):
        prove(load_bundle(real(904)), ENGINE)


def test_a_child_that_does_not_end_is_given_up(real: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "_TIMEOUT_S", 0.05)
    with pytest.raises(BundleError, match=r"was not opened within 0.05 s"):
        prove(load_bundle(real(905)), ENGINE)


SPY = """
import os, pathlib, resource, sys
from edge.affect import untrusted
def look(files, path):
    status = pathlib.Path("/proc/self/status").read_text().splitlines()
    facts = {line.split(":")[0]: line.split()[1:] for line in status}
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE")}
    sys.stderr.write(repr((facts["Uid"], facts["Gid"], facts["Groups"], facts["NoNewPrivs"], facts["CapEff"], limits)))
    sys.stderr.flush()
    os._exit(0)
untrusted.verify_files = look
untrusted._child()
"""


def test_rights_are_gone_before_the_bundle_is_opened() -> None:
    order = msgspec.msgpack.encode(untrusted._Order("x", {}, ENGINE))
    done = subprocess.run([sys.executable, "-c", SPY], input=order, capture_output=True, timeout=60, check=True)
    uid, gid, groups, no_new_privs, capabilities, limits = eval(done.stderr)
    user = str(NOBODY if os.geteuid() == 0 else os.geteuid())
    assert set(uid) == {user}
    if os.geteuid() == 0:
        assert set(gid) == {user}
        assert groups == []
        assert int(capabilities[0], 16) == 0
    assert no_new_privs == ["1"]
    assert limits["RLIMIT_FSIZE"] == (65_536, 65_536)
    assert limits["RLIMIT_AS"][1] < 8 << 30
    assert limits["RLIMIT_CPU"][1] <= untrusted._CPU_S + 30


def test_a_child_sees_neither_the_current_folder_nor_python_s_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: MakeBundle
) -> None:
    bundle = load_bundle(real(906))
    for name in ("json", "msgspec", "pip", "edge", "site", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run_module("pip", "--version", timeout_s=60).stdout.startswith(b"pip ")
    assert prove(bundle, ENGINE).runtime == "litert"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("code", "how"), [(0, "exit code 0"), (-11, "SIGSEGV"), (-99, "signal 99")])
def test_the_end_of_a_child_has_a_name(code: int, how: str) -> None:
    assert Ended(code, b"", b"").how == how
