"""What a device, a reader and a store's gateway are called at a broker."""

from __future__ import annotations

import re

from edge.errors import ConfigError

# Neither a site nor a device has a dot in it, so no two of them make one name, and none looks like a reader's.
_SLUG = re.compile(r"[a-z0-9-]{1,32}")


def username_of(site: str, device: str) -> str:
    """A device's user name. Its own name alone would not do: two sites may both have a `door`."""
    return f"{site}.{device}"


def gateway_username(site: str) -> str:
    """The user as which a store's gateway comes to the central broker."""
    return f"gateway@{site}"


def check_slug(text: str, what: str) -> str:
    """The text itself, when it is a site, device or reader.

    Raises:
        ConfigError: it is not.
    """
    if not _SLUG.fullmatch(text):
        raise ConfigError(f"{what}: {text!r} is not a-z, 0-9 and -, up to 32")
    return text
