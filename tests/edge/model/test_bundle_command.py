"""`affect-edge bundle` as an operator meets it: what it says, what it refuses, and with which exit code."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.cli import main
from edge.cli.doctor.finding import Level
from edge.cli.doctor.model import check_model, check_store
from edge.cli.info import gather
from edge.config import Config, load_config
from edge.model.bundle import MANIFEST, default_bundle, load_bundle
from edge.model.store import MAX_STARTS, Store

MakeBundle = Callable[..., Path]
OWN = load_bundle(default_bundle()).sha256
SHIPPED = load_bundle(default_bundle()).manifest.version
NEXT = SHIPPED + 1
SERVICE = 61_184  # of the range that systemd gives to dynamic users


class Operator:
    """Types commands; `said` is what came last on standard output and error."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self.out, self.err = file, "", ""
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def types(self, *words: str | Path) -> int:
        typed = ["affect-edge", "bundle", *map(str, words), "--config", str(self.file)]
        self._monkeypatch.setattr("sys.argv", typed)
        with pytest.raises(SystemExit) as left:
            main()
        self.out, self.err = self._capsys.readouterr()
        return int(left.value.code or 0)

    def refused(self, code: int, *words: str | Path) -> str:
        """The one line of a refusal, after which nothing has changed."""
        assert self.types(*words) == code
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("affect-edge: ")
        return line

    def states(self) -> dict[int, str]:
        """State by version, as `list --json` tells."""
        assert self.types("list", "--json") == 0
        return {row["version"]: row["state"] for row in json.loads(self.out)["bundles"]}

    @property
    def config(self) -> Config:
        return load_config(self.file)

    @property
    def folder(self) -> Path:
        return self.file.parent / "state" / "bundles"


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    text = "[camera]\nbackend = 'scene'\n[model]\nallow_unsigned = true\nstore = 'state/bundles'\n"
    (tmp_path / "config.toml").write_text(text)
    return Operator(tmp_path / "config.toml", monkeypatch, capsys)


def test_a_bundle_is_installed_activated_and_rolled_back(operator: Operator, real: MakeBundle) -> None:
    assert operator.states() == {SHIPPED: "active"}
    assert operator.types("install", real(NEXT)) == 0
    assert f"installed default {NEXT}" in operator.out
    assert "golden vectors reproduced on litert" in operator.out
    assert operator.states() == {SHIPPED: "active", NEXT: "installed"}
    assert operator.types("activate", "default") == 0
    assert "systemctl restart affect-edge" in operator.out
    assert operator.states() == {SHIPPED: "previous", NEXT: "active"}
    assert operator.types("install", real(NEXT + 1), "--activate") == 0
    assert operator.states() == {SHIPPED: "shipped", NEXT: "previous", NEXT + 1: "active"}
    sha256 = load_bundle(real(NEXT + 1)).sha256
    assert gather(operator.config)["bundle"]["sha256"] == sha256
    assert gather(operator.config)["bundle"]["state"] == "active"
    assert gather(Config())["bundle"]["state"] == "shipped"
    assert operator.types("rollback") == 0
    assert operator.states() == {SHIPPED: "previous", NEXT: "active", NEXT + 1: "installed"}
    assert operator.types("activate", sha256[:8]) == 0
    assert operator.types("activate", "shipped") == 0
    assert operator.types("list") == 0
    assert operator.out.splitlines()[0].startswith(f"active     default{SHIPPED:14}  {OWN[:12]}    1.1 MB  20")


def test_a_lower_version_of_the_same_name_needs_a_word(operator: Operator, real: MakeBundle) -> None:
    line = operator.refused(4, "install", real(SHIPPED - 1))
    assert f"version {SHIPPED} is here, and this is {SHIPPED - 1}; --allow-older installs it all the same" in line
    assert not operator.folder.exists()
    assert operator.types("install", real(SHIPPED - 1, "other")) == 0
    assert operator.types("install", real(SHIPPED - 1), "--allow-older") == 0


def test_the_same_version_with_other_contents_is_refused(operator: Operator, real: MakeBundle) -> None:
    changed = real(SHIPPED)
    assert f"version {SHIPPED} is here, and this is {SHIPPED}" in operator.refused(4, "install", changed)


