"""A CycloneDX bill of materials of a built package: every Python package, native library and model that lies in it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from edge.model.bundle import MANIFEST, load_bundle
from firmware_config.debian.lock import read_lock
from firmware_config.debian.target import Target, read_name
from firmware_config.errors import PackageError
from scripts.third_party_licences import licence_of, normalize

# What auditwheel puts beside a wheel: name, the first digits of its hash, and the version in front of or behind `.so`.
_VENDORED = re.compile(r"(lib.+?)-+[0-9a-f]{8}(?:-[0-9a-f]{8})?(?:\.(\d[\w.]*?))?\.so(?:\.(\w[\w.]*))?")


def write_sbom(package: Path, epoch: int) -> str:
    """The bill of materials as JSON; the same package and date give the same text.

    Args:
        package: a `.deb` of ours.
        epoch: the build's date, seconds since 1970.

    Raises:
        PackageError: the package cannot be read, or holds a package that its lock does not list.
    """
    target = read_name(package.name)
    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, sha256))
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, timezone.utc)
    bom.metadata.component = Component(
        type=ComponentType.APPLICATION,
        name="affect-edge",
        version=target.version,
        bom_ref="affect-edge",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        purl=PackageURL("deb", None, "affect-edge", target.version, {"arch": target.architecture}),
    )
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
        unpack(package, Path(folder))
        for component in _components(Path(folder), target):
            bom.components.add(component)
            bom.register_dependency(bom.metadata.component, [component])
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def unpack(package: Path, folder: Path) -> None:
    """Unpacks a package's files.

    Raises:
        PackageError: it cannot be read.
    """
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as reader:
        try:
            with tarfile.open(fileobj=reader.stdout, mode="r|") as archive:
                archive.extractall(folder, filter="tar")
        except tarfile.TarError as error:
            raise PackageError(f"{package}: cannot be read ({error})") from error


def _components(root: Path, target: Target) -> Iterator[Component]:
    locked = read_lock(target.lock)
    site = next(root.glob("usr/lib/affect-edge/lib/python3*/site-packages"))
    for information in sorted(site.glob("*.dist-info")):
        found: Distribution = PathDistribution(information)
        name = normalize(found.metadata["Name"])
        version, hashes = locked.get(name, ("", frozenset()))
        if name != "affect-edge" and version != found.version:
            raise PackageError(f"{name} {found.version}: is in the package, and {target.lock.name} lists {version!r}")
        licence = licence_of(found)
        one = next(iter(hashes)) if len(hashes) == 1 else None  # of several the machine's own is not told
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=found.version,
            bom_ref=f"python:{name}",
            purl=PackageURL("pypi", None, name, found.version),
            licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one)] if one else [],
        )
    for path in sorted(site.glob("*.libs/*.so*")):
        library = _VENDORED.fullmatch(path.name)
        yield Component(
            type=ComponentType.LIBRARY,
            name=library[1] if library else path.name,
            version=(library[2] or library[3]) if library else None,
            bom_ref=f"native:{path.parent.name}/{path.name}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(path.read_bytes()).hexdigest())],
            properties=[Property(name="affect-edge:comes-with", value=path.parent.stem)],
        )
    for manifest in sorted(site.glob(f"edge/bundles/*/{MANIFEST}")):
        bundle = load_bundle(manifest.parent)
        yield Component(
            type=ComponentType.MACHINE_LEARNING_MODEL,
            name=bundle.manifest.name,
            version=str(bundle.manifest.version),
            bom_ref=f"model:{bundle.manifest.name}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=bundle.sha256)],
        )
