"""The configuration file: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge.config import Config, ModelConfig, OutboxConfig, files_of, load_config, require_deployment
from edge.errors import ConfigError, DeploymentError

DEPLOYMENT = """[deployment]
purpose = "exhibition-feedback"
notice = "at the entrance"
jurisdiction = "DE"
legal_basis = "legitimate-interest"
controller = "Museum"
contact = "privacy@museum.example"
retention_days = 90
notice_version = "1"
notice_date = 2026-11-01
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[camera]\nwidth = "x"', "camera.width: expected int, got str"),
        ("[camera]\ncolour = 1", "camera.colour: unknown key"),
        ("speed = 1", "speed: unknown key"),
        ('[camera]\ndevice = "rtsp://10.0.0.1/a"', "network cameras are refused"),
        ('[camera]\nbackend = "replay"', "needs `path`"),
        ('[device]\ntz = "Mars/Olympus"', "unknown time zone 'Mars/Olympus'"),
        ('[device]\nsite = "Shop 1"', "device.site"),
        ('[device]\ntags = {a="1",b="1",c="1",d="1",e="1"}', "device.tags"),
        ('[hours]\nopen = ["mon 9-10"]', "is not like"),
        ('[[zones]]\nname = "till"\nexclude = [[0,0],[1,2],[0,1]]', "zones[0].exclude[1][1]"),
        ('[mqtt]\nhost = "broker.example"', "needs `tls = true`"),
        ('[mqtt]\nhost = "b.example"\nplaintext = true\nprotocol = "3.1.1"', "accept_silent_loss"),
        ('[mqtt]\ntls = true\ncert_file = "c.pem"', "go together"),
        ("[window]\nmin_people = 2", "window.min_people"),
        ("[window]\nmin_people = 4", "at least 5"),
        ("[privacy]\nmode = 'dp'", "window.window_s = 3600"),
        ("[privacy]\nepsilon_per_day = 20", "privacy.epsilon_per_day"),
        ("[window]\nwindow_s = 70", "must divide an hour"),
        ('[face]\ndetector = "yunet"', "face.detector: unknown key; delete the line"),
        ('[face]\nmodel = "yunet.onnx"', "face.model: unknown key; delete the line"),
        ("a =", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
    ],
)
def test_impossible_configuration_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    message = str(caught.value).replace("`", "")
    assert message.startswith(str(tmp_path / "config.toml"))
    assert said.replace("`", "") in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_missing_file_and_other_bytes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.toml")
    assert caught.value.message == f"{tmp_path / 'none.toml'}: cannot be read (No such file or directory)"
    assert "affect-edge init" in caught.value.fix
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "config.toml")


def test_empty_file_is_a_whole_configuration(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, ""))
    assert msgspec.structs.replace(config, model=ModelConfig(), outbox=OutboxConfig()) == Config()


def test_every_path_is_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {
        "camera": ("path",),
        "engine": ("delegate",),
        "model": ("bundle", "public_key", "store"),
        "mqtt": ("ca_file", "cert_file", "key_file", "password_file"),
        "outbox": ("path",),
    }
    text = "\n".join(f"[{name}]\n" + "\n".join(f"{key} = 'x/{key}'" for key in keys[name]) for name in keys)
    text = text.replace("[mqtt]", "[mqtt]\ntls = true\nusername = 'u'")
    write(tmp_path, text)
    monkeypatch.chdir(tmp_path.parent)
    for path in (tmp_path / "config.toml", Path(tmp_path.name) / "config.toml"):
        config = load_config(path)
        for name, fields in keys.items():
            assert [getattr(getattr(config, name), key) for key in fields] == [str(tmp_path / "x" / f) for f in fields]
    config = load_config(write(tmp_path, "[model]\nbundle = '/b'\n[mqtt]\nusername='u'\npassword_file='credential:pw'"))
    assert (config.model.bundle, config.mqtt.password_file) == ("/b", "credential:pw")
    assert Path("/b") in files_of(config)
    assert not [path for path in files_of(config) if "credential" in str(path)]


def test_outbox_and_bundles_lie_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    config = load_config(write(tmp_path, ""))
    assert config.outbox.path == str(tmp_path / "state" / "outbox.db")
    assert config.model.store == str(tmp_path / "state" / "bundles")


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("[camera]\nbackend = 'rtsp'", "camera.backend: unknown value 'rtsp'", "v4l2, picamera2, replay, scene"),
        ("[camera]\nrotate = 45", "camera.rotate: unknown value 45", "choose one of 0, 90, 180, 270"),
        ("[face]\ndetect_every = 'now'", "face.detect_every: unknown key", ""),
        ("[camera]\nfps = = 3", "not valid TOML (Invalid value (at line 2, column 7))", ""),
    ],
)
def test_error_says_once_what_is_wrong_and_what_to_do(tmp_path: Path, text: str, message: str, fix: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.message == f"{path}: {message}"
    assert fix in caught.value.fix
    assert bool(fix) == bool(caught.value.fix)


@pytest.mark.parametrize("backend", ["v4l2", "picamera2"])
@pytest.mark.parametrize("left_out", [None, "purpose", "notice", "controller", "jurisdiction"])
def test_live_camera_needs_a_filled_deployment(tmp_path: Path, backend: str, left_out: str | None) -> None:
    lines = [line for line in DEPLOYMENT.splitlines() if left_out is None or not line.startswith(left_out)]
    config = load_config(write(tmp_path, f'[camera]\nbackend = "{backend}"\n' + "\n".join(lines)))
    if left_out is None:
        require_deployment(config)
        return
    with pytest.raises(DeploymentError, match=f"deployment.{left_out}"):
        require_deployment(config)


@pytest.mark.parametrize("blank", ["''", "' '", "'.'", "'?'", "' - '"])
def test_text_without_a_letter_fills_no_deployment(tmp_path: Path, blank: str) -> None:
    config = load_config(write(tmp_path, DEPLOYMENT.replace('"DE"', blank)))
    with pytest.raises(DeploymentError, match=r"deployment\.jurisdiction"):
        require_deployment(config)


def test_scene_and_replay_need_no_deployment() -> None:
    for text in ({"backend": "scene"}, {"backend": "replay", "path": "a"}):
        require_deployment(Config(camera=type(Config().camera)(**text)))


@pytest.mark.parametrize("purpose", ["staff-monitoring", "education", "hiring", "credit-scoring"])
def test_purpose_comes_from_the_closed_list_which_is_told(tmp_path: Path, purpose: str) -> None:
    with pytest.raises(ConfigError, match="choose one of audience-measurement"):
        load_config(write(tmp_path, DEPLOYMENT.replace("exhibition-feedback", purpose)))