def test_the_same_bundle_twice_is_no_mistake(operator: Operator, real: MakeBundle) -> None:
    new = real(NEXT)
    assert operator.types("install", new) == operator.types("install", new) == 0


def _expect_other_answers(manifest: dict, bundle: Path) -> None:
    with np.load(bundle / "golden.npz") as file:
        golden = {name: file[name] for name in file.files}
    golden["va"] = golden["va"] + 0.5
    np.savez(bundle / "golden.npz", **golden)
    manifest["files"]["golden.npz"] = hashlib.sha256((bundle / "golden.npz").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m, _: m.update(licence="unknown"), "state no licence"),
        (_expect_other_answers, "computes the model wrongly"),
    ],
    ids=["licence", "golden"],
)
def test_what_would_not_work_here_is_refused_before_anything_is_written(
    operator: Operator, real: MakeBundle, change: Callable[[dict, Path], None], said: str
) -> None:
    bundle = real(NEXT)
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest, bundle)
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    assert said in operator.refused(4, "install", bundle, "--activate")
    assert not operator.folder.exists()


def test_unsigned_is_refused_where_a_key_is_configured(operator: Operator, real: MakeBundle, tmp_path: Path) -> None:
    key, bundle = ed25519.Ed25519PrivateKey.generate(), real(NEXT)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "maker.pub.pem").write_bytes(pem)
    assert operator.types("install", bundle) == 0  # before there was a key
    operator.file.write_text(operator.file.read_text() + "public_key = 'maker.pub.pem'\n")
    assert "is by no key in" in operator.refused(4, "install", bundle)
    assert "is by no key in" in operator.refused(4, "activate", load_bundle(bundle).sha256)
    (bundle / "manifest.sig").write_bytes(key.sign((bundle / MANIFEST).read_bytes()))
    assert operator.types("install", bundle, "--activate") == 0
    assert operator.types("list") == 0
    assert "signed by your key" in operator.out
    assert "signed by the release key" in operator.out.splitlines()[0]  # the shipped one
    old = real(SHIPPED - 1)
    (old / "manifest.sig").write_bytes(key.sign((old / MANIFEST).read_bytes()))
    assert f"is here, and this is {SHIPPED - 1}" in operator.refused(4, "install", old)
    assert Store(operator.config.model).load(load_bundle(bundle).sha256).signed_by


@pytest.mark.parametrize("wanted", ["nothing", "abc", "0" * 64])
def test_what_is_not_there_cannot_be_activated(operator: Operator, wanted: str) -> None:
    assert "no bundle here is called so" in operator.refused(4, "activate", wanted)


def test_a_bundle_that_the_configuration_names_makes_activating_pointless(operator: Operator, real: MakeBundle) -> None:
    operator.file.write_text(operator.file.read_text() + f"bundle = '{real(NEXT)}'\n")
    for words in (("activate", "shipped"), ("rollback",), ("install", default_bundle(), "--activate")):
        assert "model.bundle: names what runs" in operator.refused(2, *words)


def test_nobody_s_bundle_is_refused_unless_the_configuration_allows_it(operator: Operator, real: MakeBundle) -> None:
    operator.file.write_text(operator.file.read_text().replace("allow_unsigned = true\n", ""))
    line = operator.refused(4, "install", real(NEXT))
    assert "is by no key in" in line
    assert "allow_unsigned = true" in line
    assert not operator.folder.exists()


def test_a_damaged_state_is_told_and_rollback_starts_over(
    operator: Operator, real: MakeBundle, found: Callable
) -> None:
    assert operator.types("install", real(NEXT), "--activate") == 0
    (operator.folder / "state.json").write_text("{")
    assert "bundle rollback` makes it anew" in operator.refused(4, "list")
    warning = check_store(operator.config)
    assert warning.level is Level.WARN
    assert "the shipped bundle runs" in warning.said + warning.fix
    assert operator.types("rollback") == 0
    assert operator.states() == {SHIPPED: "active", NEXT: "installed"}


