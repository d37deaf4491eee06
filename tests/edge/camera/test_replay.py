from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from edge.camera import replay as module
from edge.camera.replay import Replay
from edge.clock import FileClock, SystemClock
from edge.config import CameraConfig
from edge.errors import CameraError
from edge.values import Frame

CLIPS = Path(__file__).resolve().parents[4] / "shared" / "clips"


def replay(path: Path, clock: FileClock | None = None, **options) -> Replay:
    return Replay(CameraConfig(backend="replay", path=str(path), pace="fast", **options), clock or FileClock())


def play(path: Path) -> tuple[list[Frame], Replay]:
    with replay(path) as camera:
        return list(camera), camera


def level(frame: Frame) -> int:
    return round(float(frame.pixels[48:, 48:].mean()) / 8)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4"])
def test_every_frame_comes_in_order_with_the_file_s_time(make_video, name):
    frames, camera = play(make_video(name))
    assert [frame.index for frame in frames] == list(range(20))
    assert [level(frame) for frame in frames] == list(range(20))
    assert [frame.captured_ns for frame in frames] == [number * 100_000_000 for number in range(20)]
    assert (camera.dropped, camera.failed, camera.skipped, camera.length) == (0, 0, 0, 20)


def test_pixels_are_rgb(make_video):
    frames, _ = play(make_video())
    red, green, blue = frames[0].pixels[8:24, 8:24].reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(green, blue) < 60


def test_fractional_rates_do_not_drift(make_video):
    frames, _ = play(make_video("clip.mp4", frames=30, fps=30000 / 1001))
    assert frames[29].captured_ns == pytest.approx(29 * 1001 / 30000 * 1e9, abs=100_000)


@pytest.mark.parametrize("numbers", [[7], [0], [19], [3, 4, 5, 6, 7, 8, 9, 10], [0, 1, 9, 18, 19]])
def test_damaged_frames_are_counted_and_leave_gaps(make_video, damage, numbers):
    path = make_video()
    damage(path, numbers)
    frames, camera = play(path)
    whole = [number for number in range(20) if number not in numbers]
    assert camera.failed == len(numbers)
    assert [frame.index for frame in frames] == whole
    assert [level(frame) for frame in frames] == whole
    assert [frame.captured_ns for frame in frames] == [number * 100_000_000 for number in whole]


def test_a_cut_avi_gives_what_is_there_and_counts_the_rest(make_video):
    path = make_video()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    frames, camera = play(path)
    assert 3 <= len(frames) < 20
    assert len(frames) + camera.failed == 20


def test_a_cut_mp4_with_its_index_first_gives_what_is_there_and_counts_the_rest(make_video, index_first):
    path = make_video("clip.mp4")
    index_first(path)
    assert len(play(path)[0]) == 20
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    frames, camera = play(path)
    assert 3 <= len(frames) < 20
    assert len(frames) + camera.failed == 20


def test_a_cut_mp4_that_lost_its_index_is_refused(make_video):
    path = make_video("clip.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CameraError, match="an MP4 file without its index"):
        replay(path)


def test_a_file_without_one_good_frame_is_an_error_and_does_not_loop_for_ever(make_video, damage):
    path = make_video(frames=3)
    damage(path, [0, 1, 2])
    with replay(path, loop=True) as camera, pytest.raises(CameraError, match="no frame of it"):
        list(camera)


def test_two_runs_of_a_damaged_file_are_the_same_to_the_byte(make_video):
    path = make_video("clip.mp4", frames=30)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = bytes(60)
    path.write_bytes(data)
    runs = [[(frame.index, frame.captured_ns, frame.pixels.tobytes()) for frame in play(path)[0]] for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0]


def test_looping_goes_on_in_time_and_index(make_video):
    with replay(make_video(frames=5), loop=True) as camera:
        frames = list(itertools.islice(camera, 13))
        assert camera.length is None
    assert [frame.index for frame in frames] == list(range(13))
    assert [frame.captured_ns for frame in frames] == [number * 100_000_000 for number in range(13)]
    assert [level(frame) for frame in frames] == [*range(5), *range(5), *range(3)]


def test_looping_counts_damage_in_every_pass(make_video, damage):
    path = make_video(frames=5)
    damage(path, [2, 4])
    with replay(path, loop=True) as camera:
        frames = list(itertools.islice(camera, 7))
    assert [frame.index for frame in frames] == [0, 1, 3, 5, 6, 8, 10]
    assert camera.failed == 4


def test_a_file_clock_moves_with_the_frames(make_video):
    clock = FileClock()
    with replay(make_video(), clock) as camera:
        for frame in camera:
            assert clock.monotonic_ns() == frame.captured_ns
    assert clock.now_ns == 1_900_000_000


def test_closing_ends_the_frames(make_video):
    camera = replay(make_video())
    frames = iter(camera)
    next(frames)
    camera.close()
    camera.close()
    assert list(frames) == []


def test_frames_that_nobody_wants_are_not_converted_and_counted(make_video, monkeypatch):
    asked = []

    def wanted(captured_ns: int, given_ns: int | None) -> bool:
        asked.append(given_ns)
        return given_ns is None or captured_ns - given_ns >= 300_000_000

    config = CameraConfig(backend="replay", path=str(make_video()), pace="fast")
    with Replay(config, FileClock(), wanted) as camera:
        assert [frame.index for frame in camera] == [0, 3, 6, 9, 12, 15, 18]
    assert camera.skipped == 13
    assert asked[:5] == [None, 0, 0, 0, 300_000_000]


class FakeTime:
    def __init__(self) -> None:
        self.now_ns = 5_000_000_000
        self.slept: list[float] = []

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ns += round(seconds * 1e9)


def test_file_pace_sleeps_and_fast_pace_does_not(make_video, monkeypatch):
    time = FakeTime()
    monkeypatch.setattr(module, "time", time)
    path = make_video(frames=4)
    list(Replay(CameraConfig(backend="replay", path=str(path)), SystemClock()))
    assert sum(time.slept) == pytest.approx(0.3)
    time.slept.clear()
    play(path)
    assert time.slept == []


def test_a_pace_that_fell_far_behind_does_not_race(make_video, monkeypatch):
    time = FakeTime()
    monkeypatch.setattr(module, "time", time)
    frames = iter(Replay(CameraConfig(backend="replay", path=str(make_video(frames=6))), SystemClock()))
    next(frames)
    time.now_ns += 10_000_000_000
    time.slept.clear()
    assert len(list(frames)) == 5
    assert sum(time.slept) == pytest.approx(0.4)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="no sample clips beside the checkout (../shared/clips)")
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("single_face.mp4", 72),
        ("store-aisle-detection.mp4", 67),
        ("face_noface.mov", 169),
        ("no_face.mp4", 95),  # declares 98 and hides three by its edit list
        ("asl/milk.mkv", 51),  # keeps no count; OpenCV estimates 52
    ],
)
def test_real_clips_replay_whole(name, count):
    with replay(CLIPS / name) as camera:
        times = [(frame.index, frame.captured_ns) for frame in camera]
    assert (len(times), camera.failed) == (count, 0)
    assert times[0] == (0, 0)
    assert all(later[1] > earlier[1] for earlier, later in itertools.pairwise(times))
