"""The broker: its name resolves, it answers, lets this device in, and acknowledges what the device will send."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped, warned
from edge.cli.init.drop_in import (
    RESOLV_CONF,
    allowed_addresses,
    broker_addresses,
    needs_resolver,
    not_loopback,
    resolver_addresses,
)
from edge.config import Config
from edge.contract import Origin
from edge.errors import ConfigError, PublishError
from edge.publish.credentials import load_credentials
from edge.publish.probe import Probe
from edge.publish.session import Message

_UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_FIXES = {
    "not yet valid": "set this machine's clock, it says {now}: `timedatectl set-ntp true`, and let NTP (UDP 123) out",
    "certificate": "set mqtt.ca_file to the authority that signed the broker's, and mqtt.host to the name in it",
    "rejected": "check mqtt.username, the password file and the broker's own log",
    "refused": "is the broker running, and mqtt.port right?",
    "": "are mqtt.host and mqtt.port right, and does the unit's drop-in allow the address?",
}


def check_broker(config: Config, origin: Origin) -> Iterator[Finding]:
    """From the name to acknowledged messages; stops at the first step that fails.

    Where `[homeassistant]` announces or removes the device, its message is sent as a run would send it.
    """
    mqtt, step = config.mqtt, "broker name"
    try:
        addresses = broker_addresses(mqtt.host, mqtt.port)
        yield passed(step, f"{mqtt.host} is {', '.join(addresses)}")
        step = "credentials"
        credentials = load_credentials(mqtt)
        yield passed(step, f"user {mqtt.username}" if mqtt.username else "none: an anonymous session")
    except (ConfigError, PublishError) as error:
        yield failed_with(step, error)
        return
    try:
        probe = Probe(config, credentials, origin)
    except PublishError as error:
        text = str(error).replace("; ", ", ")
        fix = next(fix for word, fix in _FIXES.items() if word in text.lower())
        yield failed("broker session", text, fix.replace("{now}", time.strftime("%Y-%m-%d", time.gmtime())))
        return
    how = "TLS" if mqtt.tls else "without TLS"
    yield passed("broker session", f"let in at {mqtt.host}:{mqtt.port}, {how}, MQTT {mqtt.protocol}")
    try:
        yield _try(probe, probe.message, "publishing", mqtt.username, origin.topic("#"))
        if probe.discovery is not None:
            yield _try(probe, probe.discovery, "discovery", mqtt.username, probe.discovery.topic)
    finally:
        probe.close()


def _try(probe: Probe, message: Message, check: str, user: str, pattern: str) -> Finding:
    try:
        seconds = probe.publish(message)
    except PublishError as error:
        return failed(
            check, str(error), f"give {user or 'it'} the right to write {pattern} in the broker's access list"
        )
    return passed(check, f"a message to {message.topic} was acknowledged after {seconds * 1000:.0f} ms")


def check_drop_in(config: Config, unit: str, *, root: Path = Path("/")) -> Finding:
    """Whether the service's filter still names the addresses that broker and resolver have now."""
    check = "service filter"
    texts = [
        path.read_text(encoding="utf-8")
        for folder in reversed(_UNIT_FOLDERS)
        for path in [root / folder / unit, *sorted((root / folder / f"{unit}.d").glob("*.conf"))]
        if path.is_file()
    ]
    if not texts:
        return skipped(check, f"{unit} is not installed here")
    allowed = allowed_addresses("\n".join(texts))
    if "any" in allowed:
        return warned(check, f"{unit} may reach any address", "name the broker's in a drop-in instead")
    try:
        addresses = broker_addresses(config.mqtt.host, config.mqtt.port)
    except ConfigError as error:
        return failed_with(check, error)
    fix = f"write IPAddressAllow= lines for them into /etc/systemd/system/{unit}.d/, then `systemctl daemon-reload`"
    needed = not_loopback(addresses)
    missing = [address for address in needed if address not in allowed]
    if missing and missing == needed:
        said = f"{unit} does not allow the broker, {config.mqtt.host} at {', '.join(missing)}"
        return failed(check, said, fix)
    resolvers = not_loopback(resolver_addresses(root / RESOLV_CONF.relative_to("/")))
    if needs_resolver(config.mqtt) and resolvers and not set(resolvers) & set(allowed):
        return failed(check, f"{unit} does not allow the resolver, {', '.join(resolvers)}", fix)
    if missing:
        return warned(check, f"{unit} allows one of the broker's addresses, not {', '.join(missing)}", fix)
    return passed(check, f"{unit} allows {', '.join(addresses)}")
