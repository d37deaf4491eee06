"""What lies where in the package. The one place that knows; it moves files and changes none but the units."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from firmware_config.debian.control import write_changelog
from firmware_config.debian.copyright import write_copyright
from firmware_config.debian.manual import write_manual
from firmware_config.debian.target import ROOT, Target
from firmware_config.errors import PackageError

FILES = Path(__file__).parent / "files"
UNITS = ("affect-edge.service", "affect-edge@.service")
SCRIPTS = ("postinst", "prerm", "postrm")
HOME = "usr/lib/affect-edge"
_DOC = "usr/share/doc/affect-edge"
_CHECKOUT = ROOT / "firmware_config"
# The units are written for an environment under /opt; in the package they differ in these words and in nothing else.
_UNIT_CHANGES = (
    ("/opt/affect-edge/bin/affect-edge", "/usr/bin/affect-edge"),
    ("# (a virtual environment) and the configuration", "# and the configuration"),
)
_UNIT_HEAD = "The device as a service."


def lay_out(tree: Path, target: Target, *, epoch: int) -> None:
    """Puts everything but the control files beside the runtime, which lies at `site_packages(tree, target)` already.

    Args:
        tree: the package's root.
        target: for which machine it is.
        epoch: the build's date, seconds since 1970.

    Raises:
        PackageError: a unit no longer says what is changed in it.
    """
    _environment(tree, target)
    _put(tree, "usr/bin/affect-edge", FILES / "affect-edge", mode=0o755)
    _put(tree, f"{HOME}/bin/affect-edge", FILES / "main.py")
    _put(tree, "usr/share/affect-edge/config.toml", FILES / "config.toml")
    for name in UNITS:
        _write(tree, f"usr/lib/systemd/system/{name}", packaged_unit((_CHECKOUT / "systemd" / name).read_text("utf-8")))
    _put(tree, "usr/lib/udev/rules.d/65-affect-edge.rules", _CHECKOUT / "udev/65-affect-edge.rules")
    _documents(tree, target, epoch)


def site_packages(tree: Path, target: Target) -> Path:
    """Where the packages lie; the folder of a virtual environment, so that what Python starts finds them too."""
    return tree / HOME / "lib" / f"python{target.python}" / "site-packages"


def packaged_unit(text: str) -> str:
    """A unit as the package has it.

    Raises:
        PackageError: it no longer says what is changed in it.
    """
    for old, new in _UNIT_CHANGES:
        if old not in text:
            raise PackageError(f"firmware_config/systemd: no unit says {old!r} any more; correct debian/tree.py")
        text = text.replace(old, new)
    first, _, rest = text.partition("\n")
    if _UNIT_HEAD not in first:
        raise PackageError("firmware_config/systemd: a unit begins with other words; correct debian/tree.py")
    return f"# {_UNIT_HEAD} From the package affect-edge, with affect-edge in /usr/lib/affect-edge\n{rest}"


def _environment(tree: Path, target: Target) -> None:
    """A virtual environment of the system's Python; it sees the system's packages (python3-picamera2) after its own."""
    settings = f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {target.python}\n"
    _write(tree, f"{HOME}/pyvenv.cfg", settings)
    link = tree / HOME / "bin/python3"
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/bin/python3")


def _documents(tree: Path, target: Target, epoch: int) -> None:
    site = site_packages(tree, target)
    _write(tree, f"{_DOC}/copyright", write_copyright(site, f"/{site.relative_to(tree)}"))
    _put(tree, f"{_DOC}/NOTICE", ROOT / "NOTICE")
    _compress(tree, f"{_DOC}/changelog.gz", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    _compress(tree, f"{_DOC}/changelog.Debian.gz", write_changelog(target, epoch))
    _compress(tree, "usr/share/man/man1/affect-edge.1.gz", write_manual(epoch))
    _put(tree, f"{_DOC}/examples/config.toml", ROOT / "examples/config.toml")
    for name in ("broker.conf", "metrics.conf", "web.conf", "jetson/jetson.conf"):
        _put(tree, f"{_DOC}/examples/systemd/{Path(name).name}", _CHECKOUT / "systemd" / name)
    _put(tree, "usr/share/lintian/overrides/affect-edge", FILES / "lintian-overrides")


def _put(tree: Path, name: str, source: Path, mode: int = 0o644) -> None:
    target = tree / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _write(tree: Path, name: str, text: str) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _compress(tree: Path, name: str, text: str) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
