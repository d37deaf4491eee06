"""Runs README's first two commands in fresh Debian systems, and writes down how they ended.

    python3 scripts/fresh_check.py bookworm trixie

A system is a folder that debootstrap fills, with Python, make and git and nothing else. It is kept as an archive under
.venv/roots and unpacked anew for each run. The checkout's last commit is cloned into it. Packages come from where this
machine's apt and pip take theirs: no address stands here or in the record. Needs root, for chroot and mount.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROOTS = ROOT / ".venv" / "roots"
RECORD = ROOT / "docs" / "fresh-check.json"
PAGE = ROOT / "CONTRIBUTING.md"
NAMES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
INCLUDED = "python3,python3-venv,make,git"
CHECKOUT = "root/affect-edge"  # in the system
HOME = "/root"
_RESULT = "root/result.xml"
# The first process of its namespaces: the system's root, a file for the names of what goes on at the end, a command.
SESSION = """set -eu
root=$1 left=$2
shift 2
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$root${2%/*}"; touch "$root$2"; fi
    mount --bind "$1" "$root$2"
    shift 2
done
shift
code=0
chroot "$root" "$@" </dev/null || code=$?
sleep 1
for process in "$root"/proc/[0-9]*; do
    [ "${process##*/}" = 1 ] || cat "$process/comm" >> "$left" 2>/dev/null || true
done
exit $code
"""


class CheckError(Exception):
    """The check cannot be made here; says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How README's commands ended in one system.

    Attributes:
        commit: that was cloned into it.
        python: version there.
        demo_s, test_s: wall time in seconds, with all that was installed.
        demo, test: whether the command succeeded.
        passed, failed: tests; an error counts as failed.
        skipped: reason to how many tests.
        left: names of processes that were still there when a command had ended.
    """

    commit: str
    python: str
    demo: bool
    demo_s: int
    test: bool
    test_s: int
    passed: int
    failed: int
    skipped: dict[str, int]
    left: list[str]


def main() -> int:
    """Runs from the command line; the exit code is 1 when a command failed or left a process, 2 when none could run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", choices=sorted(NAMES))
    parser.add_argument("--again", action="store_true", help="go on in the system of the last run, with the new commit")
    arguments = parser.parse_args()
    try:
        require_tools()
        outcomes = {suite: check(suite, again=arguments.again) for suite in arguments.suites}
    except (CheckError, subprocess.CalledProcessError) as error:
        print(f"fresh-check: {error}", file=sys.stderr)
        return 2
    write(outcomes)
    return 0 if all(one.demo and one.test and not one.left for one in outcomes.values()) else 1


def require_tools() -> None:
    """Refuses where a system cannot be made.

    Raises:
        CheckError: no root, or no debootstrap.
    """
    if os.geteuid() != 0:
        raise CheckError("needs root, for chroot and mount: sudo make fresh-check")
    if shutil.which("debootstrap") is None:
        raise CheckError("needs debootstrap: apt-get install debootstrap")
    if changed := _output("git", "status", "--porcelain", "--untracked-files=no"):
        print(f"The last commit is checked, without what {len(changed.splitlines())} changed files say")


def check(suite: str, *, again: bool) -> Outcome:
    """Runs both commands in one system; it is removed when both succeeded."""
    system = ROOTS / suite
    if not again or not system.exists():
        unpack(suite, system)
        _call("git", "clone", "--quiet", str(ROOT), str(system / CHECKOUT))
    else:
        _call("git", "-C", str(system / CHECKOUT), "fetch", "--quiet", str(ROOT), "HEAD")
        _call("git", "-C", str(system / CHECKOUT), "reset", "--quiet", "--hard", "FETCH_HEAD")
    commit = _output("git", "-C", str(system / CHECKOUT), "rev-parse", "--short=12", "HEAD").strip()
    (system / _RESULT).unlink(missing_ok=True)
    python, _, _ = run(system, "version", "python3 --version")
    demo, demo_s, left = run(system, "demo", "make demo")
    test, test_s, more = run(system, "test", "make test")
    version = (ROOTS / f"{suite}-version.log").read_text("utf-8").split()[-1] if python else "unknown"
    passed, failed, skipped = read_result(system / _RESULT)
    outcome = Outcome(
        commit=commit,
        python=version,
        demo=demo,
        demo_s=demo_s,
        test=test,
        test_s=test_s,
        passed=passed,
        failed=failed,
        skipped=skipped,
        left=sorted({*left, *more}),
    )
    if demo and test:
        shutil.rmtree(system)
    return outcome


def base_of(suite: str) -> Path:
    """The archive of a suite's system; made where it is not there."""
    archive, fresh = ROOTS / f"{suite}.tar", ROOTS / f"{suite}.new"
    if not archive.is_file():
        print(f"Making {NAMES[suite]}", flush=True)
        ROOTS.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", suite, str(fresh), *mirror()]
        _call(*command, log=ROOTS / f"{suite}-debootstrap.log")
        shutil.rmtree(fresh / "var/cache/apt/archives")
        partial = archive.with_suffix(".partial")
        _call("tar", "--numeric-owner", "-cpf", str(partial), "-C", str(fresh), ".")
        partial.replace(archive)
        shutil.rmtree(fresh)
    return archive


