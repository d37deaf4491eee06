"""The machine: its accelerator, memory, heat and power, clock and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge.cli.doctor.finding import Finding, failed, failed_with, passed, skipped, warned, warned_if
from edge.cli.init.inventory import coral_speed
from edge.clock import Clock
from edge.config import Config, EngineConfig
from edge.contract import Board
from edge.errors import EdgeError, EngineError
from edge.memory import seal_memory
from edge.model.engines.delegate import probe_delegate
from edge.model.engines.litert import installed_runtimes

_USB3_MBIT = 5000.0
_HOT_C = 75.0  # a Raspberry Pi begins to slow down at 80
_LOW_DISK_MB = 100.0


def check_accelerator(engine: EngineConfig, *, root: Path = Path("/")) -> Iterator[Finding]:
    """The configured delegate: loads in a process of its own; where a Coral sits, and at which speed."""
    if not engine.delegate:
        yield skipped("accelerator", "none is configured, the CPU computes")
        return
    if engine.delegate_options.get("device", "usb") == "usb" and "edgetpu" in engine.delegate:
        yield _check_bus(coral_speed(root))
    try:
        probe_delegate(engine, installed_runtimes()[0] if engine.runtime == "auto" else engine.runtime)
        yield passed("accelerator", f"{engine.delegate} loads")
    except EngineError as error:
        if engine.delegate_fallback:
            yield warned("accelerator", f"{error.message}; the CPU computes instead", error.fix)
        else:
            yield failed_with("accelerator", error)


def _check_bus(speed: float | None) -> Finding:
    if speed is None:
        fix = "plug it in; if it is, `lsusb` shows 1a6e:089a or 18d1:9302; try another cable and port"
        return failed("accelerator", "no Coral USB Accelerator is on any USB bus", fix)
    fix = "use a USB 3 port (blue) and a USB 3 cable; at this speed a face takes 100 to 200 ms"
    return warned_if(speed < _USB3_MBIT, "accelerator bus", f"Coral at {speed:g} Mbit/s", fix)


def check_memory(config: Config) -> Finding:
    """Whether a live camera's pictures stay in memory. Seals this process for good."""
    if not config.camera.live:
        return skipped("memory", f"not sealed for camera {config.camera.backend}")
    try:
        if seal_memory():
            return passed("memory", "no core files, and nothing of it can be swapped out")
    except EdgeError as error:
        return failed_with("memory", error)
    fix = "LimitMEMLOCK=infinity in the service's unit (then look with --sandbox), or `swapoff -a` and no swap at boot"
    return failed("memory", "swap is on and memory cannot be locked: pictures could reach the disk", fix)


def check_heat_and_power(state: Board) -> Iterator[Finding]:
    """Temperature, throttling and supply, as far as the board tells."""
    if state.temperature_c is None:
        yield skipped("temperature", "this machine does not tell")
    else:
        fix = "give it air or a heat sink; a hot board slows itself down"
        yield warned_if(state.temperature_c >= _HOT_C, "temperature", f"{state.temperature_c:.0f} °C", fix)
    if state.under_voltage:
        fix = "use the supply made for this board and a short cable; a weak one makes cameras vanish"
        yield failed("power", "the supply is too weak now", fix)
    elif state.throttled or state.throttled_since_boot:
        when = "now" if state.throttled else "since it was started"
        fix = "cool it, or use a stronger supply; if the governor is set so on purpose, lower camera.fps"
        yield warned("power", f"held below its full speed {when}", fix)
    elif state.under_voltage is None and state.throttled is None:
        yield skipped("power", "this machine does not tell")
    else:
        yield passed("power", "enough, and not held back")


def check_clock(clock: Clock, config: Config) -> Finding:
    """Whether the system's clock is synchronized; opening hours and windows wait for it."""
    clock.refresh()
    if clock.synced():
        return passed("clock", "synchronized")
    fix, wait_s = "`timedatectl set-ntp true`, and let NTP (UDP 123) out", config.outbox.hold_unsynced_s
    if config.hours.open:
        return failed("clock", "not synchronized, so the camera stays closed: [hours] cannot be kept", fix)
    if not wait_s:
        return warned("clock", "not synchronized, and windows say so", fix)
    fix += "; on a machine that never tells, as in a container, set outbox.hold_unsynced_s = 0"
    return warned("clock", f"not synchronized, so each window waits for it, up to {wait_s:g} s", fix)


def check_storage(path: Path, config: Config) -> Iterator[Finding]:
    """Whether the outbox's folder can be written and has room. `path` is the database's."""
    folder = next((parent for parent in path.parents if parent.exists()), Path("/"))
    if not os.access(folder, os.W_OK):
        fix = "set outbox.path to a folder that this user may write, or give it this one"
        yield failed("outbox", f"{path} cannot be written", fix)
        return
    yield passed("outbox", f"{path} can be written")
    free_mb, fix = (
        shutil.disk_usage(folder).free / 1e6,
        f"free some, or lower outbox.max_mb from {config.outbox.max_mb:g}",
    )
    yield warned_if(free_mb < _LOW_DISK_MB + config.outbox.max_mb, "disk", f"{free_mb:.0f} MB free", fix)