def test_doctor_proves_what_runs_and_tells_what_was_given_up(
    operator: Operator, real: MakeBundle, found: Callable
) -> None:
    model = operator.config.model
    assert check_store(operator.config).level is Level.PASS
    assert operator.types("install", real(NEXT), "--activate") == 0
    assert f"default {NEXT}" in found(check_model(operator.config), "bundle").said
    for _ in range(MAX_STARTS + 1):
        Store(model).start(lambda bundle: bundle.sha256)
    warning = check_store(operator.config)
    assert warning.level is Level.WARN
    assert "was given up, for its starts failed" in warning.said
    assert f"default {SHIPPED}" in found(check_model(operator.config), "bundle").said
    assert operator.types("list") == 0
    assert operator.out.splitlines()[-1].startswith(f"given up: {load_bundle(real(NEXT)).sha256[:12]}")


def test_doctor_warns_of_a_bundle_that_only_fills_in(operator: Operator, real: MakeBundle, found: Callable) -> None:
    assert operator.types("install", real(NEXT), "--activate") == 0
    (operator.folder / load_bundle(real(NEXT)).sha256 / "head.tflite").write_bytes(b"")
    warning = found(check_model(operator.config), "bundle")
    assert warning.level is Level.WARN
    assert f"default {SHIPPED}" in warning.said


@pytest.fixture
def private(operator: Operator) -> Iterator[Path]:
    """A state folder of the service's user behind a door that only root passes, as systemd makes it."""
    if os.geteuid() != 0:
        pytest.skip("needs root, which becomes the service's user")
    state = Path(tempfile.mkdtemp()) / "affect-edge"
    state.mkdir(mode=0o700)
    os.chown(state, SERVICE, SERVICE)
    text = operator.file.read_text().replace("'state/bundles'", f"'{state / 'bundles'}'")
    operator.file.write_text(text)
    yield state
    shutil.rmtree(state.parent)


def as_root(operator: Operator, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which gives its rights up for good."""
    command = [sys.executable, "-m", "edge", "bundle", *map(str, words), "--config", str(operator.file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_root_installs_belongs_to_the_service(operator: Operator, private: Path, real: MakeBundle) -> None:
    done = as_root(operator, "install", real(NEXT), "--activate")
    assert done.returncode == 0, done.stderr
    owners = {path: path.stat().st_uid for path in private.rglob("*")}
    assert len(owners) > 8
    assert set(owners.values()) == {SERVICE}
    assert Store(operator.config.model).state().active == load_bundle(real(NEXT)).sha256
    assert as_root(operator, "rollback").returncode == 0
    assert as_root(operator, "activate", "default").returncode == 0


def test_a_link_that_somebody_left_in_the_store_leads_root_nowhere(
    operator: Operator, private: Path, real: MakeBundle, tmp_path: Path
) -> None:
    target = tmp_path / "root-s"
    target.mkdir(mode=0o755)
    (private / "bundles").symlink_to(target)
    done = as_root(operator, "install", real(NEXT), "--activate")
    assert done.returncode == 4
    assert "(Permission denied)" in done.stderr
    assert list(target.iterdir()) == []


def test_a_graph_that_crashes_the_runtime_does_not_take_the_command_with_it(
    operator: Operator, real: MakeBundle
) -> None:
    bundle = real(NEXT)
    graph = (bundle / "head.tflite").read_bytes()
    root = int.from_bytes(graph[:4], "little")
    at = root - int.from_bytes(graph[root : root + 4], "little", signed=True) + 8  # the table's subgraphs
    (bundle / "head.tflite").write_bytes(graph[:at] + b"\0\0" + graph[at + 2 :])
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"]["head.tflite"] = hashlib.sha256((bundle / "head.tflite").read_bytes()).hexdigest()
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    assert "opening it ends the runtime (SIG" in operator.refused(4, "install", bundle, "--activate")
    assert not operator.folder.exists()


@pytest.mark.parametrize("verb", ["install", "activate", "rollback", "list"])
def test_every_verb_has_help_with_an_example(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["affect-edge", "bundle", verb, "--help"])
    with pytest.raises(SystemExit):
        main()
    assert f"Example: sudo affect-edge bundle {verb}" in " ".join(capsys.readouterr().out.split())


def test_usage_that_is_none_ends_with_2(operator: Operator) -> None:
    assert operator.types("install") == 2
