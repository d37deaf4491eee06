"""The files: how FFmpeg makes each from one clip, and which plain file each is held against."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convert.errors import DataError
from edge.demo.scene import Scene

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 15, 12
_BEGIN_S = 8.0  # of the scene: quiet, then something delights them
_YUV = "-pix_fmt yuv420p"
_X264 = f"-c:v libx264 -crf 14 {_YUV}"
_X264_FIELDS = f"{_X264} -flags +ildct+ilme -x264opts interlaced=1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One file.

    Attributes:
        title: what is special about it.
        name: of the file.
        how: FFmpeg's arguments after the input.
        twin: name of the plain file that shows the same.
        after: what is done to the finished file.
    """

    title: str
    name: str
    how: str
    twin: str = "plain.mp4"
    after: Callable[[Path], None] | None = None


def turn(*matrix: int) -> Callable[[Path], None]:
    """Writes a display matrix (a, b, c, d) into an MP4's track header, as phones do."""

    def write(path: Path) -> None:
        data = bytearray(path.read_bytes())
        a, b, c, d = (number << 16 for number in matrix)
        at = data.index(b"tkhd") + 44
        data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(data)

    return write


def cut(share: float) -> Callable[[Path], None]:
    """Leaves the first part of a file only."""

    def write(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return write


def _sar(width: int, height: int, ratio: str) -> str:
    return f"-vf scale={width}:{height}:flags=lanczos,setsar={ratio}"


_DROPPED = "select='not(eq(mod(n,4),1)+eq(mod(n,7),3))'"
_PAUSED = "setpts='PTS+if(gte(N,90),14/TB,0)'"

RECIPES = [
    Recipe(title="plain: H.264, MP4", name="plain.mp4", how=_X264),
    Recipe(title="every frame an I frame", name="plain-intra.mp4", how=f"{_X264} -g 1"),
    # Containers.
    Recipe(title="H.264, MOV", name="h264.mov", how=_X264),
    Recipe(title="H.264, MKV", name="h264.mkv", how=_X264),
    Recipe(title="H.264, MPEG-TS", name="h264.ts", how=_X264),
    Recipe(title="H.264, AVI, no B frames", name="h264.avi", how=f"{_X264} -bf 0"),
    Recipe(title="H.264, FLV", name="h264.flv", how=_X264),
    Recipe(title="H.264, bare stream (25 frames a second assumed)", name="bare.h264", how=_X264, twin="fast.mp4"),
    Recipe(title="plain at 25 frames a second", name="fast.mp4", twin="fast.mp4",
           how=f"{_X264} -filter:v setpts=N/25/TB -r 25"),
    Recipe(title="H.264, fragmented MP4", name="fragmented.mp4", how=f"{_X264} -movflags frag_keyframe+empty_moov"),
    Recipe(
        title="sound first, MP4", name="sound.mp4",
        how=f"-f lavfi -t {SECONDS} -i sine -map 1:a -map 0:v -c:a aac {_X264}",
    ),
    # Time.
    Recipe(title="many B frames, MP4 with an edit list", name="b-frames.mp4", how=f"{_X264} -bf 8 -b_strategy 0"),
    Recipe(
        title="B frames, negative decoding times", name="negative.mp4",
        how=f"{_X264} -bf 3 -movflags +negative_cts_offsets -use_editlist 0",
    ),
    Recipe(title="time stamps begin at 5 s", name="late.mkv", how=f"{_X264} -output_ts_offset 5"),
    Recipe(title="time stamps begin at 5 s, MPEG-TS", name="late.ts", how=f"{_X264} -output_ts_offset 5"),
    Recipe(
        title="variable frame rate, MP4", name="variable.mp4", twin="dropped.mp4",
        how=f"{_X264} -vf {_DROPPED} -vsync vfr",
    ),
    Recipe(
        title="variable frame rate, MKV", name="variable.mkv", twin="dropped.mp4",
        how=f"{_X264} -vf {_DROPPED} -vsync vfr",
    ),
    Recipe(
        title="plain, repeating the frame before for each one dropped above", name="dropped.mp4", twin="dropped.mp4",
        how=f"{_X264} -vf {_DROPPED},fps={FPS}:round=up",
    ),
    Recipe(
        title="a pause of 14 s in the time stamps", name="paused.mp4", how=f"{_X264} -vf {_PAUSED} -vsync vfr",
    ),
    # Pixels.
    Recipe(title="H.264, 10 bits", name="ten-bits.mp4", how=f"{_X264} -pix_fmt yuv420p10le"),
    Recipe(title="H.264, 4:2:2", name="422.mp4", how=f"{_X264} -pix_fmt yuv422p"),
    Recipe(title="H.264, 4:4:4", name="444.mp4", how=f"{_X264} -pix_fmt yuv444p"),
    Recipe(title="H.264, full range", name="full-range.mp4", how=f"{_X264} -pix_fmt yuvj420p"),
    Recipe(
        title="H.264, BT.709 colours", name="bt709.mp4",
        how=f"{_X264} -vf scale=out_color_matrix=bt709 -colorspace bt709 -color_primaries bt709 -color_trc bt709",
    ),
    Recipe(title="H.264, RGB", name="rgb.mp4", how="-c:v libx264rgb -crf 8 -pix_fmt rgb24"),
    Recipe(
        title="H.264, odd size 637 × 477, 4:4:4", name="odd.mp4", how=f"{_X264} -vf crop=637:477:0:0 -pix_fmt yuv444p",
    ),
    Recipe(title="VP9, odd size 637 × 477", name="odd.webm", how=f"-c:v libvpx-vp9 -crf 12 -b:v 0 -cpu-used 6 {_YUV} "
           "-vf crop=637:477:0:0"),
    # Shape.
    Recipe(title="pixels 2:1, MP4", name="sar-2-1.mp4", how=f"{_sar(320, 480, '2/1')} {_X264}"),
    Recipe(title="pixels 4:3, MP4 (HDV)", name="sar-4-3.mp4", how=f"{_sar(480, 480, '4/3')} {_X264}"),
    Recipe(title="pixels 32:27, MKV", name="sar-32-27.mkv", how=f"{_sar(540, 480, '32/27')} {_X264}"),
    Recipe(title="pixels 16:15, MPEG-TS (PAL)", name="sar-16-15.ts", how=f"{_sar(600, 480, '16/15')} {_X264}"),
    Recipe(title="pixels 8:9, MPEG-2 (NTSC)", name="sar-8-9.mpg", how=f"{_sar(720, 480, '8/9')} -c:v mpeg2video "
           f"-q:v 2 -r 30 {_YUV}"),
    Recipe(title="pixels 1:2, MP4", name="sar-1-2.mp4", how=f"{_sar(640, 240, '1/2')} {_X264}"),
    Recipe(title="pixels 4:3, WebM (VP9)", name="sar-4-3.webm", how=f"{_sar(480, 480, '4/3')} -c:v libvpx-vp9 -crf 12 "
           f"-b:v 0 -cpu-used 6 {_YUV}"),
    # Orientation; the picture is stored so that it is upright when shown as the file says.
    Recipe(title="turned by 90°", name="turned-90.mp4", how=f"{_X264} -vf transpose=2", after=turn(0, 1, -1, 0)),
    Recipe(title="turned by 180°", name="turned-180.mp4", how=f"{_X264} -vf hflip,vflip", after=turn(-1, 0, 0, -1)),
    Recipe(title="turned by 270°", name="turned-270.mp4", how=f"{_X264} -vf transpose=1", after=turn(0, -1, 1, 0)),
    Recipe(title="mirrored", name="mirrored.mp4", how=f"{_X264} -vf hflip", after=turn(-1, 0, 0, 1)),
    Recipe(title="upside down", name="upside-down.mp4", how=f"{_X264} -vf vflip", after=turn(1, 0, 0, -1)),
    Recipe(title="turned by 90° and mirrored", name="transposed.mov", how=f"{_X264} -vf transpose=0",
           after=turn(0, 1, 1, 0)),
    Recipe(title="turned by 270° and mirrored", name="transposed-back.mp4", how=f"{_X264} -vf transpose=3",
           after=turn(0, -1, -1, 0)),
    Recipe(title="turned by 90°, pixels 4:3", name="turned-wide.mp4",
           how=f"-vf transpose=2,scale=360:640:flags=lanczos,setsar=4/3 {_X264}", after=turn(0, 1, -1, 0)),
    # Fields.
    Recipe(title="H.264, fields, top first", name="tff.mp4", how=f"{_X264_FIELDS}:tff=1 -vf setfield=tff"),
    Recipe(title="H.264, fields, bottom first", name="bff.mkv", how=f"{_X264_FIELDS}:bff=1 -vf setfield=bff"),
    Recipe(title="MPEG-2, fields", name="fields.mpg", how=f"-c:v mpeg2video -q:v 2 -r 30 {_YUV} -flags +ildct+ilme "
           "-vf setfield=tff"),
    Recipe(title="DV (PAL, fields)", name="dv.avi", how=f"{_sar(720, 576, '16/15')} -r 25 -c:v dvvideo {_YUV}"),
    Recipe(title="ProRes, fields", name="fields.mov", how="-c:v prores_ks -pix_fmt yuv422p10le -vf setfield=tff "
           "-flags +ildct+ilme"),
    Recipe(title="MPEG-4, fields", name="fields.mp4", how=f"-c:v mpeg4 -q:v 2 {_YUV} -flags +ildct+ilme "
           "-vf setfield=tff"),
    # Codecs.
    Recipe(title="HEVC", name="hevc.mp4", how=f"-c:v libx265 -crf 14 {_YUV} -x265-params log-level=error"),
    Recipe(title="HEVC, 10 bits, tag hvc1", name="hevc-10.mov", how="-c:v libx265 -crf 14 -pix_fmt yuv420p10le "
           "-tag:v hvc1 -x265-params log-level=error"),
    Recipe(title="VP8, WebM", name="vp8.webm", how=f"-c:v libvpx -crf 6 -b:v 6M -cpu-used 8 {_YUV}"),
    Recipe(title="VP9, WebM", name="vp9.webm", how=f"-c:v libvpx-vp9 -crf 12 -b:v 0 -cpu-used 6 {_YUV}"),
    Recipe(title="AV1, MP4", name="av1.mp4", how=f"-c:v libsvtav1 -crf 25 -preset 10 {_YUV}"),
    Recipe(title="AV1, WebM", name="av1.webm", how=f"-c:v libaom-av1 -crf 25 -cpu-used 8 -row-mt 1 {_YUV}"),
    Recipe(title="MJPEG, AVI", name="mjpeg.avi", how="-c:v mjpeg -q:v 2 -pix_fmt yuvj422p"),
    Recipe(title="MJPEG, bare stream (25 frames a second assumed)", name="bare.mjpeg",
           how="-c:v mjpeg -q:v 2 -pix_fmt yuvj422p", twin="fast.mp4"),
    Recipe(title="ProRes 422", name="prores.mov", how="-c:v prores_ks -pix_fmt yuv422p10le"),
    Recipe(title="ProRes 4444 with alpha", name="prores-4444.mov", how="-c:v prores_ks -pix_fmt yuva444p10le"),
    Recipe(title="FFV1, RGB", name="ffv1.mkv", how="-c:v ffv1 -pix_fmt bgr0"),
    Recipe(title="raw, RGB, AVI", name="raw.avi", how="-c:v rawvideo -pix_fmt bgr24"),
    Recipe(title="raw, 4:2:0, MOV", name="raw.mov", how=f"-c:v rawvideo {_YUV}"),
    Recipe(title="HuffYUV, AVI", name="huffyuv.avi", how="-c:v huffyuv -pix_fmt yuv422p"),
    Recipe(title="MPEG-4 ASP, AVI, B frames", name="asp.avi", how=f"-c:v mpeg4 -q:v 2 -bf 2 {_YUV} -tag:v XVID"),
    Recipe(title="MPEG-4, MP4", name="mpeg4.mp4", how=f"-c:v mpeg4 -q:v 2 {_YUV}"),
    Recipe(title="MPEG-2, MPEG-TS", name="mpeg2.ts", how=f"-c:v mpeg2video -q:v 2 -r 30 {_YUV}"),
    Recipe(title="MPEG-1", name="mpeg1.mpg", how=f"-c:v mpeg1video -q:v 2 -r 30 {_YUV}"),
    Recipe(title="H.263, 3GP, pixels 12:11", name="h263.3gp", how=f"-c:v h263 -q:v 2 {_YUV} "
           "-vf scale=704:576:flags=lanczos,setsar=12/11"),
    Recipe(title="Theora, Ogg", name="theora.ogv", how=f"-c:v libtheora -q:v 10 {_YUV}"),
    Recipe(title="WMV 8", name="wmv.wmv", how=f"-c:v wmv2 -q:v 2 {_YUV}"),
    Recipe(title="MS MPEG-4 v3, AVI", name="msmpeg4.avi", how=f"-c:v msmpeg4 -q:v 2 {_YUV}"),
    Recipe(title="DNxHR, MXF", name="dnxhr.mxf", how="-c:v dnxhd -profile:v dnxhr_hq -pix_fmt yuv422p -r 25",
           twin="plain.mp4"),
    Recipe(title="JPEG 2000, MOV", name="jpeg2000.mov", how=f"-c:v jpeg2000 -q:v 2 {_YUV}"),
    Recipe(title="PNG, MOV", name="png.mov", how="-c:v png -pix_fmt rgb24"),
    Recipe(title="GIF, 10 frames a second, 256 colours", name="animated.gif",
           how="-filter_complex fps=10,split[a][b];[a]palettegen[p];[b][p]paletteuse", twin="ten.mp4"),
    Recipe(title="plain, 10 frames a second", name="ten.mp4", how=f"{_X264} -vf fps=10", twin="ten.mp4"),
    # Damage.
    Recipe(title="cut after 60 %, MKV", name="cut.mkv", how=_X264, twin="first-part.mp4", after=cut(0.6)),
    Recipe(title="cut after 60 %, MPEG-TS", name="cut.ts", how=_X264, twin="first-part.mp4", after=cut(0.6)),
    Recipe(title="cut after 60 %, MP4 with its index first", name="cut-index.mp4", twin="first-part.mp4",
           how=f"{_X264} -movflags +faststart", after=cut(0.6)),
    Recipe(title="cut after 60 %, MP4 with its index last", name="cut.mp4", how=_X264, after=cut(0.6)),
    Recipe(title="plain, the first part", name="first-part.mp4", how=f"{_X264} -t 7", twin="first-part.mp4"),
]  # fmt: skip


def draw_clip(path: Path) -> None:
    """Draws the scene into a lossless file.

    Raises:
        DataError: there is no FFmpeg, or it cannot write the file.
    """
    scene = Scene(WIDTH, HEIGHT)
    frames = [scene.draw(_BEGIN_S + number / FPS) for number in range(FPS * SECONDS)]
    raw = f"-f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {FPS} -i - -c:v ffv1 -pix_fmt bgr0"
    _ffmpeg([*raw.split(), str(path)], np.concatenate(frames).tobytes())


def make(recipe: Recipe, clip: Path, folder: Path) -> Path:
    """Makes one file; returns where it is.

    Raises:
        DataError: this FFmpeg cannot.
    """
    path = folder / recipe.name
    _ffmpeg(["-i", str(clip), *recipe.how.split(), "-map_metadata", "-1", str(path)])
    if recipe.after is not None:
        recipe.after(path)
    return path


def _ffmpeg(arguments: list[str], given: bytes = b"") -> None:
    try:
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-y", *arguments], input=given, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise DataError("ffmpeg is not installed; apt-get install ffmpeg") from None
    if done.returncode:
        raise DataError(f"ffmpeg {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()[-300:]}")
