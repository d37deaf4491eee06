"""The result of a check, a JSON file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge.cli.doctor.finding import Finding, Level
from edge.errors import ConfigError
from firmware_config.arm64.comparison import Comparison
from firmware_config.arm64.record import Machine

NO_BROKER = "broker session"  # the one finding that fails by design: an emulated root has no network


class SuiteResult(msgspec.Struct, frozen=True, kw_only=True):
    """One Debian.

    Attributes:
        suite: its name.
        package: file name of what was installed.
        sha256: of that file.
        machine: what the program says of the emulated machine.
        findings: the doctor's.
        clips: each video, compared.
    """

    suite: str
    package: str
    sha256: str
    machine: Machine
    findings: list[Finding]
    clips: list[Comparison]

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be; empty when all is well."""
        failed = [
            f"doctor: {one.check}: {one.said}"
            for one in self.findings
            if one.level is Level.FAIL and one.check != NO_BROKER
        ]
        return failed + [f"{clip.clip}: {what}" for clip in self.clips for what in clip.different]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole check.

    Attributes:
        format: of this file.
        date: when, UTC.
        emulator: QEMU's version.
        cpu: that it imitates.
        processor: of this machine.
        reference: what the program says of this machine.
        suites: the Debians.
    """

    format: int = 1
    date: str
    emulator: str
    cpu: str
    processor: str
    reference: Machine
    suites: list[SuiteResult]

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be, with its suite."""
        return [f"{suite.suite}: {what}" for suite in self.suites for what in suite.wrong]


def write_report(report: Report, path: Path) -> None:
    """Writes the result.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror})") from error


def read_report(path: Path) -> Report:
    """Reads a result.

    Raises:
        ConfigError: there is none, or it is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); run arm64-check without --render") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: is no result of arm64-check ({error})") from error
