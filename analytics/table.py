"""The one flat table of windows: a row a window, a column a field of `edge.contract.Window`."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import pyarrow as pa

from edge.contract import Quadrants, Window, decode

Row = dict[str, object]
INSTANT = pa.timestamp("us", tz="UTC")
_TEXT, _COUNT, _NUMBER = pa.string(), pa.int64(), pa.float64()


def _field(name: str, kind: pa.DataType, meaning: str, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null, metadata={"description": meaning})


# A field without a meaning of its own is the window's field of that name; docs/mqtt says what it means.
SCHEMA = pa.schema(
    [
        _field("id", _TEXT, "Primary key."),
        _field("site", _TEXT, ""),
        _field("device", _TEXT, ""),
        _field("epoch", _TEXT, ""),
        _field("seq", _COUNT, ""),
        _field("start", INSTANT, ""),
        _field("stop", INSTANT, "`end` of the window; that word is SQL's own."),
        _field("local_start", pa.timestamp("us"), "`start` on the wall clock of the device's time zone."),
        _field("tz", _TEXT, ""),
        _field("tags", _TEXT, "JSON object of text, keys sorted, no spaces: equal tags are equal text."),
        _field("clock", _TEXT, ""),
        _field("partial", pa.bool_(), ""),
        _field("observed_s", _NUMBER, ""),
        _field("visits", _COUNT, "", null=True),
        _field("visits_begun", _COUNT, "", null=True),
        _field("peak_simultaneous", _COUNT, "", null=True),
        _field("scored_s", _NUMBER, "", null=True),
        _field("unscored_visits", _COUNT, "", null=True),
        _field("people", _COUNT, "", null=True),
        _field("valence_mean", _NUMBER, "", null=True),
        _field("valence_std", _NUMBER, "", null=True),
        _field("arousal_mean", _NUMBER, "", null=True),
        _field("arousal_std", _NUMBER, "", null=True),
        *(_field(name, _NUMBER, "", null=True) for name in Quadrants.__struct_fields__),
        _field("suppressed", _TEXT, "", null=True),
        _field("epsilon", _NUMBER, "", null=True),
        _field("policy", _TEXT, ""),
        _field("model", _TEXT, "`<name>/<version>` of the model."),
        _field("model_sha256", _TEXT, ""),
        _field("received", INSTANT, "When the window was put into a row here."),
    ]
)
_SAME = [name for name in SCHEMA.names if name in Window.__struct_fields__ and name not in ("tags", "model")]


def row(message: Window | bytes, received: datetime | None = None) -> Row:
    """A window, or its bytes as the broker has them, as a row of `SCHEMA`.

    Args:
        received: when it came, with a time zone; now where it is left out.

    Raises:
        ValueError: not a window of version 1, or from a time zone that is not known here; says which field.
    """
    window = decode(message, Window) if isinstance(message, bytes) else message
    try:
        local = window.start.astimezone(ZoneInfo(window.tz)).replace(tzinfo=None)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"tz: {window.tz!r} is no time zone that is known here") from error
    flat: Row = {name: getattr(window, name) for name in _SAME}
    for axis in ("valence", "arousal"):
        spread = getattr(window, axis)
        flat[f"{axis}_mean"], flat[f"{axis}_std"] = (spread.mean, spread.std) if spread else (None, None)
    flat |= {name: getattr(window.quadrants, name, None) for name in Quadrants.__struct_fields__}
    flat |= {
        "start": window.start.astimezone(timezone.utc),
        "stop": window.end.astimezone(timezone.utc),
        "local_start": local,
        "tags": msgspec.json.encode(window.tags, order="sorted").decode(),
        "model": f"{window.model.name}/{window.model.version}",
        "model_sha256": window.model.sha256,
        "received": received or datetime.now(timezone.utc),
    }
    return flat
