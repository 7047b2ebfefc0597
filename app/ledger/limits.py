"""What a user may still ask, and why a question is refused. Every figure is an integer.

The functions run inside a transaction of the caller's. A refusal is returned, not raised: raised inside, it
would undo its own count.
"""

from typing import NamedTuple

from app.errors import BudgetExceeded, ConcurrentRequest, DailyLimitExceeded, RateLimited, Refused
from app.ledger import sql
from app.ledger.transaction import BUDGET_USED_UP, SECOND_US, USER_LIMIT, Alert, Moment, Transaction
from app.models import Quota
from app.settings import LimitSettings

# Nobody knows when an answer in flight will be complete; asking again costs nothing.
IN_FLIGHT_RETRY_SECONDS = 2

FREE_LIMIT_PUBLIC = "You have asked for this many times in a short time; please wait a little."
SHARE_PUBLIC = (
    "Your share of today's budget for answers is used up; here are the pages to read instead."
    " It starts anew at midnight UTC."
)


class Bucket(NamedTuple):
    """A bucket of `capacity` permits (0: no limit), kept in `table`; one permit comes back per `interval_us`.

    It is kept as what it lacks: `missing_us`, the microseconds until it is full. Taking a permit adds one
    interval, giving one back takes one off, time runs it down to zero. So 1/60 permit a second is exactly one
    per 60 s, however often one looks, and a changed capacity needs no conversion.
    """

    table: str
    capacity: int
    interval_us: int
    missing_us: int = 0

    def after(self, elapsed_us: int) -> "Bucket":
        """The bucket after a time; a clock that was set back gives nothing and takes nothing."""
        missing = max(0, self.missing_us - max(0, elapsed_us))
        return self._replace(missing_us=min(missing, self.capacity * self.interval_us))

    @property
    def remaining(self) -> int:
        """Whole permits in it."""
        return self.capacity - -(-self.missing_us // self.interval_us)

    @property
    def is_empty(self) -> bool:
        return bool(self.capacity) and self.remaining <= 0

    def taken(self) -> "Bucket":
        return self._replace(missing_us=self.missing_us + (self.interval_us if self.capacity else 0))

    def given_back(self) -> "Bucket":
        return self._replace(missing_us=max(0, self.missing_us - self.interval_us))

    @property
    def next_permit_seconds(self) -> int:
        """Whole seconds, rounded up, until one more permit is in it; 0 when it is full."""
        if not self.missing_us:
            return 0
        return -(-((self.missing_us - 1) % self.interval_us + 1) // SECOND_US)

    @property
    def window_us(self) -> int:
        """Microseconds in which an empty bucket fills."""
        return self.capacity * self.interval_us


def full_buckets(limits: LimitSettings) -> tuple[Bucket, Bucket]:
    """The bucket of questions and that of what costs no quota, as a new user has them."""
    return (
        Bucket("buckets", limits.bucket_capacity, limits.refill_interval_us),
        Bucket("free_buckets", limits.free_capacity, limits.free_interval_us),
    )


def read_bucket(db: Transaction, user_id: str, *, free: bool = False) -> Bucket:
    """The user's bucket now, of questions or, with `free`, of what costs no quota."""
    full = full_buckets(db.limits)[free]
    row = db.row(sql.bucket(full.table), user_id=user_id)
    if row is None:
        return full
    return full._replace(missing_us=row["missing_us"]).after(db.now.elapsed_since(Moment.stored(row)))


def write_bucket(db: Transaction, user_id: str, bucket: Bucket) -> None:
    now = db.now._asdict()
    db.run(sql.set_bucket(bucket.table), user_id=user_id, missing_us=bucket.missing_us, **now)


def read_quota(db: Transaction, user_id: str) -> Quota:
    """What the user has left of the day and the burst, and what the day has cost; uses nothing up."""
    limits, now = db.limits, db.now
    bucket = read_bucket(db, user_id)
    user_day = db.row(sql.USER_DAY, day=now.day, user_id=user_id)
    admitted, user_spent = (user_day["admitted"], user_day["spent_nd"]) if user_day else (0, 0)
    return Quota(
        burst_capacity=bucket.capacity,
        burst_window=-(-bucket.window_us // SECOND_US),
        burst_remaining=bucket.remaining,
        burst_reset=bucket.next_permit_seconds,
        daily_limit=limits.daily_requests,
        # A limit that was lowered during the day leaves nobody with less than nothing.
        daily_remaining=max(0, limits.daily_requests - admitted),
        daily_reset=now.seconds_to_midnight,
        user_spent=user_spent,
        day_spent=db.number(sql.DAY_SPENT, day=now.day),
        day_budget=limits.daily_budget,
    )


def take_free(db: Transaction, user_id: str) -> RateLimited | None:
    """Take a permit for what costs no quota; the refusal, counted, if there is none."""
    bucket = read_bucket(db, user_id, free=True)
    if not bucket.is_empty:
        write_bucket(db, user_id, bucket.taken())
        db.add(db.now.day, user_id, free=1)
        return None
    db.add(db.now.day, user_id, refused_free=1)
    quota = read_quota(db, user_id)
    refusal = RateLimited("limit of what costs no quota", retry_after=bucket.next_permit_seconds, quota=quota)
    refusal.public = FREE_LIMIT_PUBLIC
    return refusal


def find_refusal(db: Transaction, user_id: str, reserve: int, least: int) -> Refused | None:
    """Why a question cannot be admitted, counted in the user's day; None if it can.

    `reserve` and `least` are in nano-dollars, see `Ledger.admit`. The order is by how long a refusal lasts:
    who has used up the day is told that, not to wait a minute.
    """
    day, quota = db.now.day, read_quota(db, user_id)
    if not quota.daily_remaining:
        db.add(day, user_id, refused_daily=1)
        db.mark(Alert(day, USER_LIMIT, user_id))
        return DailyLimitExceeded("daily limit", retry_after=quota.daily_reset, quota=quota)
    if quota.burst_capacity and not quota.burst_remaining:
        db.add(day, user_id, refused_burst=1)
        return RateLimited("burst limit", retry_after=quota.burst_reset, quota=quota)
    return in_flight_refusal(db, user_id) or budget_refusal(db, day, user_id, bound=least, reserve=reserve)


def in_flight_refusal(db: Transaction, user_id: str) -> ConcurrentRequest | None:
    """The refusal, counted, if as much is in flight as may be: questions and what costs no quota together."""
    most = db.limits.max_in_flight
    in_flight = db.number(sql.IN_FLIGHT, user_id=user_id)
    if not most or in_flight < most:
        return None
    db.add(db.now.day, user_id, refused_in_flight=1)
    quota = read_quota(db, user_id)
    return ConcurrentRequest(f"{in_flight} in flight", retry_after=IN_FLIGHT_RETRY_SECONDS, quota=quota)


def user_share(db: Transaction, day: str) -> int:
    """Nano-dollars that one user may spend on `day`, so that a few cannot use up what all are to have.

    The budget is divided by the number of users of a day, and a quarter more for those who come anew. That
    number is the most that asked on one day of the last week, today included: at midnight the shares are as
    they were.
    """
    limits = db.limits
    if not limits.share_days:
        return limits.daily_budget
    users = db.number(sql.MOST_USERS, since=db.now.days_before(limits.share_days), day=day)
    return limits.daily_budget // max(1, users + users // 4)


def budget_refusal(
    db: Transaction, day: str, user_id: str, *, bound: int, reserve: int, request_id: str = ""
) -> BudgetExceeded | None:
    """The refusal, counted, if the user's share of `day` has no room for `bound` or its budget for `reserve`.

    Both are in nano-dollars. Against the share count what was spent and the bounds of the calls under way,
    not what open questions hold beyond these; of `request_id` it is what has been committed already. A user's
    only question of a day is not refused for its share, however small that is.
    """
    key = {"day": day, "user_id": user_id}
    user_day = db.row(sql.USER_DAY, **key)
    user_spent = user_day["spent_nd"] if user_day else 0
    committed = user_spent + db.number(sql.SENT_OF_USER, **key)
    own = db.number(sql.COMMITTED_OF_REQUEST, request_id=request_id)
    share = user_share(db, day)
    spent, budget = db.number(sql.DAY_SPENT, day=day), db.limits.daily_budget
    held = db.number(sql.DAY_HELD, day=day)
    public = of_share = None
    if bound and committed != own and committed + bound > share:
        detail = f"share of {day}: {committed} nano-dollars spent or sent by the user, "
        detail += f"{bound} more asked for, {share} allowed"
        used_up = user_spent + bound > share
        of_share, public = (user_spent, share), SHARE_PUBLIC
    elif reserve > 0 and spent + held + reserve > budget:
        detail = f"budget of {day}: {spent} nano-dollars spent, {held} reserved, "
        detail += f"{reserve} more asked for, {budget} allowed"
        used_up = spent + reserve > budget
        if used_up:
            # Spend alone rarely meets the budget to the nano-dollar, as reservations are bounds.
            db.mark(Alert(day, BUDGET_USED_UP))
    else:
        return None
    db.add(day, user_id, refused_budget=1)
    return BudgetExceeded(
        detail,
        # While open questions hold the rest, one that ends may leave room.
        retry_after=db.now.seconds_to_midnight if used_up else IN_FLIGHT_RETRY_SECONDS,
        quota=read_quota(db, user_id),
        spent=spent,
        budget=budget,
        of_share=of_share,
        public=public,
    )
