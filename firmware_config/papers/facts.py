"""What the papers say about one device: its configuration, its model, and what was measured of both."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

from edge.audit import KEPT_DAYS
from edge.config import Config
from edge.errors import ConfigError
from edge.model.bundle import Bundle
from edge.policy import policy_of
from edge.version import VERSION, commit

ROOT = Path(__file__).parents[2]
EGRESS = ROOT / "docs" / "egress-report.json"
PRIVACY = ROOT / "docs" / "privacy-bench.json"


def facts_of(config: Config, bundle: Bundle, egress: Path, today: date) -> dict[str, Any]:
    """Every fact by its name in the templates; "" stands for what the configuration does not say.

    Raises:
        ConfigError: the egress report or the privacy bench's results cannot be read.
    """
    told, manifest = config.deployment, bundle.manifest
    policy = policy_of(config, bundle.sha256)
    report, bench = _read(egress), _read(PRIVACY)
    try:
        ran = report["ran"]
        seen = {
            "egress_verdict": report["verdict"],
            "egress_date": ran["date"],
            "egress_release": ran["release"],
            "egress_same_model": bundle.sha256 in str(ran["model"]),
        }
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{egress}: is no egress report", fix="make one: python -m benchmarks egress") from error
    return seen | {
        "today": today.isoformat(),
        "version": VERSION,
        "commit": commit(),
        "site": config.device.site,
        "device": config.device.name,
        "tz": config.device.tz,
        "purpose": told.purpose or "",
        "legal_basis": told.legal_basis or "",
        "jurisdiction": told.jurisdiction,
        "controller": told.controller,
        "contact": told.contact,
        "retention_days": told.retention_days or "",
        "place": told.notice,
        "notice_version": told.notice_version,
        "notice_date": told.notice_date.isoformat() if told.notice_date else "",
        "notice_url": told.notice_url,
        "consent_reference": told.consent_reference,
        "needs_consent": told.needs_consent,
        "policy": policy,
        "policy_groups": " ".join(policy[at : at + 8] for at in range(0, 32, 8)),
        "picture": f"{config.camera.width} × {config.camera.height}",
        "zones": len(config.zones),
        "zone_names": ", ".join(zone.name for zone in config.zones),
        "hours": ", ".join(config.hours.open),
        "window_min": f"{config.window.window_s / 60:g}",
        "floor": config.window.min_people,
        "proven": bench["rule"]["min_proven"],
        "share": f"{bench['rule']['max_share']:.0%}",
        "mode": config.privacy.mode,
        "epsilon": config.privacy.epsilon_per_day,
        "broker": f"{config.mqtt.host}:{config.mqtt.port}",
        "tls": config.mqtt.tls,
        "loopback": config.mqtt.loopback,
        "outbox_days": f"{config.outbox.max_age_days:g}",
        "audit_days": KEPT_DAYS,
        "model": f"{manifest.name} {manifest.version}",
        "model_sha256": bundle.sha256,
        "model_created": str(manifest.created),
        "network": manifest.network,
        "signature": bundle.signer,
        "metrics": manifest.metrics,
        "weaknesses": _section(bundle, "## Known weaknesses"),
        "groups": _section(bundle, "Groups of faces were compared"),
        "egress_sha256": hashlib.sha256(egress.read_bytes()).hexdigest(),
        "privacy_sha256": hashlib.sha256(PRIVACY.read_bytes()).hexdigest(),
        "released": {name: f"{scene['released']:.1%}" for name, scene in bench["scenes"].items()},
        "weight": {name: f"{scene['largest_weight']:.0%}" for name, scene in bench["scenes"].items()},
        "attack": {name: f"{error:.2f}" for name, error in bench["attacks"].items()},
    }


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error


def _section(bundle: Bundle, heading: str) -> list[str]:
    """The list under a heading or a paragraph of the model card, one text an item; in English, as the card is."""
    card = bundle.contents.get("MODEL_CARD.md", b"").decode("utf-8", errors="replace")
    after = card.partition(heading)[2].partition("\n")[2]
    items: list[str] = []
    for line in after.splitlines():
        if line.startswith("- "):
            items.append(line[2:])
        elif line.startswith("  ") and items:
            items[-1] += " " + line.strip()
        elif line.strip() and items:
            break
    return [item.replace("**", "") for item in items]
