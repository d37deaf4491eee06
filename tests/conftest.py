"""Fixtures for all tests: where things lie, whether they are here, free ports, and throw-away certificates."""

from __future__ import annotations

import datetime as dt
import gc
import ipaddress
import sqlite3
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest

from benchmarks.ports import hold_port, port_of
from scripts.programs import MAY_SKIP, PACKAGES, find_program, may_skip

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout's root."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """Clips and data beside the checkout, which are not part of it."""
    folder = REPO.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the clips and data in ../shared, which is not here")
    return folder


@pytest.fixture(scope="session")
def clips(shared: Path) -> Path:
    """Videos of people, for replays."""
    folder = shared / "clips"
    if not folder.is_dir():
        pytest.skip("needs the videos in ../shared/clips, which are not here")
    return folder


def _missing(what: str) -> NoReturn:
    if may_skip():
        pytest.skip(what)
    pytest.fail(f"{what} (or accept the skip: {MAY_SKIP}=1)", pytrace=False)


def _program(name: str) -> str:
    return find_program(name) or _missing(f"needs {name}: apt-get install {' '.join(PACKAGES[name])}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked with the programs that it needs fails without one, before anything is set up."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            _program(name)


class _Database(sqlite3.Connection):
    """Tells when it is dropped before it was closed. Python 3.13 warns of that, in whichever test comes next."""

    open: ClassVar[weakref.WeakSet[_Database]] = weakref.WeakSet()
    left: ClassVar[list[str]] = []
    before: ClassVar[int] = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        caller = traceback.extract_stack(limit=2)[0]
        self._opened = f"{caller.filename}:{caller.lineno}"
        self.open.add(self)

    def close(self) -> None:
        super().close()
        self.open.discard(self)
        self._opened = ""

    def __del__(self) -> None:
        if opened := getattr(self, "_opened", ""):
            self.left.append(opened)
            super().close()


@pytest.fixture(scope="session", autouse=True)
def noticed_databases() -> Iterator[None]:
    """Has every test open its databases in a way that tells of one that is left open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_Database))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Notes which databases are open before a test: those of fixtures that outlive it."""
    _Database.before = len(_Database.open)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """A test that leaves a database open fails itself."""
    yield
    if len(_Database.open) > _Database.before:
        gc.collect()  # what only refers to itself
    left = list(dict.fromkeys(_Database.left))
    _Database.left.clear()
    if left:
        pytest.fail(f"left a database open: {', '.join(left)}", pytrace=False)


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """Ends a test for want of something that `make test` brings.

    The test fails with the given line, or is skipped where AFFECT_EDGE_SKIP=1 accepts that.
    """
    return _missing


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Path of a program of `scripts/programs.py`; a test that needs a missing one fails and says what to install."""
    return _program


@pytest.fixture(scope="session")
def needs_mosquitto() -> str:
    """The broker's program."""
    return _program("mosquitto")


@pytest.fixture(scope="session")
def draw_clip() -> Callable[[Path, float], Path]:
    """Writes so many seconds of the drawn scene as MJPEG in AVI, 320×240 at 10 frames a second."""
    import cv2

    from edge.demo.scene import Scene

    def draw(path: Path, seconds: float) -> Path:
        scene, writer = Scene(320, 240), cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
        assert writer.isOpened(), "OpenCV cannot write MJPEG into AVI here"
        for index in range(round(seconds * 10)):
            writer.write(cv2.cvtColor(scene.draw(index / 10), cv2.COLOR_RGB2BGR))
        writer.release()
        return path

    return draw


@pytest.fixture
def free_ports() -> Iterator[Callable[[], int]]:
    """Gives ports of the loopback that nobody else gets while the test lasts."""
    with ExitStack() as held:
        yield lambda: port_of(held.enter_context(hold_port()))


@pytest.fixture
def free_port(free_ports: Callable[[], int]) -> int:
    """One port of `free_ports`."""
    return free_ports()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority and what it signed, as NAME.pem and NAME.key.

    `ca` and `foreign` are authorities. `ca` signed `here` (for localhost and 127.0.0.1), `elsewhere` (another host),
    `door` (a device) and `expired` (as `here`, until yesterday).
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("tls")
    now, day = dt.datetime.now(dt.timezone.utc), dt.timedelta(days=1)
    loopback = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    keys, names = {}, {}

    def certify(name: str, signer: str, places: list[x509.GeneralName], end: dt.datetime) -> None:
        keys[name] = ec.generate_private_key(ec.SECP256R1())
        names[name] = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(
            names[signer], names[name], keys[name].public_key(), x509.random_serial_number(), now - 2 * day, end
        ).add_extension(x509.BasicConstraints(ca=name == signer, path_length=None), critical=True)
        if places:
            builder = builder.add_extension(x509.SubjectAlternativeName(places), critical=False)
        pem = builder.sign(keys[signer], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(pem)
        secret = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.key").write_bytes(keys[name].private_bytes(*secret))
        (folder / f"{name}.key").chmod(0o600)

    certify("ca", "ca", [], now + day)
    certify("foreign", "foreign", [], now + day)
    certify("here", "ca", loopback, now + day)
    certify("elsewhere", "ca", [x509.DNSName("broker.example")], now + day)
    certify("door", "ca", [x509.DNSName("door")], now + day)
    certify("expired", "ca", loopback, now - day)
    return folder
