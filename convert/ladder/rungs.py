"""The rungs: each form that the network takes on its way to a device, and which it is made from."""

from __future__ import annotations

from typing import NamedTuple

from convert.errors import DataError


class Rung(NamedTuple):
    """One form of the network.

    Attributes:
        name: short, in files and messages.
        title: in the table.
        before: the rung that it is compared with; None for the first.
        gated: whether the budget holds for it; what is only here for the record does not ship.
        elsewhere: measured on a board and merged, not here.
    """

    name: str
    title: str
    before: str | None
    gated: bool = True
    elsewhere: bool = False


FIRST = "keras"
RUNGS = (
    Rung(FIRST, "Keras float, whole sequence", None),
    Rung("tflite-float", "TFLite float", FIRST),
    Rung("int8-builtin", "int8, built-in kernels", "tflite-float"),
    Rung("int8-xnnpack", "int8, XNNPACK", "int8-builtin"),
    Rung("streamed", "**streamed int8 + float32 LSTM step**", "int8-xnnpack"),
    Rung("lstm-int16x8", "for the record: int16x8 LSTM step", "int8-xnnpack", gated=False),
    Rung("lstm-int8", "for the record: int8 LSTM step", "int8-xnnpack", gated=False),
    Rung("onnx-fp16", "ONNX fp16 + float32 step", FIRST),
    Rung("onnx-qdq", "ONNX QDQ int8 + float32 step", FIRST),
    Rung("edge-tpu", "Edge TPU", "streamed", elsewhere=True),
    Rung("tensorrt", "TensorRT", "onnx-qdq", elsewhere=True),
    Rung("device", "on the device", "streamed", elsewhere=True),
)
COMPARED_ELSEWHERE = frozenset(rung.before for rung in RUNGS if rung.elsewhere)
_BY_NAME = {rung.name: rung for rung in RUNGS}


def find_rung(name: str) -> Rung:
    """The rung of that name.

    Raises:
        DataError: there is none.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise DataError(f"{name}: no such rung; there are {', '.join(_BY_NAME)}") from None
