"""The fleet's table: a CSV file and what it leaves to defaults, read whole or not at all."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from edge.cli.init.configuration import write_config
from edge.cli.init.drop_in import broker_addresses, is_address
from edge.config import LOOPBACK, Config, DeviceConfig
from edge.deployment import Deployment, LegalBasis, Purpose, judge
from edge.errors import ConfigError
from edge.profiles import profile_names
from firmware_config.fleet.names import check_slug, username_of
from firmware_config.fleet.places import TAGS, ZONES, read_tags, read_zones

COLUMNS = {
    "site": "where it hangs: a-z, 0-9 and -, up to 32",
    "device": "its name there, unique at the site",
    "profile": f"the board: {', '.join(profile_names())}",
    "tz": "IANA time zone",
    "camera": "a /dev/video* device instead of the profile's camera",
    "broker": "HOST or HOST:PORT, always over TLS",
    "addresses": "of the broker, separated by spaces, instead of resolving its name here",
    "resolvers": "addresses of the site's name servers; needed where the broker is a name",
    "ca_file": "the broker's certificate authority, PEM, relative to the table",
    "purpose": "from the closed list of [deployment]",
    "jurisdiction": "whose law applies: ISO 3166, e.g. DE or US-IL",
    "legal_basis": "from the closed list of [deployment]",
    "controller": "who answers for the data",
    "contact": "of the controller: e-mail, telephone or URL",
    "retention_days": "how long the receiver keeps windows",
    "notice": "where visitors read that this camera is here",
    "notice_version": "of the notice that hangs there",
    "notice_date": "of that version, YYYY-MM-DD",
    "notice_policy": "hash of the policy that the notice tells; the device does not start under another",
    "notice_url": "where the notice's whole text is",
    "consent_reference": "where consents are recorded, for purposes and places that need them",
    "tags": TAGS,
    "zones": ZONES,
}
_DEPLOYMENT = Deployment.__struct_fields__
_OPTIONAL = {"camera", "addresses", "resolvers", "ca_file", "tz", "tags", "zones"}
_OPTIONAL |= {"consent_reference", "notice_policy", "notice_url"}
_DEFAULTS = {"tz": "UTC"}
_TLS_PORT = 8883
CREDENTIAL = "/run/credentials/affect-edge.service/mqtt-password"
CA_ON_DEVICE = "ca.pem"  # beside the configuration
_Wrong = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One device, proven.

    Attributes:
        site, device: its names.
        toml: the configuration's text; `config` is what it loads as.
        broker, resolvers: addresses that its service may reach.
        ca: the certificate authority's PEM; empty: the system's.
        notice, contact: for the label.
    """

    site: str
    device: str
    toml: str
    config: Config
    broker: tuple[str, ...]
    resolvers: tuple[str, ...]
    ca: str
    notice: str
    contact: str


def read_defaults(path: Path | None) -> dict[str, str]:
    """What a table leaves out: a TOML file of columns and texts.

    Raises:
        ConfigError: not such a file; names it and the column.
    """
    if path is None:
        return {}
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path}: not a TOML file of texts ({error})") from error
    unknown = sorted(found.keys() - COLUMNS.keys())
    if unknown:
        raise ConfigError(f"{path}: {', '.join(unknown)}: unknown; columns are {', '.join(COLUMNS)}")
    return found


def read_rows(path: Path, defaults: Mapping[str, str]) -> list[Enrolment]:
    """All devices of a table; an empty cell takes the default.

    Raises:
        ConfigError: one line for everything that is wrong in it, each with file and line.
    """
    reader = _Reader(path, defaults)
    rows = [row for line, cells in _cells(path) if (row := reader.read(line, cells)) is not None]
    if reader.errors:
        raise ConfigError("\n".join(reader.errors))
    if not rows:
        raise ConfigError(f"{path}: no devices in it")
    return rows


