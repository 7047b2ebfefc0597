"""What was asked, answered, refused and spent, by day and by user, from the totals that stay for ever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.escaping import escaped
from app.ledger import sql
from app.ledger.store import Transactions
from app.pricing import dollars

REFUSALS = ("burst", "daily", "in_flight", "budget", "free")
BAR_WIDTH = 30

Row = dict[str, Any]


def usage(ledger: Transactions, days: int) -> dict[str, Any]:
    """The last `days` UTC days, today included, in dollars and milliseconds. Raises LedgerUnavailable."""
    with ledger.reading() as db:
        since = db.now.days_before(days - 1)
        rows = [dict(row) for row in db.rows(sql.USER_DAYS, since=since)]
    users = _summed(rows, "user_id")
    return {
        "since": since,
        "daily_budget": dollars(ledger.limits.daily_budget),
        "total": _figures(rows),
        "days": _summed(rows, "day"),
        "users": sorted(users, key=lambda user: (-user["spent"], user["user_id"])),
    }


def as_text(report: dict[str, Any]) -> str:
    """For a terminal: a line with a bar for each day, then the users, the dearest first."""
    lines = [
        f"Since {report['since']} (UTC), budget ${report['daily_budget']:.2f} a day",
        "",
        _HEADER.format("day"),
    ]
    most = max([report["daily_budget"], *(day["spent"] for day in report["days"])]) or 1
    lines += [f"{_line(day, day['day'])}  {_bar(day['spent'] / most)}" for day in report["days"]]
    lines += [_line(report["total"], "in all"), "", _HEADER.format("user")]
    lines += [_line(user, escaped(user["user_id"])) for user in report["users"]]
    return "\n".join(lines) + "\n"


_HEADER = "{:<36}      spent  questions  answered  failed  refused  average  slowest   up  down"


def _line(row: Row, name: str) -> str:
    average = "–" if row["latency_average"] is None else f"{row['latency_average'] / 1000:.1f} s"
    slowest = "–" if row["latency_average"] is None else f"{row['latency_max'] / 1000:.1f} s"
    return (
        f"{name[:36]:<36}  ${row['spent']:8.4f}  {row['questions']:9}  {row['answered']:8}  {row['failed']:6}"
        f"  {sum(row['refused'].values()):7}  {average:>7}  {slowest:>7}  {row['up']:3}  {row['down']:4}"
    )


def _bar(part: float) -> str:
    eighths = round(part * BAR_WIDTH * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _summed(rows: Iterable[Row], key: str) -> list[Row]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return [{key: name, **_figures(group)} for name, group in groups.items()]


def _figures(rows: list[Row]) -> Row:
    total = {
        name: sum(row[name] for row in rows)
        for name in (rows[0] if rows else ())
        if name not in ("day", "user_id")
    }
    answered = total.get("answered", 0)
    return {
        "spent": dollars(total.get("spent_nd", 0)),
        "questions": total.get("admitted", 0) + total.get("given_back", 0),
        "answered": answered,
        "failed": total.get("failed", 0) + total.get("orphaned", 0),
        "refused": {reason: total.get(f"refused_{reason}", 0) for reason in REFUSALS},
        "latency_average": round(total["latency_ms_total"] / answered) if answered else None,
        "latency_max": max((row["latency_ms_max"] for row in rows), default=0),
        "up": total.get("thumbs_up", 0),
        "down": total.get("thumbs_down", 0),
    }
