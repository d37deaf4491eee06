"""`affect-edge bundle` as an operator meets it: what it says, what it refuses, and with which exit code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.cli.doctor.finding import Level
from edge.cli.doctor.model import check_model, check_store
from edge.cli.info import gather
from edge.config import Config
from edge.model.bundle import MANIFEST, default_bundle, load_bundle
from edge.model.store import state as steps
from edge.model.store.store import Store

MakeBundle = Callable[..., Path]
OWN = load_bundle(default_bundle()).sha256
SHIPPED = load_bundle(default_bundle()).manifest.version
NEXT = SHIPPED + 1


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


@pytest.fixture
def operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> Operator:
    (tmp_path / "config.toml").write_text(f"[camera]\nbackend = 'scene'\n[model]\nstore = '{folder}'\n")
    return Operator(tmp_path / "config.toml", monkeypatch, capsys)


def test_a_bundle_is_installed_activated_and_rolled_back(
    operator: Operator, real: MakeBundle, folder: Path, config: Config
) -> None:
    assert operator.states() == {SHIPPED: "active"}
    assert operator.types("install", real(NEXT)) == 0
    assert f"installed default {NEXT}" in operator.out
    assert "golden vectors reproduced on litert" in operator.out
    assert operator.states() == {SHIPPED: "active", NEXT: "installed"}
    sha256 = load_bundle(real(NEXT + 1)).sha256
    assert operator.types("activate", "default") == 0
    assert "systemctl restart affect-edge" in operator.out
    assert operator.states() == {SHIPPED: "previous", NEXT: "probation"}
    Store(folder).change(lambda s: steps.confirm(s, 0.5))
    assert operator.types("install", folder.parents[2] / f"default-{NEXT + 1}", "--activate") == 0
    assert operator.states() == {SHIPPED: "shipped", NEXT: "previous", NEXT + 1: "probation"}
    assert gather(config, operator.file)["bundle"]["sha256"] == sha256
    assert gather(config, operator.file)["bundle"]["state"] == "probation"
    assert gather(Config())["bundle"]["state"] == "shipped"
    assert operator.types("rollback") == 0
    assert operator.states() == {SHIPPED: "shipped", NEXT: "active", NEXT + 1: "installed"}
    assert operator.types("activate", sha256[:8]) == 0
    assert operator.types("activate", "shipped") == 0
    assert operator.types("list") == 0
    lines = operator.out.splitlines()
    assert lines[0].startswith(f"probation  default{SHIPPED:14}  {OWN[:12]}    1.0 MB  20")
    assert lines[-1] == "probation: 0 of 3 starts used"


def test_a_lower_version_of_the_same_name_needs_a_word(operator: Operator, real: MakeBundle, folder: Path) -> None:
    line = operator.refused(4, "install", real(SHIPPED - 1))
    assert f"version {SHIPPED} is here, and this is {SHIPPED - 1}; --allow-older installs it all the same" in line
    assert not folder.exists()
    assert operator.types("install", real(SHIPPED - 1, "other")) == 0
    assert operator.types("install", folder.parents[2] / f"default-{SHIPPED - 1}", "--allow-older") == 0


def test_the_same_version_with_other_contents_is_refused(operator: Operator, real: MakeBundle) -> None:
    changed = real(SHIPPED)
    assert f"version {SHIPPED} is here with other contents" in operator.refused(4, "install", changed)


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
        (lambda m, _: m["runtimes"].update(litert=">=99.0"), "or newer, here is"),
        (_expect_other_answers, "computes the model wrongly"),
    ],
    ids=["licence", "runtime", "golden"],
)
def test_what_would_not_work_here_is_refused_before_anything_is_written(
    operator: Operator, real: MakeBundle, folder: Path, change: Callable[[dict, Path], None], said: str
) -> None:
    bundle = real(NEXT)
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest, bundle)
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    assert said in operator.refused(4, "install", bundle, "--activate")
    assert not folder.exists()


def test_unsigned_is_refused_where_a_key_is_configured(
    operator: Operator, real: MakeBundle, tmp_path: Path, folder: Path
) -> None:
    ed25519 = pytest.importorskip(
        "cryptography.hazmat.primitives.asymmetric.ed25519", reason="needs the extra `signing`"
    )
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key, bundle = ed25519.Ed25519PrivateKey.generate(), real(NEXT)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "maker.pub.pem").write_bytes(pem)
    assert operator.types("install", bundle) == 0  # before there was a key
    operator.file.write_text(operator.file.read_text() + "public_key = 'maker.pub.pem'\n")
    assert "is not signed" in operator.refused(4, "install", bundle)
    assert "is not signed" in operator.refused(4, "activate", load_bundle(bundle).sha256)
    (bundle / "manifest.sig").write_bytes(key.sign((bundle / MANIFEST).read_bytes()))
    assert operator.types("install", bundle, "--activate") == 0
    assert operator.types("list") == 0
    assert "signed by key" in operator.out
    assert "is not signed" in operator.out  # the shipped one
    old = real(SHIPPED - 1)
    (old / "manifest.sig").write_bytes(key.sign((old / MANIFEST).read_bytes()))
    assert f"is here, and this is {SHIPPED - 1}" in operator.refused(4, "install", old)
    assert Store(folder, tmp_path / "maker.pub.pem").load(load_bundle(bundle).sha256).signed_by


@pytest.mark.parametrize("wanted", ["nothing", "abc", "0" * 64])
def test_what_is_not_there_cannot_be_activated(operator: Operator, wanted: str) -> None:
    assert "no bundle here is called so" in operator.refused(4, "activate", wanted)


def test_a_bundle_that_the_configuration_names_makes_activating_pointless(operator: Operator, real: MakeBundle) -> None:
    operator.file.write_text(operator.file.read_text() + f"bundle = '{real(NEXT)}'\n")
    for words in (("activate", "shipped"), ("rollback",), ("install", default_bundle(), "--activate")):
        assert "model.bundle: names what runs" in operator.refused(2, *words)


def test_a_damaged_state_is_told_and_rollback_starts_over(
    operator: Operator, real: MakeBundle, folder: Path, config: Config, found: Callable
) -> None:
    assert operator.types("install", real(NEXT), "--activate") == 0
    (folder / "state.json").write_text("{")
    assert "bundle rollback` starts over" in operator.refused(4, "list")
    warning = found(check_store(config, folder), "bundle store")
    assert warning.level is Level.WARN
    assert "the shipped bundle runs instead" in warning.said
    assert operator.types("rollback") == 0
    assert operator.states() == {SHIPPED: "active", NEXT: "installed"}


def test_doctor_tells_of_a_failed_probation_and_proves_what_runs(
    operator: Operator, real: MakeBundle, folder: Path, config: Config, found: Callable
) -> None:
    assert found(check_store(config, folder), "bundle store").level is Level.PASS
    assert operator.types("install", real(NEXT), "--activate") == 0
    assert f"default {NEXT}" in found(check_model(config, folder)[0], "bundle").said
    Store(folder).change(lambda s: steps.fail(s, "3 runs ended without order"))
    warning = found(check_store(config, folder), "bundle store")
    assert warning.level is Level.WARN
    assert "failed its probation: 3 runs ended without order" in warning.said
    assert f"default {SHIPPED}" in found(check_model(config, folder)[0], "bundle").said


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
