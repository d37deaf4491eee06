"""The names in a health message are those that the device's stages use: publishing knows nothing of them, by design."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from edge.camera import reopening
from edge.contract import ModelState
from edge.face import search as schedule
from edge.face.quality import Rejection
from edge.health import STAGES
from edge.model import store
from edge.publish.machine import CameraTroubles, Level, Rejections, Stages, WindowCounts
from edge.publish.payload import Suppressed


def named(kinds: type) -> set[str]:
    return set(kinds.__annotations__)


@pytest.mark.parametrize(
    ("told", "used"),
    [
        (named(Stages), set(STAGES)),
        (named(Rejections), {reason.value for reason in Rejection}),
        (named(WindowCounts), {"scored", *get_args(Suppressed)}),
        (set(get_args(Level)), set(schedule._LEVELS)),
    ],
    ids=["stages", "rejections", "windows", "levels"],
)
def test_health_knows_every_name_that_the_device_counts_by(told: set[str], used: set[str]) -> None:
    assert told == used


def test_health_knows_every_trouble_of_a_camera() -> None:
    source = Path(reopening.__file__).read_text("utf-8")
    counted = set(re.findall(r'(?:_lose|count)\("(\w+)"', source))
    assert counted == named(CameraTroubles)


def test_health_knows_every_reason_for_a_bundle() -> None:
    source = inspect.getsource(store._why) + inspect.getsource(store.Store.first)
    assert set(re.findall(r'(?<!")"([a-z_]+)"(?!")', source)) == set(get_args(ModelState))
