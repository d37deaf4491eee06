"""The machine: its accelerator, power, heat, clock, memory and disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge.clock import Clock
from edge.config import Config, EngineConfig
from edge.doctor.finding import Finding, failed, failed_with, passed, skipped, warned
from edge.engines.delegate import probe_delegate
from edge.errors import EngineError
from edge.setup.inventory import coral_speed

_USB3_MBIT = 5000.0
_LOW_DISK_MB = 100.0


def check_accelerator(engine: EngineConfig, *, root: Path = Path("/")) -> list[Finding]:
    """The configured delegate: loads in a process of its own; where a Coral sits, and at which speed."""
    if not engine.delegate:
        return [skipped("accelerator", "none is configured; the CPU computes")]
    findings = []
    speed = coral_speed(root)
    if engine.delegate_options.get("device", "usb") == "usb" and "edgetpu" in engine.delegate:
        if speed is None:
            fix = "plug it in; if it is, `lsusb` shows 1a6e:089a or 18d1:9302; try another cable and port"
            findings.append(failed("accelerator", "no Coral USB Accelerator is on any USB bus", fix))
        elif speed < _USB3_MBIT:
            fix = "use a USB 3 port (blue) and a USB 3 cable; at this speed a face takes 100 to 200 ms"
            findings.append(warned("accelerator bus", f"Coral at {speed:g} Mbit/s", fix))
        else:
            findings.append(passed("accelerator bus", f"Coral at {speed:g} Mbit/s"))
    try:
        probe_delegate(engine)
        findings.append(passed("accelerator", f"{engine.delegate} loads"))
    except EngineError as error:
        finding = failed_with("accelerator", error)
        if engine.delegate_fallback:
            finding = warned(finding.check, f"{finding.said}; the CPU computes instead", finding.fix)
        findings.append(finding)
    return findings


def check_clock(clock: Clock) -> list[Finding]:
    """Whether the system's clock is synchronized; windows wait for it."""
    clock.refresh()
    if clock.synced():
        return [passed("clock", "synchronized")]
    fix = "`timedatectl set-ntp true`, and let NTP (UDP 123) out; until then windows wait, and are stamped later"
    return [warned("clock", "not synchronized", fix)]


def check_storage(path: Path, config: Config) -> list[Finding]:
    """Whether the outbox's folder can be written and has room. `path` is the database's."""
    folder = next((parent for parent in path.parents if parent.exists()), Path("/"))
    if not os.access(folder, os.W_OK):
        fix = "set outbox.path to a folder that this user may write, or give it this one"
        return [failed("outbox", f"{path} cannot be written", fix)]
    free_mb = shutil.disk_usage(folder).free / 1e6
    findings = [passed("outbox", f"{path} can be written")]
    if free_mb < _LOW_DISK_MB + config.outbox.max_mb:
        fix = f"free some, or lower outbox.max_mb from {config.outbox.max_mb:g}"
        findings.append(warned("disk", f"{free_mb:.0f} MB free", fix))
    else:
        findings.append(passed("disk", f"{free_mb:.0f} MB free"))
    return findings