def unpack(suite: str, system: Path) -> None:
    """A fresh system out of its archive."""
    archive = base_of(suite)
    shutil.rmtree(system, ignore_errors=True)
    system.mkdir()
    _call("tar", "--numeric-owner", "-xpf", str(archive), "-C", str(system))
    if (system / "proc").is_symlink():  # in a container debootstrap links it to itself
        (system / "proc").unlink()
        (system / "proc").mkdir()
    (system / "var/cache/apt/archives/partial").mkdir(parents=True, exist_ok=True)
    shutil.copyfile("/etc/resolv.conf", system / "etc/resolv.conf")
    (system / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")  # an installer writes it


def mirror() -> list[str]:
    """Where this machine's apt takes Debian's main archive from; empty where it has none, debootstrap knows one."""
    wanted = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    here = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text("utf-8"), re.MULTILINE)
    for line in _output("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines():
        address, codename, component = line.rsplit(" ", 2)
        if here and codename == here[1] and component == "main":
            return [address]
    return []


def run(system: Path, name: str, command: str, folder: str = f"/{CHECKOUT}") -> tuple[bool, int, list[str]]:
    """Runs one command in a folder there; returns success, seconds, and the names of processes that it left."""
    log, left = ROOTS / f"{system.name}-{name}.log", ROOTS / f"{system.name}-{name}.left"
    left.write_text("")
    variables, binds = surroundings(system)
    inside = ["env", "-i", *(f"{key}={value}" for key, value in variables.items())]
    inside += ["sh", "-c", f"cd {folder} && exec {command}"]
    walls = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    mounts = [part for source, target in binds for part in (source, target)]
    begun_s = time.monotonic()
    with log.open("wb") as file:
        done = subprocess.run(
            [*walls, "sh", "-c", SESSION, "fresh-check", str(system), str(left), *mounts, "--", *inside],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    seconds = round(time.monotonic() - begun_s)
    print(f"{system.name}: {command}: exit code {done.returncode} after {seconds} s; {log}", flush=True)
    return done.returncode == 0, seconds, left.read_text("utf-8").split()


def surroundings(system: Path) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Environment and bind mounts of a command: pip there takes packages from where pip here does.

    This machine's settings of pip go into the system's own file; what they name on this disk is mounted there too.
    """
    variables = {"HOME": HOME, "LANG": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CI": "true"}
    variables |= {"PYTEST_ADDOPTS": f"--junitxml=/{_RESULT}"}
    variables |= {
        key: value for key, value in os.environ.items() if key.lower().endswith("_proxy") or key.startswith("OPENBLAS_")
    }
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    settings = {}
    said = _output(*pip, "config", "list").splitlines()
    for line in sorted(said, key=lambda line: line.startswith(":env:")):  # the environment has the last word
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2]] = value.strip("'\"")
    binds = []
    for word in sorted({word for value in settings.values() for word in shlex.split(value)}):
        place = Path(word.removeprefix("file://"))
        if place.is_absolute() and place.exists():
            place = place.parent if word.startswith("file://") else place  # an index lies beside its files
            binds.append((str(place), str(place)))
    cache = Path(_output(*pip, "cache", "dir").strip())
    cache.mkdir(parents=True, exist_ok=True)
    binds.append((str(cache), f"{HOME}/.cache/pip"))
    lines = ["[global]", *(f"{key} = {value}" for key, value in settings.items())]
    (system / "etc/pip.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return variables, binds


def read_result(path: Path) -> tuple[int, int, dict[str, int]]:
    """Tests passed, failed and, by reason, skipped, out of what pytest wrote; all 0 where it did not get so far."""
    skipped: Counter[str] = Counter()
    passed = failed = 0
    for case in ET.parse(path).iter("testcase") if path.exists() else ():  # noqa: S314 - our own pytest wrote it
        kinds = {child.tag: child for child in case}
        if "failure" in kinds or "error" in kinds:
            failed += 1
        elif "skipped" in kinds:
            skipped[re.sub(r"\s+", " ", kinds["skipped"].get("message", ""))] += 1
        else:
            passed += 1
    return passed, failed, dict(sorted(skipped.items()))


def write(outcomes: dict[str, Outcome]) -> None:
    """Puts the outcomes into the record, beside those of other systems, and its table into `CONTRIBUTING.md`."""
    record = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    where = f"{os.cpu_count()} cores, {platform.machine()}"
    for suite, outcome in outcomes.items():
        record[suite] = {"date": time.strftime("%Y-%m-%d"), "machine": where} | asdict(outcome)
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    page = PAGE.read_text("utf-8")
    before, begin, rest = page.partition("<!-- fresh-check -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    PAGE.write_text(before + begin + table(record) + end + after, encoding="utf-8")


def table(record: dict[str, dict[str, Any]]) -> str:
    """The record as a table."""
    head = ["System", "Python", "`make demo`", "`make test`", "passed", "failed", "skipped", "commit"]
    rows = [head, ["---"] * len(head)]
    for suite, one in sorted(record.items()):
        ended = [f"{one[f'{name}_s']} s" + ("" if one[name] else ", failed") for name in ("demo", "test")]
        counts = [one["passed"], one["failed"], sum(one["skipped"].values())]
        rows.append([NAMES[suite], str(one["python"]), *ended, *map(str, counts), str(one["commit"])])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _call(*command: str, log: Path | None = None) -> None:
    """Runs a program that has to succeed."""
    if log is None:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return
    with log.open("wb") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise CheckError(f"{command[0]} failed; see {log}")


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
