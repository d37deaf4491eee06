"""Lets the planned faults happen, one thread an organ, and takes them all back at the end.

Owns the counts of what really happened.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks.soak.broker import Broker
from benchmarks.soak.plan import Fault
from benchmarks.soak.proxy import Proxy
from benchmarks.soak.supervisor import Supervisor

_WINDOW_S = 10.0
_ALIVE_S = 5.0  # so long a kill waits for a process that is being started
_AIM_S = 0.25  # after a window's end, in which an aimed kill strikes

Say = Callable[[str], None]


class Conductor:
    """Spoils what the devices live on.

    Attributes:
        happened: faults by kind.

    Args:
        victim: the device that is killed; its camera may be stuck.
        spared: devices that share everything else.
        broker, proxy: theirs.
        say: told of each fault as it comes.
        seed: of the aim of kills.
    """

    def __init__(
        self, victim: Supervisor, spared: Sequence[Supervisor], broker: Broker, proxy: Proxy, say: Say, seed: int
    ) -> None:
        self._victim, self._devices = victim, [victim, *spared]
        self._broker, self._proxy, self._say = broker, proxy, say
        self._rng = random.Random(seed)
        self.happened: Counter[str] = Counter()
        self._errors: list[Exception] = []
        self._over = threading.Event()
        self._offset_s = 0.0
        self._threads: list[threading.Thread] = []

    def start(self, plan: dict[str, list[Fault]]) -> None:
        """Begins; `at_s` of the faults counts from now."""
        begun_s = time.monotonic()
        for organ, faults in plan.items():
            thread = threading.Thread(target=self._play, args=(faults, begun_s), name=f"spoil {organ}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def lift(self) -> None:
        """No fault any more: what is broken is mended.

        Raises:
            Exception: what a thread of this conductor met, a broker that does not start for instance.
        """
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        for device in self._devices:
            device.stage.set_camera("fine")
            device.stage.set_clock(self._offset_s, synced=True)
        self._proxy.mend()
        if self._errors:
            raise self._errors[0]

    def _play(self, faults: Sequence[Fault], begun_s: float) -> None:
        try:
            for fault in faults:
                if self._over.wait(max(0.0, begun_s + fault.at_s - time.monotonic())):
                    return
                getattr(self, f"_{fault.kind}")(fault)
        except Exception as error:  # noqa: BLE001 - `lift` raises it where someone sees it
            self._errors.append(error)

    def _tell(self, fault: Fault, more: str = "") -> None:
        self.happened[fault.kind] += 1
        lasting = f" for {fault.lasting_s:.1f} s" if fault.lasting_s else ""
        self._say(f"{fault.kind.replace('_', ' ')}{lasting}{more}")

    def _kill(self, fault: Fault) -> None:
        end_s = time.monotonic() + _ALIVE_S
        if fault.aimed:
            if self._over.wait((-(time.time() + self._offset_s)) % _WINDOW_S + self._rng.uniform(0, _AIM_S)):
                return
            end_s = time.monotonic() + _ALIVE_S
        while not self._victim.send(signal.SIGKILL):
            if time.monotonic() > end_s or self._over.wait(0.02):
                return
        self._tell(fault, " as a window ends" if fault.aimed else "")

    def _terminate(self, fault: Fault) -> None:
        if self._victim.send(signal.SIGTERM):
            self._tell(fault)

    def _broker_killed(self, fault: Fault) -> None:
        self._tell(fault)
        self._broker.kill()
        self._over.wait(fault.lasting_s)
        self._broker.start()

    def _broker_stopped(self, fault: Fault) -> None:
        self._tell(fault)
        self._broker.stop()
        self._over.wait(fault.lasting_s)
        self._broker.start()

    def _network_cut(self, fault: Fault) -> None:
        self._tell(fault)
        self._proxy.cut()
        self._over.wait(fault.lasting_s)
        self._proxy.mend()

    def _network_silent(self, fault: Fault) -> None:
        self._tell(fault)
        self._proxy.silence()
        self._over.wait(fault.lasting_s)
        self._proxy.mend()

    def _camera_gone(self, fault: Fault) -> None:
        self._spoil_camera(fault, "gone", self._devices)

    def _camera_frozen(self, fault: Fault) -> None:
        self._spoil_camera(fault, "frozen", self._devices)

    def _camera_stalled(self, fault: Fault) -> None:
        self._spoil_camera(fault, "stalled", self._devices)

    def _camera_stuck(self, fault: Fault) -> None:
        self._spoil_camera(fault, "stuck", [self._victim])

    def _spoil_camera(self, fault: Fault, state: str, devices: Sequence[Supervisor]) -> None:
        self._tell(fault)
        for device in devices:
            device.stage.set_camera(state)
        self._over.wait(fault.lasting_s)
        for device in devices:
            device.stage.set_camera("fine")

    def _clock_forward(self, fault: Fault) -> None:
        self._offset_s += fault.step_s
        self._tell(fault, f" by {fault.step_s:+.0f} s")
        self._set_clocks(synced=True)

    def _clock_back(self, fault: Fault) -> None:
        self._clock_forward(fault)

    def _clock_unsynced(self, fault: Fault) -> None:
        self._tell(fault)
        self._set_clocks(synced=False)
        self._over.wait(fault.lasting_s)
        self._set_clocks(synced=True)

    def _set_clocks(self, *, synced: bool) -> None:
        for device in self._devices:
            device.stage.set_clock(self._offset_s, synced=synced)
