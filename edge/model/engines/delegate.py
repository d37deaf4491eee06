"""Whether an accelerator's delegate library can be used here, asked in a process of its own.

A delegate that does not fit the runtime ends the process that loads it with a segmentation fault (libedgetpu built for
another TensorFlow: google-coral/libedgetpu issue 53). So it is loaded once where nothing is lost.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from subprocess import TimeoutExpired

from edge.config import EngineConfig
from edge.errors import EngineError
from edge.model.engines.litert import load_delegate, load_runtime
from edge.model.isolated import run_module

log = logging.getLogger(__name__)

_PROBE_S = 20.0  # a USB accelerator loads its firmware first


def find_delegate(engine: EngineConfig, runtime: str) -> Path | None:
    """The delegate to load into a runtime, `litert` or `tflite`, proven in another process; None for the CPU.

    Raises:
        EngineError: it cannot be used, and the configuration does not allow the CPU instead.
    """
    if not engine.delegate:
        return None
    try:
        probe_delegate(engine, runtime)
    except EngineError as error:
        if not engine.delegate_fallback:
            raise
        log.warning("%s; going on with the CPU", error)
        return None
    return Path(engine.delegate)


def probe_delegate(engine: EngineConfig, runtime: str) -> None:
    """Loads the delegate in another process and lets go of it.

    Raises:
        EngineError: the library is missing, refuses, crashes, or does not come to an end; says what to do.
    """
    path = Path(engine.delegate).absolute()
    if not path.is_file():
        raise EngineError(
            f"engine.delegate: {path} is not there", fix="install the accelerator's library, or correct the path"
        )
    try:
        ended = run_module(__name__, runtime, str(path), json.dumps(engine.delegate_options), timeout_s=_PROBE_S)
    except TimeoutExpired:
        raise EngineError(
            f"engine.delegate: {path} did not load within {_PROBE_S:g} s",
            fix="unplug the accelerator and plug it in again",
        ) from None
    said = ended.stderr.decode(errors="replace").splitlines()
    if ended.code == EngineError.exit_code and said:
        raise EngineError(*said[-1].split("\t", 1))
    if ended.code != 0:
        raise EngineError(
            f"engine.delegate: {path} crashes {runtime} here ({ended.how})",
            fix="the two were built for different versions: firmware_config/devices says which go together",
        )


def _probe(runtime: str, path: str, options: str) -> int:
    try:
        load_delegate(load_runtime(runtime), Path(path), json.loads(options))
    except EngineError as error:
        sys.stderr.write(f"\n{error.message}\t{error.fix}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_probe(*sys.argv[1:]))
