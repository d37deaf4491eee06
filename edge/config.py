"""The configuration: one TOML file, decoded into frozen structs; an unknown key or impossible value is an error."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.contract import Slug, TagKey, TagValue
from edge.deployment import Deployment, faults
from edge.errors import ConfigError, DeploymentError
from edge.exclusions import HoursConfig, Overlay, read_overlay
from edge.exclusions import ZoneConfig as ZoneConfig
from edge.hours import common_hours, find_zone
from edge.paths import state_folder
from edge.toml import read_toml

CREDENTIAL = "credential:"  # before a name: the file of that name among systemd's credentials
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class DeviceConfig(_Section, frozen=True, kw_only=True):
    """Which device this is. `tags` (at most four) join the windows to sales and tests."""

    site: Slug = "site"
    name: Slug = "device"
    tz: str = "UTC"
    tags: Annotated[dict[TagKey, TagValue], msgspec.Meta(max_length=4)] = {}

    def __post_init__(self) -> None:
        find_zone(self.tz)


class CameraConfig(_Section, frozen=True, kw_only=True):
    """Where pictures come from. `rotate` turns clockwise, degrees; `flip` mirrors left and right after it.

    `device` is for `v4l2`; `path`, `loop` and `pace` are for `replay`: a file at its own pace, or as `fast` as it goes.
    """

    backend: Literal["v4l2", "picamera2", "replay", "scene"] = "v4l2"
    device: str = "/dev/video0"
    path: str = ""
    width: Annotated[int, msgspec.Meta(ge=64, le=4096)] = 640
    height: Annotated[int, msgspec.Meta(ge=64, le=4096)] = 480
    fps: Annotated[float, msgspec.Meta(ge=1, le=120)] = 30.0
    rotate: Literal[0, 90, 180, 270] = 0
    flip: bool = False
    loop: bool = False
    pace: Literal["file", "fast"] = "file"

    @property
    def live(self) -> bool:
        return self.backend in ("v4l2", "picamera2")

    def __post_init__(self) -> None:
        if "://" in self.device or "://" in self.path:
            raise ValueError("network cameras are refused: their video would travel; attach the camera to this device")
        if self.backend == "replay" and not self.path:
            raise ValueError("backend 'replay' needs `path`, a video file")


class FaceConfig(_Section, frozen=True, kw_only=True):
    """Finding and judging faces. Faces failing a limit are followed but not scored, and counted by reason.

    Every `search_every`-th search is of the whole picture, halved until neither side is above `search_px`; the others
    look near known faces.
    """

    min_score: Annotated[float, msgspec.Meta(ge=0.3, le=0.99)] = 0.6
    search_px: Annotated[int, msgspec.Meta(ge=160, le=1920)] = 960
    search_every: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    min_face_px: Annotated[float, msgspec.Meta(ge=8)] = 24.0
    max_yaw_deg: Annotated[float, msgspec.Meta(gt=0, le=90)] = 55.0
    min_sharpness: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.06
    min_light: Annotated[float, msgspec.Meta(ge=0, le=255)] = 20.0


class EngineConfig(_Section, frozen=True, kw_only=True):
    """Which runtime computes the model, and an optional delegate library for the backbone.

    `auto`: the best that is installed and in the bundle. `delegate_fallback`: the CPU where the delegate fails.
    """

    runtime: Literal["auto", "litert", "tflite", "onnx"] = "auto"
    threads: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    delegate: str = ""
    delegate_options: dict[str, str] = {}
    delegate_fallback: bool = False

    def __post_init__(self) -> None:
        if self.delegate and self.runtime == "onnx":
            raise ValueError("`delegate` is a library for litert and tflite; runtime 'onnx' has providers instead")


class ModelConfig(_Section, frozen=True, kw_only=True):
    """Which model runs. `bundle`: a folder or ZIP; empty: the installed one that is active, or the shipped one.

    `public_key`: a PEM file; a bundle from outside has to be signed by it or by this release. `allow_unsigned`: without
    a key of yours, by nobody.
    `store`: where installed ones are kept; empty: `bundles` in the device's state folder.
    """

    bundle: str = ""
    public_key: str = ""
    allow_unsigned: bool = False
    store: str = ""


class WindowConfig(_Section, frozen=True, kw_only=True):
    """How scores are aggregated. `min_people`: in a window with scores; at least 5 with a live camera."""

    window_s: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 900
    min_people: Annotated[int, msgspec.Meta(ge=3, le=100)] = 10
    min_observed_s: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 2.0
    reentry_s: Annotated[float, msgspec.Meta(ge=10, le=120)] = 10.0

    def __post_init__(self) -> None:
        if 3600 % self.window_s:
            raise ValueError("`window_s` must divide an hour, so that windows align to the clock")


class PrivacyConfig(_Section, frozen=True, kw_only=True):
    """`floor`: scores of windows with enough people. `dp`: with noise by the hour and the day, within an epsilon."""

    mode: Literal["floor", "dp"] = "floor"
    epsilon_per_day: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 1.0


class MqttConfig(_Section, frozen=True, kw_only=True):
    """The broker. Passwords come from a file, never from here.

    A file may be `credential:NAME` instead of a path: what systemd's `LoadCredential=NAME:…` gives. `plaintext`: scores
    may cross the network unencrypted. `protocol` 3.1.1 is for loopback or with `accept_silent_loss`, since a broker may
    acknowledge there what its access list threw away. `bytes_per_minute` paces what is sent live.
    """

    host: Annotated[str, msgspec.Meta(pattern=r"^[^\s/]{1,253}$")] = "localhost"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    accept_silent_loss: bool = False
    tls: bool = False
    plaintext: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    username: Annotated[str, msgspec.Meta(max_length=256)] = ""
    password_file: str = ""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60
    backoff_max_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0
    bytes_per_minute: Annotated[int, msgspec.Meta(ge=2048, le=1_000_000)] = 4096

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK

    def __post_init__(self) -> None:
        if not (self.tls or self.loopback or self.plaintext):
            raise ValueError("a broker on another host needs `tls = true` (or `plaintext = true`, if you accept that)")
        if self.protocol == "3.1.1" and not (self.loopback or self.accept_silent_loss):
            raise ValueError("protocol 3.1.1 cannot report refused messages; use 5, or say `accept_silent_loss = true`")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("`cert_file` and `key_file` go together")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("certificates need `tls = true`")
        if self.password_file and not self.username:
            raise ValueError("`password_file` needs `username`")


class OutboxConfig(_Section, frozen=True, kw_only=True):
    """Where windows wait for the broker (`path` empty: `outbox.db` in the state folder), and how many.

    Beyond a bound the oldest go, and are counted. `backlog_per_minute`: how fast windows of an outage follow.
    `hold_unsynced_s`: so long a window waits for a clock that is not synchronized, then it goes as it is.
    """

    path: str = ""
    max_mb: Annotated[float, msgspec.Meta(ge=0.01, le=10_000)] = 64.0
    max_age_days: Annotated[float, msgspec.Meta(ge=0.01, le=3650)] = 90.0
    backlog_per_minute: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 120
    hold_unsynced_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 900.0


class MetricsConfig(_Section, frozen=True, kw_only=True):
    """Prometheus metrics of the device's health, for this machine only; `port` 0: none."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0


