"""The file that `python -m benchmarks floor` leaves."""

from __future__ import annotations

import msgspec

from benchmarks.record import Figure, Record
from edge.cli.bench.result import Measured


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One graph. Times are the processor's, milliseconds; ratios are taken within the rounds.

    Attributes:
        name: `backbone`, `head` or `detector`.
        macs: multiply-accumulates of one run; None where an operator of the graph cannot be counted.
        bare_ms: the graph alone, on tensors that lie there already.
        kit_ms: the same through the kit's own code: from pixels, or features, to values.
        around: the kit's time over the bare one.
        share: of the rate of the int8 matrix product that the bare graph reaches; None where it does not compute in
            int8, or `macs` is None.
    """

    name: str
    macs: int | None
    bare_ms: Figure | None
    kit_ms: Figure | None
    around: Figure | None
    share: Figure | None


class Floor(Record, frozen=True, kw_only=True):
    """What the machine could do at best, and what the graphs reach.

    Attributes:
        bundle: whose graphs they are.
        rounds, calls: of each contender, calls in each round.
        product: rows, inner size and columns of the matrix product.
        gmac_s: 10⁹ multiply-accumulates a second of that product in LiteRT on one thread, by precision.
        parts: the graphs.
    """

    bundle: Measured
    rounds: int
    calls: int
    product: tuple[int, int, int]
    gmac_s: dict[str, Figure | None]
    parts: list[Part]
