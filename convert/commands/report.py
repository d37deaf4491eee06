"""An evaluation as a table to read."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from convert.predict.evaluation import Evaluation


def print_evaluation(found: Evaluation, title: str) -> None:
    """Prints to standard output."""
    table = Table("answer", "target", "CCC", "95% interval", "CC", "RMSE", "SAGR")
    table.title = f"{title}: {found.n} pictures, {found.faces_found} faces found"
    for answer, targets in found.agreement.items():
        for target, a in targets.items():
            interval = f"{a.ccc_low:.3f} to {a.ccc_high:.3f}"
            table.add_row(answer, target, f"{a.ccc:.3f}", interval, f"{a.cc:.3f}", f"{a.rmse:.3f}", f"{a.sagr:.3f}")
    Console().print(table)
