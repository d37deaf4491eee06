from __future__ import annotations

import itertools
import os
import shlex
import struct
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

from edge.errors import CameraError
from edge.video_file import Timeline, VideoFile

FILES = Path(__file__).parent / "files"  # six frames each, drawn by FFmpeg's testsrc2


def play(path: Path) -> tuple[list[tuple[int, float]], list[np.ndarray], VideoFile]:
    """The frames' numbers and seconds, their pictures, and the file."""
    video = VideoFile(path)
    places, pictures = [], []
    for index, time_ns in video:
        places.append((index, time_ns / 1e9))
        pictures.append(video.read())
    video.close()
    return places, pictures, video


def refusal(path: Path) -> CameraError | None:
    """Why a file is not played; None when it was, and its pictures show something that moves."""
    try:
        _, pictures, _ = play(path)
    except CameraError as error:
        return error
    assert len(pictures) >= 6
    assert all(np.ptp(picture) > 100 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) >= 5  # old memory is the same each time
    return None


@pytest.mark.parametrize("name", ["interlaced.mp4", "interlaced.mpg"])
def test_interlaced_pictures_are_shown_or_refused_with_the_cure_but_never_empty(name):
    error = refusal(FILES / name)
    if error is not None:  # OpenCV 5.0; 4.11 converts them
        assert error.exit_code == 6
        assert "interlaced" in error.message
        assert error.fix.startswith(f"convert it: ffmpeg -i {FILES / name} -vf yadif ")


def test_a_codec_that_cannot_be_decoded_is_named_with_the_cure():
    error = refusal(FILES / "av1.mp4")
    if error is not None:
        assert error.exit_code == 6
        assert "its codec is AV1" in error.message
        assert error.fix.startswith(f"convert it: ffmpeg -i {FILES / 'av1.mp4'} -c:v libx264 ")


def test_the_cure_names_a_path_as_a_shell_wants_it(tmp_path):
    path = tmp_path / "my film.mp4"
    path.write_bytes((FILES / "av1.mp4").read_bytes())
    video = VideoFile(path)
    assert shlex.split(video._cure())[4] == str(path)
    assert shlex.split(video._cure())[-1] == str(tmp_path / "my film-h264.mp4")


def test_pixels_that_are_no_squares_become_squares():
    places, pictures, _ = play(FILES / "anamorphic.mp4")
    assert len(places) == 6
    assert pictures[0].shape == (48, 64, 3)  # coded as 32 x 48, each pixel twice as wide as high


def test_a_pause_in_the_stamps_is_a_pause():
    places, _, _ = play(FILES / "gap.mp4")
    assert [time_s for _, time_s in places] == pytest.approx([0, 0.1, 0.2, 14.3, 14.4, 14.5])


CORNERS = {  # of a picture that is dark with a bright corner top left: the matrix, and where that corner is shown
    "upright": ((1, 0, 0, 1), (0, 0)),
    "turned by 90": ((0, 1, -1, 0), (0, -1)),
    "turned by 180": ((-1, 0, 0, -1), (-1, -1)),
    "turned by 270": ((0, -1, 1, 0), (-1, 0)),
    "mirrored": ((-1, 0, 0, 1), (0, -1)),
    "upside down": ((1, 0, 0, -1), (-1, 0)),
    "turned by 90 and mirrored": ((0, 1, 1, 0), (0, 0)),
    "turned by 270 and mirrored": ((0, -1, -1, 0), (-1, -1)),
}


@pytest.mark.parametrize(("matrix", "corner"), CORNERS.values(), ids=CORNERS)
def test_a_picture_is_turned_and_mirrored_as_the_file_says(make_video, matrix, corner):
    path = make_video("clip.mp4", frames=3)  # a red square top left
    data = bytearray(path.read_bytes())
    a, b, c, d = (number << 16 for number in matrix)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    _, pictures, _ = play(path)
    assert pictures[0].shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
    y, x = (10 if side == 0 else -10 for side in corner)
    assert pictures[0][y, x, 0] > 200
    assert pictures[0][-y, -x, 0] < 60


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 0, 0, 0], [0, 100, 200, 300]),  # none
        ([0, 40, 20, 120], [0, 40, 140, 240]),  # one goes back
        ([0, 100, 9_000_000, 9_000_100], [0, 100, 200, 300]),  # one leaps
        ([700, 740, 780], [0, 40, 80]),  # starts late
        ([0, 333, 400], [0, 333, 400]),  # a rate that varies
        ([0, 100, 9_000_000, 300, 400], [0, 100, 200, 300, 400]),  # one leaps and the next is right again
        ([0, 100, 9_000, 9_100], [0, 100, 9_000, 9_100]),  # a pause
        ([-133, 66, 133], [0, 66, 133]),  # the first is a decoding time
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
        VideoFile(path)
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
    assert "network video is refused" in refused("rtsp://camera/stream")


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
                monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file,http,tcp")
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
        "import sys\nfrom edge.video_file import VideoFile\nfrom edge.errors import CameraError\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        video = VideoFile(path)\n"
        "        [video.read() for _ in video]\n"
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
