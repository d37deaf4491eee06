"""Device profiles: one TOML a board, each a valid configuration from which `affect-edge init` starts.

They hold what depends on the board: camera backend and mode, threads, accelerator, limits of a face. Site, broker and
purpose belong to an installation and are asked for.
"""

from __future__ import annotations

from importlib.resources import files

from edge.errors import ConfigError

_SUFFIX = ".toml"


def profile_names() -> list[str]:
    """All profiles, sorted."""
    return sorted(
        entry.name.removesuffix(_SUFFIX) for entry in files(__name__).iterdir() if entry.name.endswith(_SUFFIX)
    )


def read_profile(name: str) -> str:
    """A profile's text, TOML.

    Raises:
        ConfigError: there is no such profile; names those there are.
    """
    if name not in profile_names():
        raise ConfigError(f"profile {name}: there is none of that name; choose one of {', '.join(profile_names())}")
    return files(__name__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")


def profile_title(name: str) -> str:
    """The board, in words: the first line of its profile."""
    return read_profile(name).splitlines()[0].lstrip("# ").rstrip(".")
