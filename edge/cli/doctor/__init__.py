"""`affect-edge doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from edge.audit import audit_log
from edge.board import read_board
from edge.cli import app, echo_json
from edge.cli.doctor.broker import check_broker, check_drop_in
from edge.cli.doctor.camera import check_camera
from edge.cli.doctor.finding import EXIT_CODES, Finding, Level, skipped, worst
from edge.cli.doctor.machine import check_accelerator, check_clock, check_heat_and_power, check_memory, check_storage
from edge.cli.doctor.model import check_deployment, check_detector, check_model, check_notice_and_log, check_store
from edge.cli.doctor.sandbox import sandboxed
from edge.cli.init.drop_in import unit_name
from edge.clock import Clock, SystemClock
from edge.config import Config, load_config
from edge.deployment import faults
from edge.device import origin_of
from edge.paths import CONFIGS

_COLOURS = {Level.PASS: "green", Level.SKIP: "dim", Level.WARN: "yellow", Level.FAIL: "bold red"}
_VERDICTS = {Level.FAIL: "this device does not do its work like this", Level.WARN: "it works, and could work better"}


@app.command(epilog="Example: sudo affect-edge doctor --sandbox")
def doctor(
    config: Annotated[
        Path | None, typer.Option(help="The device's configuration, TOML.", show_default=str(CONFIGS / "config.toml"))
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Look from inside the service's own sandbox; needs root and systemd.")
    ] = False,
    instance: Annotated[str, typer.Option(help="The service is affect-edge@INSTANCE.")] = "",
) -> None:
    """Look at camera, accelerator, clock, disk, broker and model, and say for each what to do.

    No picture is shown or kept. Stop the service first, or its camera is busy, and stand in front of the camera: faces
    in view are measured too. The broker gets one empty message on the topic …/trial. Exit code: 0 all is well,
    10 something could be better, 11 the device does not do its work like this.
    """
    unit, file = unit_name(instance), config or CONFIGS / f"{instance or 'config'}.toml"
    if sandbox:
        again = [sys.executable, "-I", "-m", "edge", "doctor", "--config", str(file.absolute()), "--instance", instance]
        command = sandboxed(unit, [*again, *(["--json"] if json else [])])
        raise typer.Exit(subprocess.run(command, check=False, cwd="/").returncode)
    console = Console(highlight=False, soft_wrap=True)
    findings: list[Finding] = []
    for finding in _examine(load_config(file), SystemClock(), unit):
        findings.append(finding)
        if not json:
            console.print(_line(finding))
    level = worst(findings)
    if json:
        echo_json({"worst": level, "findings": findings})
    else:
        count = [sum(finding.level is kind for finding in findings) for kind in (Level.PASS, Level.WARN, Level.FAIL)]
        console.print("\n{} pass, {} warn, {} fail: ".format(*count) + _VERDICTS.get(level, "all is well"))
    raise typer.Exit(EXIT_CODES[level])


def _examine(config: Config, clock: Clock, unit: str) -> Iterator[Finding]:
    """Everything, in the order in which an installer would look."""
    yield from check_deployment(config)
    bundle = yield from check_model(config)
    yield check_store(config)
    yield from check_notice_and_log(config, bundle)
    detector = yield from check_detector(config)
    yield from check_accelerator(config.engine)
    yield check_memory(config)
    if config.camera.live and not any(faults(config.deployment)):
        audit_log(config).try_append("doctor_looked", "")
    yield from check_camera(config, clock, detector)
    yield from check_heat_and_power(read_board())
    yield check_clock(clock, config)
    yield from check_storage(Path(config.outbox.path), config)
    if bundle is None:
        yield skipped("broker", "not tried without a model, whose name its messages carry")
    else:
        yield from check_broker(config, origin_of(config, bundle))
    yield check_drop_in(config, unit)


def _line(finding: Finding) -> Text:
    line = Text.assemble((f"{finding.level.value:<5}", _COLOURS[finding.level]), f" {finding.check:<16} {finding.said}")
    return line.append(f"\n      {'':<16} → {finding.fix}") if finding.fix else line
