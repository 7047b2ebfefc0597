"""Every query of the ledger, by name. The tables are in `schema.py`.

Plain SQL on purpose (named parameters, standard upserts), so that another database could take over. No query
here reads more rows as the ledger grows old, except those under "Maintenance" and "Report".
"""

from __future__ import annotations


def _insert(table: str, columns: str) -> str:
    """A new row; each of the columns (`a, b`) takes the parameter of its name."""
    return f"INSERT INTO {table} ({columns}) VALUES (:{columns.replace(', ', ', :')})"


def _upsert(table: str, key: str, columns: str) -> str:
    """A new row, or other values in the row that has this key."""
    values = ", ".join(f"{column} = excluded.{column}" for column in columns.split(", "))
    return f"{_insert(table, f'{key}, {columns}')} ON CONFLICT ({key}) DO UPDATE SET {values}"


# Which process has made a row and when (`transaction.Process`, `transaction.Moment`)
_MOMENT = "wall_us, steady_us, boot"
_ORIGIN = f"place, pid, pid_started, {_MOMENT}"

# Buckets: the tables `buckets` and `free_buckets` have the same columns


def bucket(table: str) -> str:
    return f"SELECT missing_us, {_MOMENT} FROM {table} WHERE user_id = :user_id"


def set_bucket(table: str) -> str:
    return _upsert(table, "user_id", f"missing_us, {_MOMENT}")


# Totals of a day

DAY_SPENT = "SELECT COALESCE(SUM(spent_nd), 0) FROM days WHERE day = :day"
ADD_DAY_SPENT = """
    INSERT INTO days (day, spent_nd) VALUES (:day, :amount)
    ON CONFLICT (day) DO UPDATE SET spent_nd = days.spent_nd + excluded.spent_nd"""
# How many users share a day's money: no more rows than the days that are looked back at.
MOST_USERS = "SELECT COALESCE(MAX(users), 0) FROM days WHERE day >= :since AND day <= :day"
ADD_USERS = """
    INSERT INTO days (day, users) VALUES (:day, :amount)
    ON CONFLICT (day) DO UPDATE SET users = days.users + excluded.users"""
USER_DAY = "SELECT admitted, given_back, spent_nd FROM user_days WHERE day = :day AND user_id = :user_id"
RAISE_LATENCY_MAX = """
    UPDATE user_days SET latency_ms_max = :latency_ms
    WHERE day = :day AND user_id = :user_id AND latency_ms_max < :latency_ms"""


def add_user_day(*columns: str) -> str:
    """Adds `:column` to each of these counts of a user's day; the row is made if it is not there."""
    row = _insert("user_days", ", ".join(("day", "user_id", *columns)))
    sums = ", ".join(f"{column} = user_days.{column} + excluded.{column}" for column in columns)
    return f"{row} ON CONFLICT (day, user_id) DO UPDATE SET {sums}"


# Requests and their paid calls

IN_FLIGHT = """
    SELECT (SELECT COUNT(*) FROM requests WHERE user_id = :user_id AND outcome IS NULL)
         + (SELECT COUNT(*) FROM free_uses WHERE user_id = :user_id)"""
DAY_HELD = "SELECT COALESCE(SUM(held_nd), 0) FROM requests WHERE day = :day AND outcome IS NULL"
OPEN_REQUESTS = f"SELECT request_id, user_id, day, {_ORIGIN} FROM requests WHERE outcome IS NULL"
OPEN_REQUEST = _insert("requests", f"request_id, user_id, day, held_nd, {_ORIGIN}")
REQUEST = f"""
    SELECT user_id, day, held_nd, spent_nd, outcome, given_back, {_ORIGIN}
    FROM requests WHERE request_id = :request_id"""
FORGET_REQUEST = "DELETE FROM requests WHERE request_id = :request_id"
GIVEN_BACK = "UPDATE requests SET given_back = 1 WHERE request_id = :request_id"

# What a request has sent and not settled; its next call may use what it holds beyond that.
_SENT = "(SELECT COALESCE(SUM(bound_nd), 0) FROM calls WHERE request_id = :request_id AND state = 'sent')"
UNASSIGNED = f"SELECT held_nd - {_SENT} FROM requests WHERE request_id = :request_id"
HOLD_MORE = "UPDATE requests SET held_nd = held_nd + :amount WHERE request_id = :request_id"
SPEND = """
    UPDATE requests SET held_nd = held_nd - :released, spent_nd = spent_nd + :amount
    WHERE request_id = :request_id"""
CLOSE_REQUEST = """
    UPDATE requests SET held_nd = 0, outcome = :outcome, latency_ms = :latency_ms
    WHERE request_id = :request_id"""

# What the open calls of a user may cost; those of one question, with what it has cost already.
SENT_OF_USER = """
    SELECT COALESCE(SUM(bound_nd), 0) FROM requests JOIN calls ON calls.request_id = requests.request_id
    WHERE user_id = :user_id AND day = :day AND outcome IS NULL AND state = 'sent'"""
