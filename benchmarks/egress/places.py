"""Which files the process may use, by name and why; and names for paths, so that none of a machine shows."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import edge

_LIBRARIES = "program code and libraries"
_SYSTEM = (
    "/usr/lib/",
    "/usr/lib64/",
    "/lib/",
    "/lib64/",
    "/usr/local/lib/",
    "/usr/share/locale/",
)
# By name, since a reader of the report has a right to ask about each.
_READ = {
    r"<run>/(config\.toml|ca\.pem|password)": "configuration and credentials of the run",
    r"<run>|<code>": "a folder that was listed",
    r"<video>": "the video",
    r"<assets>/.*": "the face detector's file",
    r"/etc/(ld\.so\.cache|locale\.alias|ssl/openssl\.cnf|localtime)": "settings of the system's libraries",
    r"/usr/share/zoneinfo(/.*)?": "settings of the system's libraries",
    r"/etc/(hosts|(host|resolv|nsswitch|gai)\.conf|services|protocols)": "looking up the broker's address",
    r"/etc/passwd": "the user's home folder",
    r"/proc/self/(maps|status|stat|statm|cgroup|mountinfo|auxv|limits|task)": "what the process may know of itself",
    r"/proc/(\d+|self)/(cgroup|maps|status)": "what the process may know of itself",
    r"/proc/(cpuinfo|meminfo|stat|mounts|filesystems|version)": "number of cores and memory",
    r"/proc/sys/(kernel/random/boot_id|kernel/[a-z_]+|vm/[a-z_]+)": "settings of the kernel",
    r"/sys/devices/system/(cpu|node)(/.*)?|/sys/fs/cgroup/.*|/sys/kernel/mm/.*": "number of cores and memory",
    r"/sys/(class/(thermal|hwmon)|devices/(platform|virtual/thermal))(/.*)?": "the board's temperature and throttling",
    r"/proc/device-tree/.*": "which board it is",
    r"/run/systemd/timesync(/.*)?": "whether the clock is right",
    r"/dev/(null|urandom|random)": "nothing, and random numbers",
}
_WRITTEN = {
    r"<run>/outbox\.db(-wal|-journal)?": "the outbox",
    r"<run>/keys": "the instrument's own file: TLS session keys",
    r"/dev/null": "nothing",
}


class Places:
    """Turns paths into names and knows which may be used.

    Args:
        run: folder of the run.
        video: the file that is replayed.
        assets: folder of the face detector's file.
    """

    def __init__(self, run: Path, video: Path, assets: Path) -> None:
        code = Path(edge.__file__).resolve().parent
        # An environment may borrow the packages of another one.
        borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        python = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *borrowed}
        named = {str(video): "<video>", str(run): "<run>", str(assets): "<assets>", str(code): "<code>"}
        named |= {str(Path(__file__).parent): "<instrument>"}
        for path in python:
            named |= {path: "<python>", str(Path(path).resolve()): "<python>"}
        named |= {str(code.parent): "<checkout>", str(Path.home()): "<home>"}
        # The longest first: a folder may lie within another one that has a name too.
        self._named = sorted(named.items(), key=lambda entry: -len(entry[0]))
        self._run = run

    def name(self, path: str) -> str:
        """A path as it is shown."""
        full = path if path.startswith("/") else str((self._run / path).absolute())
        full = re.sub(r"/\./|//", "/", full).removesuffix("/.") or "/"
        for place, name in self._named:
            if full == place or full.startswith(place + "/"):
                return name + full[len(place) :]
        return full

    def reading(self, name: str) -> tuple[str, str] | None:
        """What to list for a file that was read, and why it is known; None when it is not."""
        for pattern, why in _READ.items():
            if re.fullmatch(pattern, name):
                return name, why
        for place in ("<python>", "<code>", "<instrument>"):
            if name == place or name.startswith(place + "/"):
                return f"{place}/…", _LIBRARIES
        if name == "<checkout>":
            return name, "a folder that was listed"
        if name.startswith(_SYSTEM):
            return "/usr/lib/… and /lib/…", "libraries of the system"
        return None

    def writing(self, name: str) -> str | None:
        """Why a file may be opened for writing; None when it may not."""
        return next((why for pattern, why in _WRITTEN.items() if re.fullmatch(pattern, name)), None)