def _cells(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row; comment lines and empty ones are skipped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; save it as CSV, UTF-8") from None
    first = text.partition("\n")[0]
    comma = ";" if ";" in first and "," not in first else ","  # as spreadsheets write it where 1,5 is a number
    reader = csv.reader(text.splitlines(keepends=True), delimiter=comma, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        unknown = sorted(set(header) - COLUMNS.keys())
        if unknown or len(set(header)) < len(header) or not {"site", "device"} <= set(header):
            detail = (
                f"unknown columns {', '.join(map(repr, unknown))}" if unknown else "not the names of columns, once each"
            )
            raise ConfigError(f"{path}:1: {detail}; it needs site and device, and may have {', '.join(COLUMNS)}")
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
                continue
            if len(cells) != len(header):
                yield reader.line_num, {"": f"{len(cells)} cells, the header has {len(header)}"}
            else:
                yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: not CSV ({error})") from error


class _Reader:
    """Turns rows into enrolments and keeps what is wrong with them."""

    def __init__(self, path: Path, defaults: Mapping[str, str]) -> None:
        self.errors: list[str] = []
        self._path = path
        self._defaults = _DEFAULTS | dict(defaults)
        self._lines: dict[str, int] = {}
        self._resolved: dict[tuple[str, int], tuple[str, ...] | str] = {}
        self._cas: dict[str, str] = {}

    def read(self, line: int, cells: Mapping[str, str]) -> Enrolment | None:
        """The row, or None when something is wrong with it."""
        before = len(self.errors)

        def wrong(words: str) -> None:
            self.errors.append(f"{self._path}:{line}: {words}")

        if "" in cells:
            wrong(cells[""])
            return None
        row = {name: cells.get(name) or self._defaults.get(name, "") for name in COLUMNS}
        for name in COLUMNS:
            if not row[name] and name not in _OPTIONAL:
                wrong(f"{name}: empty, and there is no default; {COLUMNS[name]}")
            elif any(ord(letter) < 32 for letter in row[name]):
                wrong(f"{name}: holds a control character")
            elif row[name] and (words := _doubt(name, row[name])):
                wrong(f"{name}: {words}")
        user = username_of(row["site"], row["device"])
        if user in self._lines:
            wrong(f"device: {row['site']}/{row['device']} is in line {self._lines[user]} too")
        self._lines.setdefault(user, line)
        found = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::(\d+))?|([^:\s\[\]]+)(?::(\d+))?", row["broker"])
        if row["broker"] and found is None:
            wrong(f"broker: {row['broker']!r} is neither HOST nor HOST:PORT")
        host, port = (found[1] or found[3], int(found[2] or found[4] or _TLS_PORT)) if found else ("", _TLS_PORT)
        if not 0 < port < 65536:
            wrong(f"broker: there is no port {port}")
        if host in LOOPBACK:
            wrong(f"broker: {host} is the device itself; name the broker as a device sees it")
        addresses = self._addresses(row, host, port, wrong)
        resolvers = tuple(row["resolvers"].split())
        for address in resolvers:
            if not is_address(address):
                wrong(f"resolvers: {address!r} is not an IP address")
        if host and not is_address(host) and not resolvers:
            wrong("resolvers: empty, but the broker is a name; give the addresses of the site's name servers")
        ca = self._authority(row["ca_file"], wrong)
        if len(self.errors) > before:
            return None
        try:
            toml, config = _write_config(row, host, port)
        except (ConfigError, msgspec.ValidationError) as error:
            wrong(_told(str(error)))
            return None
        return Enrolment(
            site=row["site"],
            device=row["device"],
            toml=toml,
            config=config,
            broker=addresses,
            resolvers=resolvers,
            ca=ca,
            notice=row["notice"],
            contact=f"{row['controller']}, {row['contact']}",
        )

    def _addresses(self, row: Mapping[str, str], host: str, port: int, wrong: _Wrong) -> tuple[str, ...]:
        given = tuple(row["addresses"].split())
        for address in given:
            if not is_address(address):
                wrong(f"addresses: {address!r} is not an IP address")
        if given or not host or host in LOOPBACK:
            return given
        if (host, port) not in self._resolved:
            try:
                self._resolved[host, port] = tuple(broker_addresses(host, port))
            except ConfigError:
                self._resolved[host, port] = f"broker: {host} does not resolve here; give its addresses in `addresses`"
        found = self._resolved[host, port]
        if isinstance(found, str):
            wrong(found)
            return ()
        return found

    def _authority(self, name: str, wrong: _Wrong) -> str:
        if not name or name in self._cas:
            return self._cas.get(name, "")
        path = self._path.parent / name
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            wrong(f"ca_file: {path} cannot be read ({error})")
            return ""
        if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY" in text:
            wrong(f"ca_file: {path} has to hold certificates in PEM, and no private key")
            return ""
        self._cas[name] = text
        return text


def _doubt(name: str, value: str) -> str:
    """What is wrong with a cell that can be judged alone; nothing when all is well."""
    known = {"profile": profile_names(), "purpose": get_args(Purpose), "legal_basis": get_args(LegalBasis)}.get(name)
    if known is not None and value not in known:
        return f"{value!r} is none of {', '.join(known)}"
    if name in _DEPLOYMENT:
        return judge(name, value)
    try:
        if name in ("site", "device"):
            check_slug(value, name)
        if name == "tz":
            DeviceConfig(tz=value)
    except ValueError as error:
        return str(error).removeprefix(f"{name}: ")
    return ""


def _write_config(row: Mapping[str, str], host: str, port: int) -> tuple[str, Config]:
    mqtt: dict[str, object] = {"host": host, "port": port, "tls": True}
    if row["ca_file"]:
        mqtt["ca_file"] = CA_ON_DEVICE
    mqtt |= {"username": username_of(row["site"], row["device"]), "password_file": CREDENTIAL}
    why = {name: row[name] for name in _DEPLOYMENT if row[name]}
    return write_config(
        row["profile"],
        device={"site": row["site"], "name": row["device"], "tz": row["tz"], "tags": read_tags(row["tags"])},
        mqtt=mqtt,
        deployment=msgspec.convert(why, Deployment, strict=False),
        camera=row["camera"],
        zones=read_zones(row["zones"]),
    )


def _told(message: str) -> str:
    """`Invalid enum value 'x' - at `$.purpose`` and `device.site: …` with the column's name first."""
    text, _, where = message.replace("`", "").partition(" - at ")
    if where:
        return f"{where.removeprefix('$.')}: {text[:1].lower()}{text[1:]}"
    return re.sub(r"^(?:device|deployment|mqtt|camera)\.(?=[a-z_]+:)", "", re.sub(r"^device\.name:", "device:", text))
