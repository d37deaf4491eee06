"""`affect-edge init`: what it writes, asks, and refuses."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli.init.configuration import write_config
from edge.cli.init.drop_in import allowed_addresses, broker_addresses, resolver_addresses, write_drop_in
from edge.cli.init.inventory import coral_speed, find_profile, list_cameras, time_zone
from edge.cli.init.questions import Questions
from edge.config import Config, load_config, require_deployment
from edge.deployment import Deployment
from edge.errors import ConfigError
from edge.profiles import profile_names, profile_title, read_profile

ANSWERS = {
    "profile": "rpi5",
    "site": "museum",
    "device": "hall-2",
    "broker": "192.0.2.10",
    "username": "hall-2",
    "purpose": "exhibition-feedback",
    "jurisdiction": "DE",
    "legal-basis": "legitimate-interest",
    "controller": "Museum",
    "contact": "privacy@museum.example",
    "retention-days": "90",
    "notice": "on the door",
    "notice-date": "2026-11-01",
}

WHY = Deployment(
    purpose="installation-art", jurisdiction="DE", legal_basis="legitimate-interest", controller="Museum",
    contact="privacy@museum.example", retention_days=90, notice="on the door", notice_version="1",
    notice_date=date(2026, 11, 1),
)  # fmt: skip


def init(root: Path, answers: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    options = [word for key, value in answers.items() for word in (f"--{key}", value)]
    return subprocess.run(
        [sys.executable, "-m", "edge", "init", "--root", str(root), *options, *more],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )


def written(root: Path, unit: str = "affect-edge.service", name: str = "config") -> tuple[Path, Path]:
    return root / f"etc/affect-edge/{name}.toml", root / f"etc/systemd/system/{unit}.d/installation.conf"


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_a_valid_configuration_of_a_live_camera(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(read_profile(name))
    config = load_config(tmp_path / "config.toml")
    assert config.camera.live
    assert config.device == Config().device  # site, broker and purpose are an installation's
    assert config.mqtt == Config().mqtt
    assert config.deployment == Config().deployment
    assert profile_title(name)


def test_there_is_a_profile_for_each_supported_board() -> None:
    boards = {"rpi5", "rpi4", "rpi-zero2w", "rpi5-coral-usb", "jetson-orin-nano", "x86-kiosk", "coral-dev-board"}
    assert set(profile_names()) == boards
    with pytest.raises(ConfigError, match="choose one of coral-dev-board, jetson-orin-nano"):
        read_profile("toaster")


def test_options_alone_make_a_configuration_that_may_start_and_a_drop_in(tmp_path: Path) -> None:
    done = init(tmp_path, ANSWERS)
    assert done.returncode == 0, done.stderr
    config_path, drop_in_path = written(tmp_path)
    config = load_config(config_path)
    require_deployment(config)
    assert (config.device.site, config.device.name) == ("museum", "hall-2")
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.tls) == ("192.0.2.10", 8883, True)
    drop_in = drop_in_path.read_text()
    assert allowed_addresses(drop_in) == ["192.0.2.10"]
    assert "DeviceAllow=char-dma_heap rw" in drop_in
    assert "LoadCredential=mqtt-password:/etc/affect-edge/mqtt-password" in drop_in
    assert config.mqtt.password_file == "/run/credentials/affect-edge.service/mqtt-password"
    assert "affect-edge doctor" in done.stdout
    assert "not feelings" in done.stdout


def test_nothing_is_overwritten_and_nothing_is_written_by_halves(tmp_path: Path) -> None:
    config_path, drop_in_path = written(tmp_path)
    done = init(tmp_path, {**ANSWERS, "site": "Not A Slug"})
    assert done.returncode == 2
    assert "device.site" in done.stderr
    assert not config_path.exists()
    assert not drop_in_path.exists()
    drop_in_path.parent.mkdir(parents=True)
    drop_in_path.write_text("mine")
    done = init(tmp_path, ANSWERS)
    assert done.returncode == 2
    assert f"{drop_in_path}: exists and is not overwritten" in done.stderr
    assert not config_path.exists()
    assert drop_in_path.read_text() == "mine"


def test_what_is_missing_is_named_at_once_where_nobody_can_be_asked(tmp_path: Path) -> None:
    done = init(tmp_path, {key: ANSWERS[key] for key in ("profile", "broker", "site")})
    assert done.returncode == 2
    missing = "--purpose, --jurisdiction, --legal-basis, --controller, --contact, --retention-days, --notice"
    assert f"--device, {missing}, --notice-date" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_camera_has_files_of_its_own(tmp_path: Path) -> None:
    assert init(tmp_path, ANSWERS).returncode == 0
    done = init(tmp_path, {**ANSWERS, "device": "door", "instance": "door", "camera": "/dev/video2"})
    assert done.returncode == 0, done.stderr
    config_path, drop_in_path = written(tmp_path, "affect-edge@door.service", "door")
    camera = load_config(config_path).camera
    assert (camera.backend, camera.device) == ("v4l2", "/dev/video2")
    assert drop_in_path.is_file()


@pytest.mark.parametrize("purpose", ["watch-staff", ""])
def test_purpose_outside_the_closed_list_is_refused(tmp_path: Path, purpose: str) -> None:
    done = init(tmp_path, {**ANSWERS, "purpose": purpose})
    assert done.returncode == 2
    assert "--purpose" in done.stderr


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).map("Am Eingang ".__add__)


@given(notice=TEXT, controller=TEXT)
def test_any_words_survive_the_way_into_the_file_and_back(notice: str, controller: str) -> None:
    config = load(deployment=msgspec.structs.replace(WHY, notice=notice, controller=controller))
    assert (config.deployment.notice, config.deployment.controller) == (notice, controller)


def test_accelerator_opens_its_bus_and_a_name_needs_its_resolver() -> None:
    usb = load("rpi5-coral-usb")
    text = write_drop_in(usb, broker=["127.0.0.1", "2001:db8::1"], resolvers=["192.0.2.53", "127.0.0.53"])
    assert "DeviceAllow=char-usb_device rw" in text
    assert "AF_NETLINK" in text
    assert allowed_addresses(text) == ["2001:db8::1"]  # localhost needs no rule, and no resolver
    elsewhere = load(mqtt={"host": "broker.example", "tls": True})
    text = write_drop_in(elsewhere, broker=["192.0.2.10"], resolvers=["192.0.2.53", "127.0.0.53"])
    assert allowed_addresses(text) == ["192.0.2.10", "192.0.2.53"]


def load(profile: str = "x86-kiosk", **given: Any) -> Config:
    answers = {"device": {"site": "s", "name": "d"}, "mqtt": {"host": "localhost"}, "deployment": WHY}
    return write_config(profile, **(answers | given))[1]


def test_board_cameras_time_zone_and_coral_are_found(tmp_path: Path) -> None:
    assert find_profile(tmp_path) is None
    assert coral_speed(tmp_path) is None
    assert time_zone(tmp_path) == "UTC"
    assert list_cameras(tmp_path) == {}
    model = tmp_path / "proc/device-tree/model"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    assert find_profile(tmp_path) == "rpi5"
    coral = tmp_path / "sys/bus/usb/devices/2-1"
    coral.mkdir(parents=True)
    for name, text in (("idVendor", "1a6e"), ("idProduct", "089a"), ("speed", "480")):
        (coral / name).write_text(text)
    assert coral_speed(tmp_path) == 480
    assert find_profile(tmp_path) == "rpi5-coral-usb"
    for node, index in (("video0", "0"), ("video1", "1"), ("video2", "0")):
        folder = tmp_path / "sys/class/video4linux" / node
        folder.mkdir(parents=True)
        (folder / "index").write_text(index)
        (folder / "name").write_text(f"Camera {node}")
    assert list_cameras(tmp_path) == {"/dev/video0": "Camera video0", "/dev/video2": "Camera video2"}
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/timezone").write_text("Europe/Berlin\n")
    assert time_zone(tmp_path) == "Europe/Berlin"


def test_addresses_of_a_name_and_of_the_resolvers(tmp_path: Path) -> None:
    assert "127.0.0.1" in broker_addresses("localhost", 1883)
    with pytest.raises(ConfigError, match="does not resolve"):
        broker_addresses("no-such-host.invalid", 1883)
    assert resolver_addresses(tmp_path / "none") == []
    (tmp_path / "resolv.conf").write_text(
        "# me\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver x\nsearch a\n"
    )
    assert resolver_addresses(tmp_path / "resolv.conf") == ["192.0.2.53", "fe80::1"]


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> Questions:
    """Questions to a person who types these lines."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    return Questions(True)


