"""The broker: its name resolves, it answers, lets this device in, and acknowledges what the device will send."""

from __future__ import annotations

import time
from pathlib import Path

from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped, warned
from edge.cli.init.addresses import RESOLV_CONF, broker_addresses, is_address, needs_rule, resolver_addresses
from edge.cli.init.drop_in import allowed_addresses
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


def check_broker(config: Config, origin: Origin) -> list[Finding]:
    """From the name to acknowledged messages; stops at the first step that fails.

    Where `[homeassistant]` announces or removes the device, its message is sent as a run would send it.
    """
    mqtt = config.mqtt
    findings: list[Finding] = []
    try:
        addresses = broker_addresses(mqtt.host, mqtt.port)
        findings.append(passed("broker name", f"{mqtt.host} is {', '.join(addresses)}"))
        credentials = load_credentials(mqtt)
        findings.append(
            passed("credentials", f"user {mqtt.username}" if mqtt.username else "none: an anonymous session")
        )
    except (ConfigError, PublishError) as error:
        return [*findings, failed_with("credentials" if findings else "broker name", error)]
    try:
        probe = Probe(config, credentials, origin)
    except PublishError as error:
        text = str(error).replace("; ", ", ")
        fix = next(fix for word, fix in _FIXES.items() if word in text.lower())
        now = time.strftime("%Y-%m-%d", time.gmtime())
        return [*findings, failed_with("broker session", PublishError(text, fix=fix.replace("{now}", now)))]
    how = "TLS" if mqtt.tls else "without TLS"
    findings.append(passed("broker session", f"let in at {mqtt.host}:{mqtt.port}, {how}, MQTT {mqtt.protocol}"))
    try:
        findings.append(_try(probe, probe.message, "publishing", mqtt.username, origin.topic("#")))
        if probe.discovery is not None:
            findings.append(_try(probe, probe.discovery, "discovery", mqtt.username, probe.discovery.topic))
    finally:
        probe.close()
    return findings


def _try(probe: Probe, message: Message, check: str, user: str, pattern: str) -> Finding:
    try:
        seconds = probe.publish(message)
    except PublishError as error:
        fix = f"give {user or 'it'} the right to write {pattern} in the broker's access list"
        return failed_with(check, PublishError(str(error), fix=fix))
    return passed(check, f"a message to {message.topic} was acknowledged after {seconds * 1000:.0f} ms")


def check_drop_in(config: Config, unit: str, *, root: Path = Path("/")) -> list[Finding]:
    """Whether the service's filter still names the addresses that broker and resolver have now."""
    texts = [
        path.read_text(encoding="utf-8")
        for folder in reversed(_UNIT_FOLDERS)
        for path in [root / folder / unit, *sorted((root / folder / f"{unit}.d").glob("*.conf"))]
        if path.is_file()
    ]
    if not texts:
        return [skipped("service filter", f"{unit} is not installed here")]
    allowed = allowed_addresses("\n".join(texts))
    if "any" in allowed:
        return [warned("service filter", f"{unit} may reach any address", "name the broker's in a drop-in instead")]
    try:
        needed = broker_addresses(config.mqtt.host, config.mqtt.port)
    except ConfigError as error:
        return [failed_with("service filter", error)]
    missing = [address for address in needed if needs_rule(address) and address not in allowed]
    if missing and len(missing) == len([address for address in needed if needs_rule(address)]):
        said = f"{unit} does not allow the broker, {config.mqtt.host} at {', '.join(missing)}"
        return [failed("service filter", said, _again(unit))]
    if not (config.mqtt.loopback or is_address(config.mqtt.host)):
        resolvers = [one for one in resolver_addresses(root / RESOLV_CONF.relative_to("/")) if needs_rule(one)]
        if resolvers and not set(resolvers) & set(allowed):
            said = f"{unit} does not allow the resolver, {', '.join(resolvers)}"
            return [failed("service filter", said, _again(unit))]
    if missing:
        said = f"{unit} allows one of the broker's addresses, not {', '.join(missing)}"
        return [warned("service filter", said, _again(unit))]
    return [passed("service filter", f"{unit} allows {', '.join(needed)}")]


def _again(unit: str) -> str:
    return f"write IPAddressAllow= lines for them into /etc/systemd/system/{unit}.d/, then `systemctl daemon-reload`"