class WebConfig(_Section, frozen=True, kw_only=True):
    """The page for setting the device up, on this machine's loopback; `port` 0: none. See `affect-edge setup`."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0


class HomeAssistantConfig(_Section, frozen=True, kw_only=True):
    """Whether Home Assistant is told of this device, by a retained description; `remove` makes it forget the device."""

    discovery: Literal["off", "announce", "remove"] = "off"
    prefix: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=64)] = "homeassistant"


class Config(_Section, frozen=True, kw_only=True):
    """The whole configuration; every section may be left out."""

    device: DeviceConfig = DeviceConfig()
    camera: CameraConfig = CameraConfig()
    zones: list[ZoneConfig] = []
    hours: HoursConfig = HoursConfig()
    face: FaceConfig = FaceConfig()
    engine: EngineConfig = EngineConfig()
    model: ModelConfig = ModelConfig()
    window: WindowConfig = WindowConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    mqtt: MqttConfig = MqttConfig()
    outbox: OutboxConfig = OutboxConfig()
    metrics: MetricsConfig = MetricsConfig()
    web: WebConfig = WebConfig()
    homeassistant: HomeAssistantConfig = HomeAssistantConfig()
    deployment: Deployment = Deployment()

    def __post_init__(self) -> None:
        if self.window.min_people < 5 and self.camera.live:
            raise ValueError("`window.min_people` is at least 5 for a live camera")
        if self.privacy.mode == "dp" and self.window.window_s != 3600:
            raise ValueError("`privacy.mode` dp releases by the hour: set `window.window_s = 3600`")


def load_config(path: Path) -> Config:
    """Reads a configuration, narrowed by what was set on the device's page. Raises ConfigError: file, key and fault."""
    given = read_config(path)
    overlay = overlay_of(path, given)
    try:
        return narrowed(given, read_overlay(overlay))
    except ValueError as error:
        raise ConfigError(f"{overlay}: {error}", fix="delete the file, and set the hours on the page again") from error


