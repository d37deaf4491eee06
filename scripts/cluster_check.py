"""What takes more than one machine's worth of programs: a RabbitMQ cluster that loses nodes, and Spark.

    python3 scripts/cluster_check.py [--out FOLDER]

Needs root. Makes a Debian 13 with RabbitMQ 4 under .venv/roots, runs `python -m benchmarks cluster` in it, then the
report's queries on a Spark of a driver and two workers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import fresh_check, programs
from scripts.fresh_check import ROOT, ROOTS

SYSTEM = ROOTS / "cluster"
PACKAGES = ["debootstrap", "openjdk-17-jre-headless"]  # Spark's Java
GROUP = ["install", "-qq", "-c", "constraints.txt", "--group", "analytics-cluster"]


def main() -> int:
    """Runs from the command line; the exit code is that of the first part that failed, or 2 when none could run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOTS, help="a folder for the records")
    arguments = parser.parse_args()
    try:
        if os.geteuid() == 0:
            programs.install(PACKAGES)
        fresh_check.require_tools()
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *GROUP], cwd=ROOT, check=True)
        make_root()
    except (fresh_check.CheckError, subprocess.CalledProcessError) as error:
        print(f"cluster-check: {error}", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "benchmarks", "cluster", "--system", str(SYSTEM), "--out", str(arguments.out)]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code:
        return code
    shutil.rmtree(SYSTEM)
    variables = os.environ | {"AFFECT_EDGE_CLUSTER": str(arguments.out.resolve())}
    spark = [sys.executable, "-m", "pytest", "tests/analytics/test_spark.py"]
    return subprocess.run(spark, cwd=ROOT, env=variables, check=False).returncode


def make_root() -> None:
    """A Debian 13 with RabbitMQ in it, started by nobody."""
    fresh_check.unpack("trixie", SYSTEM)
    lines = "apt-get update -qq && apt-get install -y -qq --no-install-recommends rabbitmq-server"
    with programs.services_held_back(SYSTEM / "usr/sbin/policy-rc.d"):
        done, _, _ = fresh_check.run(SYSTEM, "install", f"env DEBIAN_FRONTEND=noninteractive sh -c '{lines}'", "/root")
    if not done:
        raise fresh_check.CheckError(f"RabbitMQ cannot be installed; see {ROOTS}/{SYSTEM.name}-install.log")


if __name__ == "__main__":
    sys.exit(main())
