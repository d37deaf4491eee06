"""The device with every run of a graph made longer, to see whether the gate notices.

python -m benchmarks.compare.slowed 30 device --faces 4 --out slowed.json
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from edge.model.engines.litert import LiteRtEngine


def slow_down(percent: float) -> Callable[[], None]:
    """Makes every engine's runs longer by so much, on the mean, by running some of them twice.

    Not by waiting, which the processor's time does not see, and not by other work, which a busy machine slows
    differently.

    Returns:
        What undoes it.
    """
    plain, owed = LiteRtEngine.invoke, 0.0

    def invoke(self: LiteRtEngine, tensors: Any) -> Any:
        nonlocal owed
        owed += percent / 100
        while owed >= 1:
            owed -= 1
            plain(self, tensors)
        return plain(self, tensors)

    def undo() -> None:
        LiteRtEngine.invoke = plain  # type: ignore[method-assign]

    LiteRtEngine.invoke = invoke  # type: ignore[method-assign]
    return undo


if __name__ == "__main__":
    slow_down(float(sys.argv.pop(1)))
    from benchmarks.__main__ import main

    main()
