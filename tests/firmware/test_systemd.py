"""The units: how exposed they are, whether systemd understands them, and whether they let the device do its work."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "firmware_config" / "systemd"
NAMES = ("affect-edge.service", "affect-edge@.service")
needs_systemd = pytest.mark.needs("systemd-analyze")


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def install(tmp_path: Path):
    """Puts a unit, and drop-ins to it, where systemd-analyze reads them; the program is one that exists here."""

    def install(name: str, *drop_ins: str, change: tuple[str, str] = ("", "")) -> Path:
        text = (UNITS / name).read_text().replace("/opt/affect-edge/bin/affect-edge", shutil.which("true") or "")
        assert change[0] in text
        path = tmp_path / name.replace("@.", "@door.")
        path.write_text(text.replace(*change) if change[0] else text)
        for drop_in in drop_ins:
            folder = tmp_path / f"{path.name}.d"
            folder.mkdir(exist_ok=True)
            shutil.copy(UNITS / drop_in, folder)
        return path

    return install


def exposure(unit: Path, *drop_ins: str) -> float:
    text = unit.read_text()
    for drop_in in drop_ins:  # 252 reads no drop-ins beside a file given by its path; a later assignment wins alike
        text += (UNITS / drop_in).read_text()
    unit.write_text(text)
    done = analyze("security", "--offline=true", unit)
    return float(re.findall(r"exposure level for \S+: ([\d.]+)", done.stdout + done.stderr)[0])


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_the_unit_is_hardly_exposed(install, name):
    assert exposure(install(name)) <= 1.5


@needs_systemd
def test_a_broker_on_the_network_and_a_jetson_open_little(install):
    assert exposure(install(NAMES[0]), "broker.conf") <= 1.5
    assert exposure(install(NAMES[0]), "metrics.conf") <= 1.5
    assert exposure(install(NAMES[0]), "jetson/jetson.conf") <= 2.0


@needs_systemd
def test_the_measure_notices_a_hole(install):
    as_it_is = exposure(install(NAMES[0]))
    assert exposure(install(NAMES[0], change=("PrivateUsers=yes", "PrivateUsers=no"))) > as_it_is
    loose = install(NAMES[0], change=("CapabilityBoundingSet=\n", "CapabilityBoundingSet=CAP_SYS_ADMIN\n"))
    assert exposure(loose) > 1.5


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_systemd_understands_the_unit(install, name):
    done = analyze("verify", install(name))
    said = [line for line in (done.stdout + done.stderr).splitlines() if "affect-edge" in line]
    assert (done.returncode, said) == (0, [])


@needs_systemd
def test_verify_notices_a_word_that_is_none(install):
    done = analyze("verify", install(NAMES[0], change=("PrivateUsers=yes", "PrivateUserz=yes")))
    assert "PrivateUserz" in done.stderr + done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_keeps_what_the_promise_rests_on(name):
    text = (UNITS / name).read_text()
    for line in (
        "MemorySwapMax=0",
        "LimitCORE=0",
        "IPAddressDeny=any",
        "CapabilityBoundingSet=",
        "DevicePolicy=closed",
        "StartLimitIntervalSec=0",
        "Type=notify",
        "WatchdogSec=180",
        "DynamicUser=yes",
    ):
        assert f"\n{line}\n" in text


def test_the_two_units_differ_in_their_instance_only():
    plain, template = ((UNITS / name).read_text() for name in NAMES)
    changed = [line for line in template.splitlines() if line not in plain.splitlines()]
    assert all(re.search("%i|@", line) for line in changed)
    assert len(changed) == 6
