"""Two checkouts in turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.turns.command import time_turns
from convert.errors import DataError


@pytest.mark.slow
def test_a_checkout_beside_itself_costs_as_much(repo: Path) -> None:
    spent = time_turns(repo, faces=1, rounds=6)
    assert spent.shape == (6, 2)
    assert (spent > 0).all()
    assert 0.5 < (spent[:, 1] / spent[:, 0]).mean() < 2


def test_a_folder_without_a_device_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: its device does not start"):
        time_turns(tmp_path, faces=1, rounds=6)
    assert "holds no package" in capfd.readouterr().err