def read_config(path: Path) -> Config:
    """The same without what was set on the page; paths become absolute."""
    return _anchor(read_toml(path, Config, _GONE), path.absolute())


def overlay_of(path: Path, given: Config) -> Path:
    """Where the page of a device keeps what was set on it; `path` is the configuration's."""
    return state_folder(path, given.device.site, given.device.name) / "page.toml"


def narrowed(given: Config, overlay: Overlay) -> Config:
    """A configuration with more zones, and the hours of both. Raises ValueError where those have nothing in common."""
    hours = HoursConfig(open=common_hours(given.hours.open, overlay.hours.open))
    return msgspec.structs.replace(given, zones=[*given.zones, *overlay.zones], hours=hours)


def require_deployment(config: Config) -> None:
    """Raises DeploymentError for a live camera until `[deployment]` can be meant; it says what is wrong first."""
    found = list(faults(config.deployment)) if config.camera.live else []
    if found:
        key, fault = found[0]
        raise DeploymentError(
            f"deployment.{key}: {fault}, so the live camera stays off. People who walk past have a right to know why a "
            "camera reads faces, where the notice hangs and whom to ask",
            fix=f"fill [deployment] {', '.join(key for key, _ in found)} in the configuration",
        )


_ONE_DETECTOR = "delete the line: there is one face detector now, and it is part of the package"
_GONE = {"face.detector": _ONE_DETECTOR, "face.model": _ONE_DETECTOR}
_PATHS = (
    *("camera.path", "engine.delegate", "model.bundle", "model.public_key", "model.store"),
    *("mqtt.ca_file", "mqtt.cert_file", "mqtt.key_file", "mqtt.password_file", "outbox.path"),
)


def files_of(config: Config) -> list[Path]:
    """The files and folders that a configuration names, whether they exist or not."""
    return [Path(path) for key in _PATHS if (path := attrgetter(key)(config)) and not path.startswith(CREDENTIAL)]


def _anchor(config: Config, file: Path) -> Config:
    """Makes every path relative to the file itself, and fills those that have a default."""
    state = state_folder(file, config.device.site, config.device.name)
    defaults = {"model.store": str(state / "bundles"), "outbox.path": str(state / "outbox.db")}
    for key in _PATHS:
        path = attrgetter(key)(config) or defaults.get(key, "")
        if path and not path.startswith(CREDENTIAL):
            name, _, field = key.partition(".")
            whole = msgspec.structs.replace(getattr(config, name), **{field: str(file.parent / path)})
            config = msgspec.structs.replace(config, **{name: whole})
    return config
