"""Configuration files of any content. See `conftest.py` for the deep run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.config import Config, load_config
from edge.errors import ConfigError

fuzz = settings.get_profile("fuzz")
WHOLE = (Path(__file__).parents[2] / "examples" / "config.toml").read_bytes()
VALUES = [
    *["nan", "-nan", "inf", "-inf", "1e999", "-1", "0", "1e308", "9" * 30, "9" * 5000, "true", "''", '"\\u0000"'],
    *['"a\\nb"', '"\\u001b[2J"', "[]", "{}", "[nan, 1]", "[[nan, nan], [0, 1], [1, 0]]", "1979-05-27", '"../../x"'],
    *['"' + "a" * 5000 + '"', "[" * 40 + "]" * 40, "0x" + "f" * 40, '"Europe"', '"*"', '"credential:"'],
]
LINES = [line for line in WHOLE.decode().splitlines() if "=" in line and not line.startswith("#")]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "config.toml"


def load(path: Path, data: bytes) -> Config:
    path.write_bytes(data)
    config = load_config(path)
    assert isinstance(config, Config)
    return config


@fuzz
@given(st.binary(max_size=2000))
@example(b"\xff\xfe\x00")
@example(b"a=" + b"[" * 60_000)
@example(b"a" + b".a" * 30_000 + b"=1")
@example(b"a=" + b"{a=" * 20_000)
@example((b"a" + b".a" * 900 + b"=1\n") * 30)
@example(b"a=" + b"[" * 1900)
@example(b"a=1\n" * 2)
@example(b"# " * 1_000_000)
@example(b'"a\\nb" = 1')
def test_any_bytes_are_a_configuration_or_one_line(path: Path, typed, data: bytes) -> None:
    with typed(ConfigError):
        load(path, data)


@fuzz
@given(st.text(max_size=500))
def test_any_text_is_a_configuration_or_one_line(path: Path, typed, text: str) -> None:
    with typed(ConfigError):
        load(path, text.encode("utf-8", "surrogatepass"))


@fuzz
@given(at=st.integers(0, len(WHOLE) - 1), length=st.integers(0, 40), put=st.binary(max_size=20))
def test_a_valid_file_with_a_piece_exchanged(path: Path, typed, at: int, length: int, put: bytes) -> None:
    with typed(ConfigError):
        load(path, WHOLE[:at] + put + WHOLE[at + length :])


@settings(fuzz, max_examples=fuzz.max_examples * 4)
@given(st.sampled_from(LINES), st.sampled_from(VALUES))
def test_a_valid_file_with_a_value_exchanged(path: Path, typed, line: str, value: str) -> None:
    text = WHOLE.decode().replace(line, line.partition("=")[0] + "= " + value)
    with typed(ConfigError):
        load(path, text.encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[camera]\nfps = nan", "camera.fps: nan is not a finite number"),
        ("[mqtt]\nbackoff_max_s = inf", "mqtt.backoff_max_s: inf is not a finite number"),
        (
            '[[zones]]\nname = "till"\nexclude = [[0, 0], [nan, 1], [0, 1]]',
            "zones[0].exclude[1][0]: nan is not a finite number",
        ),
        ('[camera]\nbackend = "replay"\npath = "a\\u0000b"', "camera.path: holds a control character"),
        ('[device]\nsite = "shop\\n"', "device.site: ends with a line break"),
        ('[device]\ntags = {"zone\\n" = "a"}', "ends with a line break"),
        ('[mqtt]\nhost = ""', "mqtt.host"),
        ('[mqtt]\nhost = "a b"', "mqtt.host"),
        (f'[mqtt]\nusername = "{"u" * 257}"', "mqtt.username"),
    ],
)
def test_what_no_key_can_mean_is_refused_by_name(path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, text.encode())
    assert said in str(caught.value)


def test_a_pipe_is_not_waited_for_and_an_endless_file_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, Path("a\0b")):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path)