COMMITTED_OF_REQUEST = (
    f"SELECT COALESCE(SUM(spent_nd), 0) + {_SENT} FROM requests WHERE request_id = :request_id"
)

ADD_CALL = """
    INSERT INTO calls (request_id, kind, model, state, bound_nd)
    VALUES (:request_id, :kind, :model, 'sent', :bound_nd)"""
CALL = "SELECT state, bound_nd, cost_nd FROM calls WHERE call_id = :call_id"
SENT_CALLS = "SELECT call_id, bound_nd FROM calls WHERE request_id = :request_id AND state = 'sent'"
SETTLE_CALL = """
    UPDATE calls SET state = :state, cost_nd = :cost_nd, prompt_tokens = :prompt_tokens,
        completion_tokens = :completion_tokens, cached_tokens = :cached_tokens,
        cache_write_tokens = :cache_write_tokens
    WHERE call_id = :call_id"""
ANSWER_COST = """
    SELECT COALESCE(SUM(cost_nd), 0) FROM calls WHERE request_id = :request_id AND kind <> 'embeddings'"""

# What costs no quota; a row is there as long as it goes on

OPEN_FREE_USES = f"SELECT use_id, {_ORIGIN} FROM free_uses"
OPEN_FREE_USE = _insert("free_uses", f"user_id, kind, {_ORIGIN}")
CLOSE_FREE_USE = "DELETE FROM free_uses WHERE use_id = :use_id"

# Access tokens

TOKEN = "SELECT user_id, stored_us, expires_us FROM tokens WHERE token_hash = :token_hash"
SET_TOKEN = _upsert("tokens", "token_hash", "user_id, stored_us, expires_us")
TRIM_TOKENS = """
    DELETE FROM tokens WHERE token_hash IN (
        SELECT token_hash FROM tokens ORDER BY stored_us DESC, token_hash LIMIT -1 OFFSET :keep)"""

# Feedback

ANSWERED_DAY = """
    SELECT day FROM requests WHERE request_id = :request_id AND user_id = :user_id AND outcome = 'answered'"""
RATING = "SELECT rating FROM feedback WHERE request_id = :request_id"
SET_FEEDBACK = _upsert("feedback", "request_id", "user_id, day, rating, comment")

# Alerts

MARK_ALERT = _insert("alerts", "day, kind, subject") + " ON CONFLICT (day, kind, subject) DO NOTHING"
DUE_ALERTS = """
    SELECT day, kind, subject FROM alerts
    WHERE delivered_us IS NULL AND day >= :since AND claimed_us <= :claimed_before AND attempts < :attempts
    ORDER BY day, kind, subject"""
CLAIM_ALERT = """
    UPDATE alerts SET claimed_us = :now_us, attempts = attempts + 1
    WHERE day = :day AND kind = :kind AND subject = :subject"""
ALERT_DELIVERED = """
    UPDATE alerts SET delivered_us = :now_us WHERE day = :day AND kind = :kind AND subject = :subject"""
TOP_USERS = """
    SELECT user_id, spent_nd, admitted + given_back AS questions FROM user_days
    WHERE day = :day ORDER BY spent_nd DESC, user_id LIMIT :count"""

# Maintenance: rows that may go, to be counted or deleted, and days that must add up first


def count(rows: str) -> str:
    return f"SELECT COUNT(*) {rows}"


def delete(rows: str) -> str:
    return f"DELETE {rows}"


def idle_buckets(table: str) -> str:
    return f"FROM {table} WHERE wall_us < :before_us"


EXPIRED_TOKENS = "FROM tokens WHERE expires_us <= :now_us"
OLD_ALERTS = "FROM alerts WHERE day < :before"
REQUESTS_OF_DAY = "FROM requests WHERE day = :day AND outcome IS NOT NULL"
CALLS_OF_DAY = f"FROM calls WHERE request_id IN (SELECT request_id {REQUESTS_OF_DAY})"
FEEDBACK_OF_DAY = "FROM feedback WHERE day = :day"
OLD_DAYS = "SELECT DISTINCT day FROM requests WHERE day < :before AND outcome IS NOT NULL ORDER BY day"

# Where the running totals of a day and the rows they were made of disagree.
WRONG_TOTALS = """
    SELECT added.user_id FROM (
        SELECT user_id, SUM(spent_nd) AS spent_nd, COUNT(*) AS requests FROM requests
        WHERE day = :day GROUP BY user_id
    ) AS added LEFT JOIN user_days ON user_days.day = :day AND user_days.user_id = added.user_id
    WHERE user_days.user_id IS NULL OR user_days.spent_nd <> added.spent_nd
        OR user_days.admitted + user_days.given_back <> added.requests"""
WRONG_DAY = """
    SELECT day FROM days WHERE day = :day AND spent_nd <> (
        SELECT COALESCE(SUM(spent_nd), 0) FROM user_days WHERE user_days.day = :day)"""
INTEGRITY = "PRAGMA integrity_check"

# Report

USER_DAYS = "SELECT * FROM user_days WHERE day >= :since ORDER BY day, spent_nd DESC, user_id"
