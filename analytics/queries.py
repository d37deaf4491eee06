"""What a report asks of windows. Each query is an expression of Ibis and runs on DuckDB, PostgreSQL and Spark alike.

A table of windows comes from `Store.windows` or `read_lake`; results have one row a group, sorted by it. Means weigh
windows by their people. Hours, weekdays and days are the device's local ones, of devices whose clock was synchronized.
"""

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir


# The engines' own functions: Ibis 12 writes what PostgreSQL does not read.
@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def json_extract_string(text: str, path: str) -> str:  # type: ignore[empty-body]
    """DuckDB's."""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def json_extract_path_text(document: dt.JSON, key: str) -> str:  # type: ignore[empty-body]
    """PostgreSQL's."""


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def get_json_object(text: str, path: str) -> str:  # type: ignore[empty-body]
    """Spark's."""


def scores(windows: ir.Table, *by: str) -> ir.Table:
    """Scores and coverage by columns: `windows`, `scored` (those with scores), `people` (possible people of those),
    `valence`, `arousal` (-1 to 1, null without scores), `observed_h`, `suppressed` (share of windows, 0 to 1),
    `models` (how many different ones; more than 1 are not to be compared).
    """
    table, people = windows, windows.people.fill_null(0)
    total = people.sum().cast("int64")  # PostgreSQL adds up in decimals, and divides whole numbers as such
    found = table.group_by(*by).agg(
        windows=table.count(),
        scored=table.people.count(),
        people=total,
        valence=(people * table.valence_mean).sum() / total.nullif(0),
        arousal=(people * table.arousal_mean).sum() / total.nullif(0),
        observed_h=table.observed_s.sum() / 3600,
        suppressed=1 - table.people.count().cast("float64") / table.count(),
        models=table.model_sha256.nunique(),
    )
    return found.order_by(*by)


def by_site(windows: ir.Table) -> ir.Table:
    """`scores` by `site`."""
    return scores(windows, "site")


def by_hour(windows: ir.Table) -> ir.Table:
    """`scores` by `site` and `hour` of the day, 0 to 23."""
    synced = _synced(windows)
    return scores(synced.mutate(hour=synced.local_start.hour().cast("int64")), "site", "hour")


def by_weekday(windows: ir.Table) -> ir.Table:
    """`scores` by `site` and `weekday`, 0 (Monday) to 6."""
    synced = _synced(windows)
    return scores(synced.mutate(weekday=synced.local_start.day_of_week.index().cast("int64")), "site", "weekday")


def by_day(windows: ir.Table) -> ir.Table:
    """`scores` by `site` and `day`: the series of days."""
    synced = _synced(windows)
    return scores(synced.mutate(day=synced.local_start.date()), "site", "day")


def by_tag(windows: ir.Table, key: str) -> ir.Table:
    """`scores` by `site` and the value of a tag, null where it is not set."""
    engine = windows.get_backend().name
    tag = {
        "duckdb": lambda: json_extract_string(windows.tags, f"$.{key}"),
        "postgres": lambda: json_extract_path_text(windows.tags.cast("json"), key),
        "pyspark": lambda: get_json_object(windows.tags, f"$.{key}"),
    }[engine]()
    return scores(windows.mutate(tag=tag), "site", "tag")


def coverage(windows: ir.Table) -> ir.Table:
    """By `site`, `device` and `suppressed` (null: with scores): `windows`, and `observed_h` of `asked_h` hours."""
    asked_s = windows.stop.epoch_seconds() - windows.start.epoch_seconds()
    by = ("site", "device", "suppressed")
    sums = {"observed_h": windows.observed_s.sum() / 3600, "asked_h": asked_s.sum().cast("float64") / 3600}
    return windows.group_by(*by).agg(windows=windows.count(), **sums).order_by(*by)


def gaps(windows: ir.Table, *, before: ir.TimestampValue | None = None) -> ir.Table:
    """Windows that are missing, by `site`, `device` and `epoch`: `missing`, and the first and last number before a gap.

    Args:
        before: only gaps whose next window was received before then. After an outage the newest window comes first,
            so a gap is a loss only when it stays.
    """
    row = windows.select("site", "device", "epoch", "seq", "received")
    before_it = row.seq.lag().over(group_by=[row.site, row.device, row.epoch], order_by=row.seq)
    row = row.mutate(last=before_it)
    gap = row.filter(row.seq - row.last > 1)
    if before is not None:
        gap = gap.filter(gap.received < before)
    by = ("site", "device", "epoch")
    missing = (gap.seq - gap.last - 1).sum().cast("int64")
    return gap.group_by(*by).agg(missing=missing, first=gap.last.min(), last=gap.last.max()).order_by(*by)


def _synced(windows: ir.Table) -> ir.Table:
    return windows.filter(windows.clock == "synced")


# Each of them, by name: what is measured, and compared between engines.
REPORT = {
    "by site": by_site,
    "by hour": by_hour,
    "by weekday": by_weekday,
    "by day": by_day,
    "by zone": lambda windows: by_tag(windows, "zone"),
    "coverage": coverage,
    "gaps": gaps,
}


def now_less(seconds: int) -> ir.TimestampValue:
    """So many seconds ago, by the engine's clock."""
    return ibis.now() - ibis.interval(seconds=seconds)
