"""What is read is never written over, under whatever name; files with scores are their owner's alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.output_files import check_output, open_private


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "visit.mp4"
    path.write_bytes(b"pictures")
    return path


def same(path: Path) -> Path:
    return path


def other_spelling(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


def symbolic_link(path: Path) -> Path:
    link = path.with_name("link")
    link.symlink_to(path)
    return link


def hard_link(path: Path) -> Path:
    link = path.with_name("hard")
    link.hardlink_to(path)
    return link


@pytest.mark.parametrize("name", [same, other_spelling, symbolic_link, hard_link])
def test_input_under_any_name_is_refused_as_output(video: Path, name) -> None:
    with pytest.raises(ConfigError, match=r"--scores .*is read and would be overwritten; choose another"):
        check_output("--scores", name(video), None, video)


def test_other_files_and_missing_ones_are_taken(video: Path) -> None:
    check_output("--out", None, video)
    check_output("--out", video.with_name("new.json"), video, None, video.with_name("missing"))
    check_output("--out", video.parent, video)  # a folder that gets one more file


def test_folder_that_is_emptied_may_hold_no_input(video: Path) -> None:
    with pytest.raises(ConfigError, match="--out"):
        check_output("--out", video.parent, video, emptied=True)


def test_private_file_is_its_owner_s_alone_also_where_it_was_not(tmp_path: Path) -> None:
    for name in ("new", "old"):
        path = tmp_path / name
        if name == "old":
            path.write_text("longer than before")
            path.chmod(0o644)
        with open_private("--scores", path) as file:
            file.write("ä")
        assert path.read_text("utf-8") == "ä"
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match=r"--scores .*cannot be written"):
        open_private("--scores", tmp_path / "no" / "file")


def test_device_file_keeps_its_mode() -> None:
    before = Path(os.devnull).stat().st_mode
    open_private("--scores", Path(os.devnull)).close()
    assert Path(os.devnull).stat().st_mode == before
