"""Every query of the ledger, by name. The tables are in `schema.py`.

Plain SQL on purpose (named parameters, standard upserts), so that another database could take over. No query here reads more
rows as the ledger grows old, except those under "Maintenance" and "Report".
"""

# Buckets

_BUCKET = "SELECT missing_us, wall_us, steady_us, boot FROM {} WHERE user_id = :user_id"

_SET_BUCKET = """
    INSERT INTO {} (user_id, missing_us, wall_us, steady_us, boot)
    VALUES (:user_id, :missing_us, :wall_us, :steady_us, :boot)
    ON CONFLICT (user_id) DO UPDATE SET missing_us = excluded.missing_us, wall_us = excluded.wall_us,
        steady_us = excluded.steady_us, boot = excluded.boot"""

BUCKET, SET_BUCKET = _BUCKET.format("buckets"), _SET_BUCKET.format("buckets")

FREE_BUCKET, SET_FREE_BUCKET = _BUCKET.format("free_buckets"), _SET_BUCKET.format("free_buckets")

# Totals of a day

DAY_SPENT = "SELECT spent_nd FROM days WHERE day = :day"

ADD_DAY_SPENT = """
    INSERT INTO days (day, spent_nd) VALUES (:day, :amount)
    ON CONFLICT (day) DO UPDATE SET spent_nd = days.spent_nd + excluded.spent_nd"""

# How many users share a day's money: no more rows than the days that are looked back at.
MOST_USERS = "SELECT COALESCE(MAX(users), 0) FROM days WHERE day >= :since AND day <= :day"

ADD_USER = "INSERT INTO days (day, users) VALUES (:day, 1) ON CONFLICT (day) DO UPDATE SET users = days.users + 1"

USER_DAY = "SELECT admitted, given_back, spent_nd FROM user_days WHERE day = :day AND user_id = :user_id"

_USER_DAY_COUNTS = (
    "admitted",
    "given_back",
    "answered",
    "failed",
    "orphaned",
    "refused_burst",
    "refused_daily",
    "refused_in_flight",
    "refused_budget",
    "refused_free",
    "free",
    "spent_nd",
    "latency_ms_total",
    "thumbs_up",
    "thumbs_down",
)


def add_user_day(*columns: str) -> str:
    """Adds `:column` to each of these counts of a user's day; the row is made if it is not there."""
    assert set(columns) <= set(_USER_DAY_COUNTS)
    names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
    sums = ", ".join(f"{column} = user_days.{column} + excluded.{column}" for column in columns)
    return f"""
        INSERT INTO user_days (day, user_id, {names}) VALUES (:day, :user_id, {values})
        ON CONFLICT (day, user_id) DO UPDATE SET {sums}"""


RAISE_LATENCY_MAX = """
    UPDATE user_days SET latency_ms_max = :latency_ms
    WHERE day = :day AND user_id = :user_id AND latency_ms_max < :latency_ms"""

# Requests and their paid calls

IN_FLIGHT = """
    SELECT (SELECT COUNT(*) FROM requests WHERE user_id = :user_id AND outcome IS NULL)
         + (SELECT COUNT(*) FROM free_uses WHERE user_id = :user_id)"""

DAY_HELD = "SELECT COALESCE(SUM(held_nd), 0) FROM requests WHERE day = :day AND outcome IS NULL"

OPEN_REQUESTS = """
    SELECT request_id, user_id, day, place, pid, pid_started, wall_us, steady_us, boot
    FROM requests WHERE outcome IS NULL"""

OPEN_REQUEST = """
    INSERT INTO requests
        (request_id, user_id, day, place, pid, pid_started, wall_us, steady_us, boot, held_nd)
    VALUES (:request_id, :user_id, :day, :place, :pid, :pid_started, :wall_us, :steady_us, :boot, :held_nd)"""

REQUEST = """
    SELECT user_id, day, held_nd, spent_nd, outcome, given_back, place, pid, pid_started
    FROM requests WHERE request_id = :request_id"""

GIVEN_BACK = "UPDATE requests SET given_back = 1 WHERE request_id = :request_id"

# What a request holds beyond the calls it has sent: what its next call may use without reserving more.
UNASSIGNED = """
    SELECT held_nd - (SELECT COALESCE(SUM(bound_nd), 0) FROM calls
                      WHERE calls.request_id = requests.request_id AND state = 'sent') AS amount
    FROM requests WHERE request_id = :request_id"""

HOLD_MORE = "UPDATE requests SET held_nd = held_nd + :amount WHERE request_id = :request_id"

SPEND = """
    UPDATE requests SET held_nd = held_nd - :released, spent_nd = spent_nd + :amount
    WHERE request_id = :request_id"""

CLOSE_REQUEST = """
    UPDATE requests SET held_nd = 0, outcome = :outcome, latency_ms = :latency_ms
    WHERE request_id = :request_id"""

# What the open questions of a user may still cost for calls that were sent; of one of them only, that and what it has cost.
SENT_OF_USER = """
    SELECT COALESCE(SUM(bound_nd), 0) FROM requests JOIN calls ON calls.request_id = requests.request_id
    WHERE user_id = :user_id AND day = :day AND outcome IS NULL AND state = 'sent'"""

COMMITTED_OF_REQUEST = """
    SELECT spent_nd + (SELECT COALESCE(SUM(bound_nd), 0) FROM calls
                       WHERE calls.request_id = requests.request_id AND state = 'sent')
    FROM requests WHERE request_id = :request_id"""

