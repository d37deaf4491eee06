"""A password is in its file, in the process's memory and on the wire, and nowhere else."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SECRET = "tangerine-quartz-4711"
CONFIG = """
[device]
site = "test"
name = "door"
[camera]
backend = "scene"
fps = 5
[window]
window_s = 10
min_people = 3
[mqtt]
host = "127.0.0.1"
port = {port}
tls = true
ca_file = "credential:ca.pem"
username = "door"
password_file = "credential:mqtt-password"
backoff_max_s = 1
bytes_per_minute = 16384
[outbox]
path = "outbox.db"
hold_unsynced_s = 0
"""


def holders(places: dict[str, bytes]) -> list[str]:
    """The names of the places in which the secret can be read, also in the spellings in which a log might have it."""
    secret = SECRET.encode()
    spellings = [secret, secret.hex().encode(), base64.b64encode(secret)[:-4], secret[::-1]]
    return [name for name, data in places.items() if any(spelling in data for spelling in spellings)]


@pytest.mark.parametrize(
    "text", [f"password={SECRET}", SECRET.encode().hex(), base64.b64encode(SECRET.encode()).decode()]
)
def test_a_planted_secret_is_found(text: str) -> None:
    assert holders({"log": b"well\n" + text.encode(), "other": b"nothing"}) == ["log"]


@pytest.fixture
def device(tmp_path: Path, authority: Path, free_port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The real program, as talkative as it can be, with its secrets as systemd gives them."""
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "mqtt-password").write_text(SECRET + "\n")
    (given / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())
    for path in given.iterdir():
        path.chmod(0o440)
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(port=free_port))
    with (tmp_path / "stdout").open("wb") as out, (tmp_path / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "ignore", "-m", "edge", "--verbose", "run", "--config", str(config)],
            stdout=out,
            stderr=err,
            env=os.environ | {"CREDENTIALS_DIRECTORY": str(given)},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.slow
def test_a_password_is_in_no_log_no_command_line_no_environment_and_no_file(
    device: subprocess.Popen[bytes], tmp_path: Path, authority: Path, mosquitto: Any, until: Any
) -> None:
    """Refused first, since errors are where secrets slip out; then let in."""
    users, log = tmp_path / "users", tmp_path / "stderr"
    users.touch()
    subprocess.run(["mosquitto_passwd", "-b", users, "door", "another"], check=True, capture_output=True)
    files = [f"certfile {authority / 'here.pem'}", f"keyfile {authority / 'here.key'}"]
    mosquitto.start("allow_anonymous false", f"password_file {users}", *files, "log_type all")
    until(lambda: "Not authorized" in log.read_text(), 40)
    subprocess.run(["mosquitto_passwd", "-b", users, "door", SECRET], check=True, capture_output=True)
    mosquitto.process.send_signal(signal.SIGHUP)
    until(lambda: ": connected" in log.read_text(), 20)

    places: dict[str, bytes] = {}
    for name in ("cmdline", "environ"):
        try:
            places[name] = Path(f"/proc/{device.pid}/{name}").read_bytes()
        except PermissionError:  # of a sealed process to everyone but root: nothing to be read there
            assert os.geteuid() != 0
    device.send_signal(signal.SIGTERM)
    assert device.wait(20) == 0, log.read_text()
    spared = {tmp_path / "credentials" / "mqtt-password", users}
    places |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path not in spared}
    assert str(log) in places
    assert len(places) >= 6
    assert holders(places) == []


@pytest.mark.parametrize(
    ("mqtt", "code", "said"),
    [
        ('host = "192.0.2.1"', 2, "needs tls = true (or plaintext = true, if you accept that)"),
        ('host = "localhost"\nusername = "door"\npassword_file = "word"', 7, "run: chmod 600"),
    ],
)
def test_run_refuses_what_would_show_scores_or_passwords(tmp_path: Path, mqtt: str, code: int, said: str) -> None:
    (tmp_path / "word").write_text("right")
    (tmp_path / "word").chmod(0o640)
    config = tmp_path / "config.toml"
    config.write_text(f'[camera]\nbackend = "scene"\n[mqtt]\n{mqtt}\n[outbox]\npath = "outbox.db"\n')
    done = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_option_takes_a_password(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--password", "x", "--config", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"No such option" in done.stderr
