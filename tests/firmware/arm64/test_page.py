"""The page about the check: every number comes from the result, and what went wrong is said first."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edge.cli.doctor.finding import failed, passed
from edge.errors import ConfigError
from firmware_config.arm64.comparison import Comparison
from firmware_config.arm64.page import render, write_page
from firmware_config.arm64.record import Machine
from firmware_config.arm64.report import NO_BROKER, Report, SuiteResult, read_report, write_report

DOCS = Path(__file__).parents[3] / "docs"


def machine(system: str) -> Machine:
    return Machine(
        system=system,
        python="3.13.5",
        packages={"numpy": "2.4.6"},
        commit="0123456789abcdef",
        engine="litert",
        golden={"embedding": 0.0, "va": 0.00123},
    )


def clip(**changes: object) -> Comparison:
    made = Comparison(
        clip="the drawn scene",
        sha256="00",
        windows=3,
        steps=796,
        faces=4,
        visits=8,
        peak_simultaneous=4,
        scored_windows=2,
        window_max={"valence": 0.0, "arousal": 0.01},
        step_max={"valence": 0.0031, "arousal": 0.0042},
        step_mean={"valence": 0.0001, "arousal": 0.0002},
        different=[],
    )
    return msgspec.structs.replace(made, **changes)


def report(*findings: object, **changes: object) -> Report:
    suite = SuiteResult(
        suite="trixie",
        package="affect-edge_1_arm64.deb",
        sha256="00",
        machine=machine("Linux aarch64"),
        findings=list(findings) or [passed("bundle", "default 2")],
        clips=[clip(**changes)],
    )
    return Report(
        date="2026-11-26",
        emulator="7.2.22",
        cpu="cortex-a72",
        processor="A processor",
        reference=machine("Linux x86_64"),
        suites=[suite],
    )


def test_the_page_says_what_was_found_and_that_no_board_was_measured() -> None:
    page = render(report(), "arm64.json")
    assert "no count differs from this machine's, and no window's score by more than 0.00 / 0.01" in page
    assert "Of 796 single steps, none of which is ever sent, the furthest differ by 0.00 / 0.00." in page
    assert "**No board was measured.**" in page
    assert "times mean nothing" in page
    assert (
        "| trixie | the drawn scene | 3 | 2 | 8 | 4 | 796 | 0.00 / 0.01 | 0.0031 / 0.0042 | 0.0001 / 0.0002 |" in page
    )
    assert "| golden vectors, va | 0.00123 | 0.00123 |" in page


def test_tables_have_as_many_cells_in_each_row() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", render(report(), "arm64.json"), re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_a_difference_is_the_verdict() -> None:
    page = render(report(different=["steps: 1 of 796 only here"]), "arm64.json")
    assert "**Not the same: 1 findings, the first: trixie: the drawn scene: steps: 1 of 796 only here.**" in page


def test_a_failed_examination_is_wrong_but_for_the_broker_that_is_not_there() -> None:
    assert report(failed(NO_BROKER, "refused", "start it")).wrong == []
    assert report(failed("bundle", "altered", "fetch it")).wrong == ["trixie: doctor: bundle: altered"]


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "arm64.json"
    write_report(report(), path)
    assert read_report(path) == report()
    assert write_page(read_report(path), path).read_text() == render(report(), "arm64.json")


def test_what_is_no_result_is_named(tmp_path: Path) -> None:
    path = tmp_path / "arm64.json"
    with pytest.raises(ConfigError, match="run arm64-check without --render"):
        read_report(path)
    path.write_text('{"format": 1}')
    with pytest.raises(ConfigError, match="is no result of arm64-check"):
        read_report(path)


def test_the_page_in_docs_is_the_one_of_the_result_in_docs() -> None:
    if not (DOCS / "arm64.json").exists():
        pytest.skip("needs docs/arm64.json, which `make arm64-check` writes")
    found = read_report(DOCS / "arm64.json")
    assert (DOCS / "arm64.md").read_text(encoding="utf-8") == render(found, "arm64.json")
    assert found.wrong == []
    assert all(suite.machine.system == "Linux aarch64" for suite in found.suites)
