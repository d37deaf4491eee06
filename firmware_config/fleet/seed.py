"""A cloud-init seed (NoCloud): three files beside each other on the boot partition make a bare image this device.

There is no password to log in with, ever: an SSH key, or nothing. The broker's password comes in `user-data`, is put
where only root reads it, and the seed's copy is emptied once it has been used.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from edge.errors import ConfigError
from firmware_config.fleet.rows import CA_ON_DEVICE, Enrolment

PACKAGE = "affect-edge.deb"
_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]{40,}={0,2}( .*)?"
)
_ETC = "/etc/affect-edge"
_NETWORK = """version: 2
ethernets:
  wired:
    match:
      name: "e*"
    dhcp4: true
    dhcp6: true
    optional: true
"""
_INSTALL = f"""set -eu
# The password has arrived: the card's first partition is readable in every computer. So also when a step below fails.
blank() {{
  for seed in /boot/firmware /boot; do
    if [ -f "$seed/user-data" ]; then printf '#cloud-config\\n' > "$seed/user-data"; sync; fi
  done
}}
trap blank EXIT
for seed in /boot/firmware /boot; do
  if [ -f "$seed/{PACKAGE}" ]; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y "$seed/{PACKAGE}" ca-certificates
    if grep -q '^ *backend *= *"picamera2"' {_ETC}/config.toml; then
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-picamera2
    fi
    break
  fi
done
systemctl daemon-reload
systemctl enable affect-edge.service
systemctl restart affect-edge.service
"""


def read_keys(path: Path) -> list[str]:
    """The public keys of an OpenSSH file, one a line.

    Raises:
        ConfigError: there is none in it, or something that is no public key.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--ssh-key: {path} cannot be read ({error})") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if any("PRIVATE KEY" in line for line in keys):
        raise ConfigError(f"--ssh-key: {path} is a private key; name the one beside it that ends with .pub")
    if not keys or not all(_KEY.fullmatch(key) for key in keys):
        raise ConfigError(f"--ssh-key: {path} has to hold public keys of OpenSSH, one a line")
    return keys


def write_seed(row: Enrolment, drop_in: str, password: str, keys: list[str]) -> dict[str, str]:
    """The seed's files by name; `user-data` holds the password."""
    files = [
        _file(f"{_ETC}/config.toml", "0644", row.toml),
        _file(f"{_ETC}/mqtt-password", "0600", password + "\n"),
        _file("/etc/systemd/system/affect-edge.service.d/installation.conf", "0644", drop_in),
    ]
    if row.ca:
        files.append(_file(f"{_ETC}/{CA_ON_DEVICE}", "0644", row.ca))
    user_data = "\n".join(
        [
            "#cloud-config",
            f"hostname: affect-{row.device}",
            "ssh_pwauth: false",
            "disable_root: true",
            "users:",
            "  - name: affect-admin",
            "    lock_passwd: true",
            "    shell: /bin/bash",
            '    sudo: "ALL=(ALL) NOPASSWD:ALL"',
            "    ssh_authorized_keys:",
            *(f"      - {json.dumps(key)}" for key in keys),
            "write_files:",
            *files,
            "runcmd:",
            "  - - sh",
            "    - -c",
            "    - |",
            *(f"      {line}" for line in _INSTALL.splitlines()),
            "",
        ]
    )
    # Another instance to cloud-init whenever something changed, and only then: it applies the seed once an instance.
    mark = hashlib.sha256(user_data.encode()).hexdigest()[:12]
    meta_data = f"instance-id: {row.site}-{row.device}-{mark}\nlocal-hostname: affect-{row.device}\n"
    return {"user-data": user_data, "meta-data": meta_data, "network-config": _NETWORK}


def _file(path: str, mode: str, content: str) -> str:
    """One entry of `write_files`: a block where that is plainly safe, else JSON's string, which is YAML's too.

    Nothing in a notice or a name can end either (yaml.org/spec/1.2.2, 8.1.2 and 7.3.1).
    """
    head = f'  - path: {path}\n    owner: "root:root"\n    permissions: "{mode}"\n    content: '
    lines = content.split("\n")
    if lines[-1] == "" and lines[0][:1].strip() and all(line.isprintable() for line in lines):
        return head + "|\n" + "\n".join("      " + line if line else "" for line in lines[:-1])
    return head + json.dumps(content)
