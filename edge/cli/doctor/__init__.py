"""`affect-edge doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from edge.cli import app
from edge.cli.doctor.examination import examine
from edge.cli.doctor.finding import EXIT_CODES, Finding, Level, worst
from edge.cli.doctor.sandbox import sandboxed
from edge.cli.init.drop_in import unit_name
from edge.clock import SystemClock
from edge.config import load_config

_COLOURS = {Level.PASS: "green", Level.SKIP: "dim", Level.WARN: "yellow", Level.FAIL: "bold red"}


@app.command(epilog="Example: sudo affect-edge doctor --config /etc/affect-edge/config.toml --sandbox")
def doctor(
    config: Annotated[Path, typer.Option(help="The device's configuration, TOML.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Look from inside the service's own sandbox; needs root and systemd.")
    ] = False,
    instance: Annotated[str, typer.Option(help="The service is affect-edge@INSTANCE.")] = "",
) -> None:
    """Look at camera, accelerator, clock, disk, broker and model, and say for each what to do.

    No picture is shown or kept. Stop the service first, or its camera is busy. The broker gets one empty message on
    the topic …/trial. Exit code: 0 all is well, 10 something could be better, 11 the device does not do its work like
    this.
    """
    unit = unit_name(instance)
    if sandbox:
        again = [sys.executable, "-m", "edge", "doctor", "--config", str(config.absolute()), "--instance", instance]
        command = sandboxed(unit, [*again, *(["--json"] if json else [])])
        raise typer.Exit(subprocess.run(command, check=False).returncode)
    console = Console(highlight=False, soft_wrap=True)
    findings: list[Finding] = []
    for part in examine(load_config(config), SystemClock(), unit=unit):
        findings += part
        if not json:
            for finding in part:
                console.print(_line(finding))
    level = worst(findings)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode({"worst": level, "findings": findings}), indent=2).decode())
    else:
        console.print(_summary(findings, level))
    raise typer.Exit(EXIT_CODES[level])


def _line(finding: Finding) -> Text:
    line = Text.assemble((f"{finding.level.value:<5}", _COLOURS[finding.level]), f" {finding.check:<16} {finding.said}")
    return line.append(f"\n      {'':<16} → {finding.fix}") if finding.fix else line


def _summary(findings: list[Finding], level: Level) -> str:
    count = {kind: sum(finding.level is kind for finding in findings) for kind in Level}
    words = {Level.FAIL: "this device does not do its work like this", Level.WARN: "it works, and could work better"}
    return f"\n{count[Level.PASS]} pass, {count[Level.WARN]} warn, {count[Level.FAIL]} fail: " + words.get(
        level, "all is well"
    )