ADD_CALL = """
    INSERT INTO calls (request_id, kind, model, state, bound_nd)
    VALUES (:request_id, :kind, :model, 'sent', :bound_nd)"""

CALL = "SELECT state, bound_nd, cost_nd FROM calls WHERE call_id = :call_id"

SENT_CALLS = "SELECT call_id, bound_nd FROM calls WHERE request_id = :request_id AND state = 'sent'"

SETTLE_CALL = """
    UPDATE calls SET state = :state, cost_nd = :cost_nd, prompt_tokens = :prompt_tokens,
        completion_tokens = :completion_tokens, cached_tokens = :cached_tokens, cache_write_tokens = :cache_write_tokens
    WHERE call_id = :call_id"""

ANSWER_COST = """
    SELECT COALESCE(SUM(cost_nd), 0) FROM calls WHERE request_id = :request_id AND kind <> 'embeddings'"""

# What costs no quota; a row is there as long as it goes on

OPEN_FREE_USES = "SELECT use_id, place, pid, pid_started, wall_us, steady_us, boot FROM free_uses"

OPEN_FREE_USE = """
    INSERT INTO free_uses (user_id, kind, place, pid, pid_started, wall_us, steady_us, boot)
    VALUES (:user_id, :kind, :place, :pid, :pid_started, :wall_us, :steady_us, :boot)"""

CLOSE_FREE_USE = "DELETE FROM free_uses WHERE use_id = :use_id"

# Tokens

TOKEN = "SELECT user_id, stored_us, expires_us FROM tokens WHERE token_hash = :token_hash"

SET_TOKEN = """
    INSERT INTO tokens (token_hash, user_id, stored_us, expires_us)
    VALUES (:token_hash, :user_id, :stored_us, :expires_us)
    ON CONFLICT (token_hash) DO UPDATE SET user_id = excluded.user_id, stored_us = excluded.stored_us,
        expires_us = excluded.expires_us"""

DELETE_EXPIRED_TOKENS = "DELETE FROM tokens WHERE expires_us <= :now_us"

TRIM_TOKENS = """
    DELETE FROM tokens WHERE token_hash IN (
        SELECT token_hash FROM tokens ORDER BY stored_us DESC, token_hash LIMIT -1 OFFSET :keep)"""

# Feedback

ANSWERED_DAY = """
    SELECT day FROM requests WHERE request_id = :request_id AND user_id = :user_id AND outcome = 'answered'"""

RATING = "SELECT rating FROM feedback WHERE request_id = :request_id"

SET_FEEDBACK = """
    INSERT INTO feedback (request_id, user_id, day, rating, comment)
    VALUES (:request_id, :user_id, :day, :rating, :comment)
    ON CONFLICT (request_id) DO UPDATE SET rating = excluded.rating, comment = excluded.comment"""

# Alerts

MARK_ALERT = """
    INSERT INTO alerts (day, kind, subject) VALUES (:day, :kind, :subject)
    ON CONFLICT (day, kind, subject) DO NOTHING"""

DUE_ALERTS = """
    SELECT day, kind, subject, attempts FROM alerts
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

# Maintenance

OLD_DAYS = "SELECT DISTINCT day FROM requests WHERE day < :before AND outcome IS NOT NULL ORDER BY day"

OLD_REQUESTS = "SELECT COUNT(*) FROM requests WHERE day = :day AND outcome IS NOT NULL"

# Where the running totals of a day and the rows they were made of disagree.
WRONG_TOTALS = """
    SELECT added.user_id FROM (
        SELECT user_id, SUM(spent_nd) AS spent_nd, COUNT(*) AS requests FROM requests WHERE day = :day GROUP BY user_id
    ) AS added LEFT JOIN user_days ON user_days.day = :day AND user_days.user_id = added.user_id
    WHERE user_days.user_id IS NULL OR user_days.spent_nd <> added.spent_nd
        OR user_days.admitted + user_days.given_back <> added.requests"""

WRONG_DAY = """
    SELECT day FROM days
    WHERE day = :day AND spent_nd <> (SELECT COALESCE(SUM(spent_nd), 0) FROM user_days WHERE user_days.day = :day)"""

DELETE_CALLS = """
    DELETE FROM calls WHERE request_id IN (SELECT request_id FROM requests WHERE day = :day AND outcome IS NOT NULL)"""

DELETE_FEEDBACK = "DELETE FROM feedback WHERE day = :day"

DELETE_REQUESTS = "DELETE FROM requests WHERE day = :day AND outcome IS NOT NULL"

EXPIRED_TOKENS = "SELECT COUNT(*) FROM tokens WHERE expires_us <= :now_us"

OLD_ALERTS = "SELECT COUNT(*) FROM alerts WHERE day < :before"

DELETE_ALERTS = "DELETE FROM alerts WHERE day < :before"

IDLE_BUCKETS = "SELECT COUNT(*) FROM buckets WHERE wall_us < :before_us"

DELETE_IDLE_BUCKETS = "DELETE FROM buckets WHERE wall_us < :before_us"

IDLE_FREE_BUCKETS = "SELECT COUNT(*) FROM free_buckets WHERE wall_us < :before_us"

DELETE_IDLE_FREE_BUCKETS = "DELETE FROM free_buckets WHERE wall_us < :before_us"

INTEGRITY = "PRAGMA integrity_check"

# Report

USER_DAYS = "SELECT * FROM user_days WHERE day >= :since ORDER BY day, spent_nd DESC, user_id"
