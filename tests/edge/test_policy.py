from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.audit import audit_log
from edge.audit.running import RunRecord
from edge.clock import SystemClock
from edge.config import Config, load_config
from edge.errors import NoticeError
from edge.policy import check_notice, notice_holds, parts_of, policy_of
from edge.values import Tick

SCENE = """
[device]
site = "hall"
name = "door"
[camera]
backend = "scene"
[mqtt]
port = {port}
[outbox]
path = "state/outbox.db"
"""
MODEL = "5e" * 32


def written(folder: Path, more: str = "") -> Path:
    (folder / "state").mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(SCENE.format(port=1) + more)
    return path


def affect_edge(*arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


CHANGES: dict[str, Callable[[Config], Config]] = {
    text: lambda config, text=text: msgspec.convert(msgspec.to_builtins(config) | msgspec.toml.decode(text), Config)
    for text in (
        '[[zones]]\nname = "till"\nexclude = [[0, 0], [1, 0], [1, 1]]',
        '[hours]\nopen = ["daily 09:00-20:00"]',
        "[window]\nwindow_s = 600",
        "[window]\nmin_people = 12",
        '[privacy]\nmode = "dp"\n[window]\nwindow_s = 3600',
        '[deployment]\npurpose = "installation-art"',
        "[camera]\nflip = true",
    )
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=[text.split("\n")[-1] for text in CHANGES])
def test_each_part_of_the_policy_changes_its_hash(change: Callable[[Config], Config]) -> None:
    assert policy_of(change(Config()), MODEL) != policy_of(Config(), MODEL)
    assert policy_of(Config(), "00" * 32) != policy_of(Config(), MODEL)


def test_names_and_order_are_no_part_of_the_policy() -> None:
    def config(*zones: str) -> Config:
        given = {"a": [[0, 0], [1, 0], [1, 1]], "b": [[0, 0], [0.5, 0], [0.5, 0.5]]}
        return msgspec.convert({"zones": [{"name": f"zone {name}", "exclude": given[name]} for name in zones]}, Config)

    assert policy_of(config("a", "b"), MODEL) == policy_of(config("b", "a"), MODEL)
    assert policy_of(config("a"), MODEL) != policy_of(config("a", "b"), MODEL)
    assert re.fullmatch("[0-9a-f]{32}", policy_of(Config(), MODEL))
    assert parts_of(Config(), MODEL)["min_people"] == 10


def test_a_notice_of_another_policy_is_refused_and_an_unnamed_one_is_not() -> None:
    def named(policy: str) -> Config:
        return msgspec.convert({"deployment": {"notice_policy": policy}}, Config)

    right = policy_of(Config(), MODEL)
    check_notice(named(right), right)
    check_notice(named(""), right)
    assert not notice_holds(named("0" * 32), right)
    with pytest.raises(NoticeError, match=rf"policy 0{{32}}.*is {right}"):
        check_notice(named("0" * 32), right)


@pytest.mark.slow
def test_run_stops_with_one_line_and_code_9_when_the_notice_is_of_another_policy(tmp_path: Path) -> None:
    config = written(tmp_path, '[deployment]\nnotice_policy = "' + "0" * 32 + '"\n')
    for verb in ("run", "policy"):
        done = affect_edge(verb, "--config", config)
        assert done.returncode == 9
        (line,) = done.stderr.splitlines()
        assert "deployment.notice_policy" in line
        assert "hang up a notice" in line
    shown = affect_edge("audit", "--config", config)
    assert shown.returncode == 0
    assert [act for act in ("notice_mismatch", "start_refused", "started") if act in shown.stdout.split()] == [
        *("notice_mismatch", "start_refused")
    ]


@pytest.mark.slow
def test_a_run_is_in_the_log_and_a_changed_byte_ends_audit_with_code_12(tmp_path: Path) -> None:
    config = written(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--config", str(config)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "watching" in line:
                break
        process.terminate()
        process.wait(30)
    log = audit_log(load_config(config))
    acts = [line.act for line in log.verify()]
    assert acts[0] == "started"
    assert acts[-1] == "stopped"
    seen = str(log.head())
    assert affect_edge("audit", "--config", config, "--seen", seen).returncode == 0
    log.path.write_bytes(log.path.read_bytes().replace(b"scene", b"Scene", 1))
    done = affect_edge("audit", "--config", config)
    assert done.returncode == 12
    assert "line 1 was changed" in done.stderr


def test_a_run_records_what_changed_since_the_start_before(tmp_path: Path) -> None:
    config = load_config(written(tmp_path))
    for more, model, state in (
        ("", MODEL, "active"),
        ('[hours]\nopen = ["daily 09:00-20:00"]', "00" * 32, "rolled_back"),
    ):
        chosen = other = load_config(written(tmp_path, more))
        with RunRecord(audit_log(config), SystemClock(), tmp_path / "config.toml") as record:
            record.prepare(chosen, policy_of(chosen, model), model, state)  # type: ignore[arg-type]
            record.started(chosen)
    acts = [line.act for line in audit_log(config).verify() if not line.act.startswith("clock")]
    assert acts == [
        *("started", "stopped", "configuration_changed", "policy_changed", "model_rolled_back", "started", "stopped")
    ]
    assert audit_log(config).verify()[-1].policy == policy_of(other, "00" * 32)


def test_hours_and_faults_of_the_camera_are_told_once_each(tmp_path: Path) -> None:
    config = load_config(written(tmp_path))
    record = RunRecord(audit_log(config), SystemClock(), tmp_path / "config.toml")
    reasons = ["starting", "closed", "closed", "starting", "gone", "frozen", "gone", None, None, "closed"]
    for number, reason in enumerate(reasons):
        event = Tick(at_ns=number, reason=reason) if reason else object()  # type: ignore[arg-type]
        record.see(event, 0.0)  # type: ignore[arg-type]
    acts = [line.act for line in audit_log(config).verify()]
    assert acts == ["hours_closed", "hours_opened", "camera_lost", "camera_back", "hours_closed"]


def test_a_service_that_is_refused_again_and_again_fills_no_log(tmp_path: Path) -> None:
    config = load_config(written(tmp_path))
    for _ in range(3):
        with pytest.raises(NoticeError), RunRecord(audit_log(config), SystemClock(), tmp_path / "config.toml"):
            raise NoticeError("the same again")
    assert [line.act for line in audit_log(config).verify()] == ["start_refused"]
