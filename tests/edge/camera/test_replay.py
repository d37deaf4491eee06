from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera import pace
from edge.camera.replay import Replay, Timeline
from edge.clock import FileClock, SystemClock
from edge.config import CameraConfig
from edge.errors import CameraError
from edge.values import Frame

CLIPS = Path(__file__).resolve().parents[4] / "shared" / "clips"


def replay(path: Path, clock: FileClock | None = None, **options) -> Replay:
    return Replay(CameraConfig(backend="replay", path=str(path), pace="fast", **options), clock or FileClock())


def play(path: Path) -> tuple[list[Frame], Replay]:
    with replay(path) as camera:
        return list(camera.frames()), camera


def level(frame: Frame) -> int:
    return round(float(frame.pixels[48:, 48:].mean()) / 8)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4"])
def test_every_frame_comes_in_order_with_the_file_s_time(make_video, name):
    frames, camera = play(make_video(name))
    assert [frame.index for frame in frames] == list(range(20))
    assert [level(frame) for frame in frames] == list(range(20))
    assert [frame.captured_ns for frame in frames] == [number * 100_000_000 for number in range(20)]
    assert (camera.dropped, camera.failed, camera.ended) == (0, 0, True)


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
    with pytest.raises(CameraError, match="not a video"):
        replay(path)


def test_a_file_without_one_good_frame_is_an_error_and_does_not_loop_for_ever(make_video, damage):
    path = make_video(frames=3)
    damage(path, [0, 1, 2])
    with replay(path, loop=True) as camera, pytest.raises(CameraError, match="no frame of it"):
        list(camera.frames())


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
        frames = list(itertools.islice(camera.frames(), 13))
        assert not camera.ended
    assert [frame.index for frame in frames] == list(range(13))
    assert [frame.captured_ns for frame in frames] == [number * 100_000_000 for number in range(13)]
    assert [level(frame) for frame in frames] == [*range(5), *range(5), *range(3)]


def test_looping_counts_damage_in_every_pass(make_video, damage):
    path = make_video(frames=5)
    damage(path, [2, 4])
    with replay(path, loop=True) as camera:
        frames = list(itertools.islice(camera.frames(), 7))
    assert [frame.index for frame in frames] == [0, 1, 3, 5, 6, 8, 10]
    assert camera.failed == 4


def test_a_second_call_goes_on_where_the_first_stopped(make_video):
    with replay(make_video()) as camera:
        next(camera.frames())
        assert next(camera.frames()).index == 1


def test_a_file_clock_moves_with_the_frames(make_video):
    clock = FileClock()
    with replay(make_video(), clock) as camera:
        for frame in camera.frames():
            assert clock.monotonic_ns() == frame.captured_ns
    assert clock.now_ns == 1_900_000_000


def test_closing_ends_the_frames(make_video):
    camera = replay(make_video())
    frames = camera.frames()
    next(frames)
    camera.close()
    camera.close()
    assert list(frames) == []
    assert camera.ended


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
    monkeypatch.setattr(pace, "time", time)
    path = make_video(frames=4)
    list(Replay(CameraConfig(backend="replay", path=str(path)), SystemClock()).frames())
    assert sum(time.slept) == pytest.approx(0.3)
    time.slept.clear()
    play(path)
    assert time.slept == []


def test_a_pace_that_fell_far_behind_does_not_race(monkeypatch):
    time = FakeTime()
    monkeypatch.setattr(pace, "time", time)
    clock = pace.Pace()
    assert clock.wait(0) == 0
    time.now_ns += 10_000_000_000
    assert clock.wait(1_000_000_000) == 9_000_000_000
    assert clock.wait(1_100_000_000) == 0
    assert time.slept == [pytest.approx(0.1)]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 0, 0, 0], [0, 100, 200, 300]),  # none
        ([0, 40, 20, 120], [0, 40, 140, 240]),  # one goes back
        ([0, 100, 9_000_000, 9_000_100], [0, 100, 200, 300]),  # one leaps
        ([700, 740, 780], [0, 40, 80]),  # starts late
        ([0, 333, 400], [0, 333, 400]),  # a rate that varies
        ([float("nan"), float("inf"), 100, 200], [0, 100, 200, 300]),
    ],
)
def test_time_is_made_where_stamps_are_missing_or_wrong(stamps, expected):
    timeline = Timeline(10.0)
    placed = [timeline.place(stamp, 0) for stamp in stamps]
    assert placed == [value * 1_000_000 for value in expected]


@given(st.lists(st.tuples(st.floats(), st.integers(0, 50)), max_size=30), st.floats(0.5, 240))
def test_time_always_moves_forward(steps, fps):
    timeline = Timeline(fps)
    placed = [timeline.place(stamp, skipped) for stamp, skipped in steps]
    assert all(later > earlier for earlier, later in itertools.pairwise(placed))


def refused(path: str | Path) -> str:
    with pytest.raises(CameraError) as caught:
        replay(Path(path))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path):
    pipe = tmp_path / "pipe.avi"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, "/dev/zero"):
        assert "not a regular file" in refused(path)


def test_an_address_is_refused():
    # The configuration refuses it already; a hand-made one must not get further.
    with pytest.raises(ValueError, match="network cameras are refused"):
        CameraConfig(backend="replay", path="rtsp://camera/stream")


def test_missing_empty_and_foreign_files_are_refused(tmp_path):
    assert "No such file" in refused(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refused(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    assert "not a video" in refused(tmp_path / "text.mp4")


def test_a_still_picture_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "still.png"), np.zeros((32, 32, 3), np.uint8))
    assert "still picture" in refused(tmp_path / "still.png")


def test_a_playlist_cannot_reach_the_network(tmp_path, monkeypatch):
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            path = tmp_path / "list.m3u8"
            segment = f"http://127.0.0.1:{server.server_port}/part.ts"
            path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{segment}\n#EXT-X-ENDLIST\n")
            # Even where the environment would allow it, which the second half shows.
            monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file,http,tcp")
            assert "not a video" in refused(path)
            assert asked == []
            if int(cv2.__version__.partition(".")[0]) >= 5:  # 4.11 has an FFmpeg that refuses by itself
                cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
                assert asked == ["/part.ts"]
        finally:
            server.shutdown()
            thread.join(5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(make_video):
    path = make_video()
    path.chmod(0)
    assert "Permission denied" in refused(path)


def test_opencv_and_ffmpeg_keep_quiet_about_damage(make_video, damage, tmp_path):
    path = make_video()
    damage(path, [0, 5, 19])
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    program = (
        "import sys\nfrom edge.camera.replay import Replay\nfrom edge.clock import FileClock\n"
        "from edge.config import CameraConfig\nfrom edge.errors import CameraError\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        list(Replay(CameraConfig(backend='replay', path=path, pace='fast'), FileClock()).frames())\n"
        "    except CameraError:\n"
        "        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), str(tmp_path / "text.mp4")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


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
        times = [(frame.index, frame.captured_ns) for frame in camera.frames()]
    assert (len(times), camera.failed) == (count, 0)
    assert times[0] == (0, 0)
    assert all(later[1] > earlier[1] for earlier, later in itertools.pairwise(times))
