"""Checks of a cloud-init seed: it is understood, someone can log in, there is a network, and there is no password."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from edge.cli.doctor.finding import Finding, failed, passed, skipped

FILES = ("user-data", "meta-data", "network-config")
_BLANK = re.compile(r"REPLACE-[a-z-]+")
# Of Debian's base-passwd: `useradd` makes no user of a name that is a group's already.
_TAKEN = frozenset(
    re.findall(
        r"\S+",
        """root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody adm tty disk
        kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users
        nogroup input kvm render sgx messagebus""",
    )
)
_KEY = re.compile(r"^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]{40,}")
# What a blank of the templates is filled with, to check them as they are shipped.
SAMPLE = {
    "REPLACE-hostname": "hall-2",
    "REPLACE-time-zone": "Europe/Berlin",
    "REPLACE-public-ssh-key": f"ssh-ed25519 {'A' * 68} sample",
    "REPLACE-country": "DE",
    "REPLACE-network-name": "sample",
    "REPLACE-network-password": "sample-password",
}


def fill_sample(folder: Path, target: Path) -> None:
    """Copies a seed's templates, each blank filled with a sample."""
    for name in FILES:
        text = (folder / name).read_text(encoding="utf-8")
        (target / name).write_text(_BLANK.sub(lambda found: SAMPLE.get(found[0], found[0]), text), encoding="utf-8")


def check_seed(folder: Path) -> list[Finding]:
    """What stands between a seed and a first start that ends with a login."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        return [failed("seed", f"{folder} has no {', '.join(missing)}", "copy it from firmware_config/cloud-init")]
    parsed: dict[str, Any] = {}
    findings = []
    for name in FILES:
        text = (folder / name).read_text(encoding="utf-8")
        spoken = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        findings += [
            failed("blanks", f"{name}: {blank} is not filled in", "replace it")
            for blank in sorted(set(_BLANK.findall(spoken)))
        ]
        try:
            parsed[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            where = str(error).replace("\n", " ")[:160]
            return [*findings, failed("seed", f"{name} is no YAML ({where})", "correct it; YAML counts spaces")]
        if not isinstance(parsed[name], dict):
            return [*findings, failed("seed", f"{name} holds no keys", "copy it from firmware_config/cloud-init")]
    user = parsed["user-data"]
    return [
        *findings,
        *_login(user),
        *_passwords(user),
        *_network(parsed["network-config"]),
        *_package(user),
        *_schema(folder),
    ]


def _users(user: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in user.get("users") or [] if isinstance(one, dict)]


def _login(user: dict[str, Any]) -> list[Finding]:
    taken = [str(one.get("name")) for one in _users(user) if one.get("name") in _TAKEN]
    if taken:
        fix = "choose another name: useradd would fail, and nobody could log in"
        return [failed("login", f"Debian has a user or group {taken[0]} already", fix)]
    keys = [str(key) for one in _users(user) for key in one.get("ssh_authorized_keys") or []]
    keys += [str(key) for key in user.get("ssh_authorized_keys") or []]
    if any(_KEY.match(key) for key in keys):
        return [passed("login", "by SSH key")]
    fix = "put the contents of ~/.ssh/id_ed25519.pub under ssh_authorized_keys"
    return [failed("login", "no user has a public SSH key, so nobody could log in", fix)]


def _passwords(user: dict[str, Any]) -> list[Finding]:
    findings = []
    for one in [user, *_users(user)]:
        for key in ("password", "passwd", "plain_text_passwd", "hashed_passwd", "chpasswd"):
            if one.get(key):
                findings.append(failed("passwords", f"user-data sets {key}", "delete it; the SSH key is the login"))
    for one in _users(user):
        if one.get("lock_passwd") is False:
            findings.append(failed("passwords", f"{one.get('name')} may log in by password", "lock_passwd: true"))
    if user.get("ssh_pwauth") is not False:
        findings.append(failed("passwords", "SSH may ask for a password", "ssh_pwauth: false"))
    return findings or [passed("passwords", "none, and SSH asks for none")]


def _network(config: dict[str, Any]) -> list[Finding]:
    network = config.get("network", config)
    links = [
        link for kind in ("ethernets", "wifis") for link in (network.get(kind) or {}).values() if isinstance(link, dict)
    ]
    if any(link.get("dhcp4") or link.get("dhcp6") or link.get("addresses") for link in links):
        return [passed("network", f"{len(links)} ways to one")]
    return [failed("network", "no interface gets an address", "dhcp4: true under ethernets, eth0")]


def _package(user: dict[str, Any]) -> list[Finding]:
    if any("affect-edge_" in str(command) and ".deb" in str(command) for command in user.get("runcmd") or []):
        return [passed("package", "is installed at the first start")]
    return [failed("package", "no runcmd installs it", "apt-get install -y /boot/firmware/affect-edge_*.deb")]


def _schema(folder: Path) -> list[Finding]:
    if shutil.which("cloud-init") is None:
        return [skipped("schema", "there is no cloud-init here")]
    command = ["cloud-init", "schema", "--config-file", str(folder / "user-data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [passed("schema", "cloud-init accepts user-data")]
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return [failed("schema", " ".join(said)[:200] or "cloud-init refuses user-data", "correct that key")]