def test_questions_are_asked_once_with_numbers_for_choices(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    asked = typed(monkeypatch, "museum", "9", "2", "a", "")
    assert asked.ask("site", None, "Site") == "museum"
    assert asked.ask("purpose", None, "Purpose", choices={"a": "the first", "b": "the second"}) == "b"
    assert asked.ask("purpose", None, "Purpose", choices={"a": "the first", "b": "the second"}) == "a"
    assert asked.ask("purpose", None, "Purpose", choices={"a": "the first", "b": "the second"}, default="b") == "b"
    assert asked.ask("tz", "UTC", "Zone") == "UTC"
    assert "'9' is none of a, b" in capsys.readouterr().out
    asked.complain()


def test_a_wrong_answer_is_told_and_asked_again_and_a_single_choice_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(answer: str) -> None:
        if answer != "museum":
            raise ConfigError(f"--site: {answer!r} is impossible", "say museum")

    asked = typed(monkeypatch, "Main Hall", " museum ")
    assert asked.ask("site", None, "Site", check=check) == "museum"
    assert asked.ask("camera", None, "Camera", default="", choices={"": "the profile's"}) == ""
    said = capsys.readouterr().out
    assert "--site: 'Main Hall' is impossible; say museum" in said
    assert "Camera: the profile's" in said
    with pytest.raises(ConfigError, match="'Main Hall' is impossible"):
        asked.ask("site", "Main Hall", "Site", check=check)


def test_time_zone_that_nobody_chose_is_said_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    done = init(tmp_path, ANSWERS)
    assert f"time zone {time_zone()}" in done.stdout
    done = init(tmp_path / "chosen", {**ANSWERS, "tz": "Europe/Berlin"})
    assert "time zone" not in done.stdout
    assert load_config(written(tmp_path / "chosen")[0]).device.tz == "Europe/Berlin"
    done = init(tmp_path / "wrong", {**ANSWERS, "tz": "Berlin"})
    assert (done.returncode, "--tz: unknown time zone 'Berlin'" in done.stderr) == (2, True)


def test_broker_that_does_not_resolve_may_be_named_by_its_address(tmp_path: Path) -> None:
    answers = {**ANSWERS, "broker": "no-such-host.invalid"}
    done = init(tmp_path, answers)
    assert done.returncode == 2
    assert "--address" in done.stderr
    assert init(tmp_path, answers, "--address", "192.0.2.10").returncode == 0


def test_place_that_cannot_be_written_is_refused_before_any_question(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    done = init(tmp_path, {})
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "not given" not in done.stderr


def test_what_is_next_is_said_for_the_device_and_its_instance(tmp_path: Path) -> None:
    said = init(tmp_path, {**ANSWERS, "instance": "door"}).stdout
    assert str(tmp_path) in said.split("Next")[0]
    assert str(tmp_path) not in said.split("Next")[1]
    order = ["hang the notice", "daemon-reload", "doctor --sandbox --instance door"]
    order += ["watch --config", "enable --now affect-edge@door"]
    assert [said.index(words) for words in order] == sorted(said.index(words) for words in order)


def test_a_file_of_comments_is_filled_and_any_other_is_kept(tmp_path: Path) -> None:
    config_path, _ = written(tmp_path)
    config_path.parent.mkdir(parents=True)
    config_path.write_text("# not configured yet\n\n  # [deployment]\n")
    assert init(tmp_path, ANSWERS).returncode == 0
    configured = config_path.read_text()
    assert 'site = "museum"' in configured
    done = init(tmp_path, ANSWERS)
    assert done.returncode == 2
    assert config_path.read_text() == configured
