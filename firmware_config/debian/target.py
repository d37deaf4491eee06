"""For which machine a package is: architecture, Python, and what follows from the two."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError
from edge.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}  # Debian's name: the wheels' name
PYTHONS = ("3.11", "3.12", "3.13")  # Debian 12, Ubuntu 24.04, Debian 13
_REVISION = 1
# What wheels may be built against: pip takes these as they are written and derives no older ones from the newest.
_GLIBC = ("2_28", "2_27", "2_26", "2_24", "2_17")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One package.

    Attributes:
        architecture: as Debian calls it, `arm64` or `amd64`.
        python: the system's, as `3.11`.

    Raises:
        ConfigError: there is no package for it.
    """

    architecture: str
    python: str

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ConfigError(f"ARCH={self.architecture}: choose one of {', '.join(ARCHITECTURES)}")
        if self.python not in PYTHONS:
            raise ConfigError(
                f"PY={self.python}: choose one of {', '.join(PYTHONS)}; "
                "on another Python install the wheel into a virtual environment (firmware_config/systemd)"
            )

    @property
    def version(self) -> str:
        """The package's; one for a newer Python is newer, so that a system's upgrade takes it."""
        return f"{VERSION}-{_REVISION}+py{self.python}"

    @property
    def file_name(self) -> str:
        return f"affect-edge_{self.version}_{self.architecture}.deb"

    @property
    def platforms(self) -> list[str]:
        """The wheels' platform tags that may be taken."""
        return [f"manylinux_{glibc}_{ARCHITECTURES[self.architecture]}" for glibc in _GLIBC]

    @property
    def constraints(self) -> Path:
        """The file of pinned versions.

        Raspberry Pi OS 12 is the reason for two: its python3-picamera2 loads extensions compiled for NumPy 1 and
        fails under NumPy 2 (raspberrypi/picamera2 issues 1088 and 1211). Its package takes the pins with NumPy 1.26.
        """
        old_camera_stack = self.architecture == "arm64" and self.python == "3.11"
        return ROOT / ("constraints-tflite.txt" if old_camera_stack else "constraints.txt")

    @property
    def lock(self) -> Path:
        """The list of wheels by SHA-256 that a package is built from, of the versions in `constraints`."""
        suffix = self.constraints.stem.removeprefix("constraints")  # `` or `-tflite`
        return ROOT / "firmware_config" / "debian" / f"lock{suffix}.txt"

    @property
    def depends(self) -> list[str]:
        """What the package depends on.

        Written by hand, since dpkg-shlibdeps wants the other architecture's libraries installed. The wheels promise
        by their tag to need glibc 2.28 or older and a GCC 8 libstdc++; which libraries they name is checked when the
        package is built (`runtime.NEEDED`).
        """
        major, minor = self.python.split(".")
        return [
            f"python3 (>= {self.python})",
            f"python3 (<< {major}.{int(minor) + 1})",
            "libc6 (>= 2.28)",
            "libgcc-s1",
            "libstdc++6 (>= 8)",
            "zlib1g",
        ]


def read_name(file_name: str) -> Target:
    """The target that a package's file name says.

    Raises:
        ConfigError: it is no name of ours.
    """
    found = re.fullmatch(r"affect-edge_[^_]+\+py([\d.]+)_(\w+)\.deb", file_name)
    if found is None:
        raise ConfigError(f"{file_name}: is no package of ours; `make deb` makes them")
    return Target(architecture=found[2], python=found[1])
