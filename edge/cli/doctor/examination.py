"""The whole examination, in the order in which an installer would look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.board import Board
from edge.cli.doctor.broker import check_broker, check_drop_in
from edge.cli.doctor.camera import check_camera
from edge.cli.doctor.finding import Finding, skipped
from edge.cli.doctor.machine import check_accelerator, check_clock, check_heat_and_power, check_storage
from edge.cli.doctor.model import check_deployment, check_detector, check_model, check_store
from edge.clock import Clock
from edge.config import Config
from edge.publish.message import origin_of


def examine(config: Config, clock: Clock, *, unit: str) -> Iterator[list[Finding]]:
    """Each part's findings as they come, so that someone who waits sees what is being looked at.

    Args:
        config: of the device.
        clock: the machine's.
        unit: the service's name, whose drop-in is compared with the broker's addresses.
    """
    yield check_deployment(config)
    findings, bundle = check_model(config)
    yield findings + check_store(config)
    yield check_detector(config)
    yield check_accelerator(config.engine)
    yield check_camera(config, clock)
    yield check_heat_and_power(Board())
    yield check_clock(clock)
    device = config.device
    yield check_storage(Path(config.outbox.path), config)
    if bundle is None:
        yield [skipped("broker", "not tried without a model to speak of")]
    else:
        yield check_broker(config, origin_of(device, bundle))
    yield check_drop_in(config, unit)
