"""Opens a bundle from outside where it can do no harm: in a child without rights.

A runtime reads a graph with native code, and a damaged or hostile graph can crash that code or worse. So a bundle is
opened here before it is installed, and whenever an administrator's command needs to know whether it works. `run` opens
it in its own process, the service's, which has few rights.

The child runs this same module: it loads everything it needs, gives up its rights for good, and only then opens the
bundle. It computes on the CPU; accelerators are proven when the service starts.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import msgspec

from edge.affect.network import prepare_model
from edge.config import EngineConfig
from edge.errors import BundleError, EngineError, one_line
from edge.model.bundle import Bundle, default_bundle, load_bundle, verify_files
from edge.model.engines.onnx import available_providers
from edge.model.isolated import drop_rights, run_module

_TIMEOUT_S = 120.0
_MEMORY_BYTES = 1 << 30  # in addresses, beyond what is mapped when the bundle comes
_CPU_S = 60


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a child says of a bundle that reproduced its golden vectors; see the same fields of `AffectModel`."""

    golden: dict[str, float]
    runtime: str
    engine: str


class _Order(msgspec.Struct, frozen=True):
    name: str
    files: dict[str, bytes]
    engine: EngineConfig


def prove(bundle: Bundle, engine: EngineConfig) -> Proof:
    """Has a child open a bundle and reproduce its golden vectors; the shipped one, which is ours, is opened here.

    Args:
        bundle: verified.
        engine: runtime and threads; a delegate is left out.

    Raises:
        BundleError: its golden vectors are not reproduced, or the child crashed or did not end.
        EngineError: the runtime is not installed or cannot load the graphs.
    """
    if bundle.sha256 == load_bundle(default_bundle()).sha256:
        model = prepare_model(bundle, engine)
        return Proof(golden=model.golden, runtime=model.runtime, engine=model.engine)
    name = f"{bundle.manifest.name} {bundle.manifest.version}"
    plain = msgspec.structs.replace(engine, delegate="", delegate_options={})
    order = msgspec.msgpack.encode(_Order(name, bundle.contents, plain))
    try:
        ended = run_module(__name__, timeout_s=_TIMEOUT_S, given=order)
    except TimeoutExpired:
        raise BundleError(f"{name}: was not opened within {_TIMEOUT_S:g} s", fix="do not use it") from None
    last = ended.stdout.decode(errors="replace").rpartition("\n")[2]
    for kind in (BundleError, EngineError):
        if ended.code == kind.exit_code and last:
            raise kind(one_line(last))
    try:
        return msgspec.json.decode(last if ended.code == 0 else "", type=Proof)
    except msgspec.DecodeError:
        raise BundleError(f"{name}: opening it ends the runtime ({ended.how})", fix="do not use it") from None


def _child() -> int:
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=_Order)
    # Loads what is needed while it still may: nobody may be kept out of the folder where this program lies.
    prepare_model(load_bundle(default_bundle()), EngineConfig())
    with suppress(EngineError):
        available_providers()
    drop_rights(memory_bytes=_MEMORY_BYTES, cpu_s=_CPU_S)
    try:
        model = prepare_model(verify_files(order.files, Path(order.name)), order.engine, cpu=True)
    except (BundleError, EngineError) as error:
        sys.stdout.write(f"\n{error}")
        return error.exit_code
    proof = Proof(golden=model.golden, runtime=model.runtime, engine=model.engine)
    sys.stdout.write("\n" + msgspec.json.encode(proof).decode())
    return 0


if __name__ == "__main__":
    sys.exit(_child())
