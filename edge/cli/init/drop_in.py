"""The service's drop-in: which addresses and device nodes it may reach, beyond what the unit allows everyone.

systemd's filter takes addresses, not names (systemd.resource-control(5), `IPAddressAllow=`, read November 2026).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from edge.config import Config, MqttConfig
from edge.errors import ConfigError

NAME = "installation.conf"
# Classes as /proc/devices names them; the unit itself allows char-video4linux and char-media.
_LIBCAMERA = ("DeviceAllow=char-dma_heap rw", "BindReadOnlyPaths=-/run/udev")
_USB = ("DeviceAllow=char-usb_device rw", "RestrictAddressFamilies=AF_NETLINK")  # libusb hears of devices by netlink
_PCIE = ("DeviceAllow=char-apex rw",)
RESOLV_CONF = Path("/etc/resolv.conf")
# systemd-resolved listens on loopback, which the unit allows, and asks the real resolvers itself.


def unit_name(instance: str) -> str:
    """The service's unit: the one of a single camera, or with a name the template's instance."""
    return f"affect-edge@{instance}.service" if instance else "affect-edge.service"


def write_drop_in(
    config: Config, *, broker: Sequence[str], resolvers: Sequence[str], credential: Path | None = None
) -> str:
    """The drop-in's text.

    Args:
        config: which camera and accelerator are used, and the broker's name.
        broker, resolvers: addresses; loopback ones need no line.
        credential: the password's file, root's own, which systemd hands to the service; None: there is none.
    """
    lines = [
        "# What this installation's service may reach, written by `affect-edge init`. systemd takes addresses, not",
        "# names: when the broker or the resolver moves, `affect-edge doctor` says so, and this is written anew.",
        "[Service]",
        f"# the broker, {config.mqtt.host}",
        *_rules(broker),
    ]
    if needs_resolver(config.mqtt) and _rules(resolvers):
        lines += ["# who resolves its name", *_rules(resolvers)]
    if config.camera.backend == "picamera2":
        lines += ["# the camera, through libcamera", *_LIBCAMERA]
    if config.engine.delegate:
        pcie = config.engine.delegate_options.get("device", "").startswith("pci")
        lines += ["# the accelerator", *(_PCIE if pcie else _USB)]
    if credential is not None:
        lines += [
            "# the broker's password: root keeps the file, the service sees a copy",
            f"LoadCredential=mqtt-password:{credential}",
        ]
    return "\n".join(lines) + "\n"


def allowed_addresses(text: str) -> list[str]:
    """The addresses that a drop-in's lines allow, in order; empty lines reset the list, as in systemd."""
    allowed: list[str] = []
    for value in re.findall(r"^IPAddressAllow=(.*)$", text, re.MULTILINE):
        allowed = [*allowed, *value.split()] if value.strip() else []
    return allowed


def broker_addresses(host: str, port: int) -> list[str]:
    """All addresses of the broker, sorted; loopback ones too.

    Raises:
        ConfigError: the name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        said = f"mqtt.host: {host} does not resolve ({error.strerror or error})"
        raise ConfigError(said, "is the name right and the network up?") from error
    return _sorted(str(entry[4][0]) for entry in found)


def resolver_addresses(path: Path = RESOLV_CONF) -> list[str]:
    """The resolvers that the system's configuration names, sorted; none where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    named = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
    return _sorted(address for address in named if is_address(address))


def is_address(text: str) -> bool:
    """Whether a text is an IP address and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def not_loopback(addresses: Iterable[str]) -> list[str]:
    """Those that the service's filter has to name: loopback is always allowed."""
    return [address for address in addresses if not ip_address(address).is_loopback]


def needs_resolver(mqtt: MqttConfig) -> bool:
    """Whether the service has to look up the broker's name."""
    return not (mqtt.loopback or is_address(mqtt.host))


def _rules(addresses: Sequence[str]) -> list[str]:
    return [f"IPAddressAllow={address}" for address in not_loopback(addresses)]


def _sorted(addresses: Iterable[str]) -> list[str]:
    unscoped = {ip_address(address.partition("%")[0]) for address in addresses}
    return [str(address) for address in sorted(unscoped, key=lambda address: (address.version, address.packed))]
