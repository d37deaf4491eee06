"""Predicts what the Edge TPU's compiler will make of a graph: which operators it maps, why not the others, what fits.

The compiler cuts a graph once: an operator that is refused, and everything that needs its result, stays on the CPU.
A QUANTIZE of the graph's own input is the exception; it stays on the CPU and does not end the mapping (issue 13 of
google-coral/edgetpu shows the log). Sizes are a lower bound: the compiler pads weights and adds instructions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from convert.edgetpu.layers import Layer, Network, read_network
from convert.edgetpu.rules import NEWEST_RUNTIME, refusals, unreadable
from convert.errors import DataError

ON_CHIP_BYTES = 8 * 1024 * 1024
# The most that published logs show cached of a graph which needs more: 6.86 MiB (issue 60) and 6.89 MiB (issue 512).
CACHED_BYTES = round(6.89 * 1024 * 1024)
EVERYTHING = "all"
_COMPILED = "edgetpu-custom-op"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """One operator's place.

    Attributes:
        layer: the operator.
        place: `tpu`; `cpu` if it is refused; `after` if it is allowed and comes after something that is not.
        reasons: why it is refused.
    """

    layer: Layer
    place: Literal["tpu", "cpu", "after"]
    reasons: tuple[str, ...]

    @property
    def parameter_bytes(self) -> int:
        """Of weights, biases and other constants."""
        return sum(tensor.bytes for tensor in self.layer.constants)

    @property
    def activation_bytes(self) -> int:
        """Of what it reads and writes while it runs."""
        return sum(tensor.bytes for tensor in (*self.layer.computed, *self.layer.outputs))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audit:
    """The prediction.

    Attributes:
        verdicts: of every operator, in their order.
        rejected: why the compiler takes nothing of the graph at all; empty if it takes it.
    """

    verdicts: tuple[Verdict, ...]
    rejected: tuple[str, ...]

    @property
    def mapped(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.place == "tpu"]

    @property
    def parameter_bytes(self) -> int:
        """Of the mapped operators, each constant once."""
        constants = {
            tensor.index: tensor.bytes for verdict in self.mapped for tensor in verdict.layer.constants
        }  # all mapped operators are in the main graph
        return sum(constants.values())

    @property
    def peak_activation_bytes(self) -> int:
        return max((verdict.activation_bytes for verdict in self.mapped), default=0)

    @property
    def streamed_bytes(self) -> int:
        """Of parameters that do not fit on the chip and are sent to it anew for each picture."""
        room = min(CACHED_BYTES, max(ON_CHIP_BYTES - self.peak_activation_bytes, 0))
        return max(self.parameter_bytes - room, 0)

    def unplanned(self, planned: Collection[str] = ()) -> list[Verdict]:
        """What stays on the CPU without having been meant to.

        Args:
            planned: operators that are meant to run there, by name, or `all`. What comes after them alone is planned
                as well: it cannot be mapped.
        """
        if EVERYTHING in planned:
            return []
        if self.rejected:
            return [verdict for verdict in self.verdicts if verdict.layer.operator not in planned]
        refused = [v for v in self.verdicts if v.place == "cpu" and v.layer.operator not in planned]
        return [v for v in self.verdicts if v.place == "after" or v in refused] if refused else []


def audit(model: bytes, name: str, *, runtime: int = NEWEST_RUNTIME) -> Audit:
    """Audits a `.tflite` file's bytes.

    Args:
        model: the graph.
        name: of the file, for errors.
        runtime: version of the Edge TPU runtime on the device, 10 to 14.

    Raises:
        DataError: it is no TensorFlow Lite graph, or what the compiler made of one.
    """
    network = read_network(model, name)
    if any(layer.operator == _COMPILED for layer in network.layers):
        raise DataError(f"{name}: is compiled for the Edge TPU already; audit the graph that it was made from")
    rejected = tuple(dict.fromkeys(_rejections(network)))
    verdicts = _place(network, runtime)
    if rejected:
        verdicts = [
            Verdict(layer=v.layer, place="after" if v.place == "tpu" else v.place, reasons=v.reasons) for v in verdicts
        ]
    return Audit(verdicts=tuple(verdicts), rejected=rejected)


def _rejections(network: Network) -> list[str]:
    """What makes the compiler give up; each is one of its published messages."""
    found = []
    for layer in network.layers:
        if (why := unreadable(layer)) is not None:
            found.append(f"{layer.operator}: {why}")
        if any(tensor.dynamic for tensor in (*layer.computed, *layer.outputs)):
            found.append("some size is only known at run time; export with a fixed batch of 1")
    tensors = [t for layer in network.layers for t in (*layer.computed, *layer.outputs)]
    if not any(t.dtype in ("int8", "uint8") and t.scales for t in tensors):
        found.append("it is not quantized to 8 bits")
    return found


def _place(network: Network, runtime: int) -> list[Verdict]:
    verdicts, on_cpu = [], set[int]()
    for layer in network.layers:
        reasons = refusals(layer, runtime)
        needed = {tensor.index for tensor in layer.computed}
        place: Literal["tpu", "cpu", "after"] = "cpu" if reasons else "after" if needed & on_cpu else "tpu"
        if place != "tpu" and layer.subgraph == 0 and not (layer.operator == "QUANTIZE" and needed <= network.inputs):
            on_cpu |= {tensor.index for tensor in layer.outputs}
        verdicts.append(Verdict(layer=layer, place=place, reasons=tuple(reasons)))
    return verdicts
