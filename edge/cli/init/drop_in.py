"""The service's drop-in: which addresses and device nodes it may reach, beyond what the unit allows everyone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edge.cli.init.addresses import needs_resolver, not_loopback
from edge.config import Config

NAME = "installation.conf"
# Classes as /proc/devices names them; the unit itself allows char-video4linux and char-media.
_LIBCAMERA = ("DeviceAllow=char-dma_heap rw", "BindReadOnlyPaths=-/run/udev")
_USB = ("DeviceAllow=char-usb_device rw", "RestrictAddressFamilies=AF_NETLINK")  # libusb hears of devices by netlink
_PCIE = ("DeviceAllow=char-apex rw",)


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


def _rules(addresses: Sequence[str]) -> list[str]:
    return [f"IPAddressAllow={address}" for address in not_loopback(addresses)]
