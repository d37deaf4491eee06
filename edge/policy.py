"""The policy: what a device looks at, when, for what, and how little it tells; its hash stands on the notice."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from edge.config import Config
from edge.errors import NoticeError


def parts_of(config: Config, model_sha256: str) -> dict[str, Any]:
    """What the policy is made of. Names of zones, site and device are no part of it.

    Args:
        config: the configuration in force.
        model_sha256: of the model bundle's manifest.
    """
    privacy, camera = config.privacy, config.camera
    return {
        "zones": sorted(zone.exclude for zone in config.zones),
        "picture": {"rotate": camera.rotate, "flip": camera.flip},  # zones are fractions of the turned picture
        "hours": sorted(config.hours.open),
        "tz": config.device.tz if config.hours.open else "",
        "window_s": config.window.window_s,
        "min_people": config.window.min_people,
        "privacy": privacy.mode,
        "epsilon_per_day": privacy.epsilon_per_day if privacy.mode == "dp" else None,
        "purpose": config.deployment.purpose,
        "model": model_sha256,
    }


def policy_of(config: Config, model_sha256: str) -> str:
    """Hash of the policy: the first 32 hexadecimal digits of the SHA-256 of its parts as JSON with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(parts_of(config, model_sha256), order="sorted")).hexdigest()[:32]


def notice_holds(config: Config, policy: str) -> bool:
    """Whether the notice, if the configuration names its policy, is of this one."""
    return config.deployment.notice_policy in ("", policy)


def check_notice(config: Config, policy: str) -> None:
    """Raises NoticeError when the notice that the configuration names is of another policy."""
    if not notice_holds(config, policy):
        raise NoticeError(
            f"deployment.notice_policy: the notice is of policy {config.deployment.notice_policy}, and this device's "
            f"is {policy}",
            fix="hang up a notice of this policy (`python -m firmware_config papers`) and name its policy, or undo the "
            "change; `affect-edge policy` shows what it is made of",
        )
