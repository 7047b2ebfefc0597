"""The settings as values, and warnings about what works but is probably not meant. Why
no annotation here is text: see app/models.py.
"""

from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from app.pricing import Pricing, nanodollars
from app.settings_kinds import NEVER_US

Mode = Literal["cloud", "local", "embedded"]

LEAST_TIMEOUT = 10
"""Seconds, for a cold start, three calls and an answer of full length."""
MOST_NAMES = 200

_HIDDEN = ("api_key", "password", "auth_dev_token", "origin")


def _without_secrets(values: Any) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in values._asdict().items() if name not in _HIDDEN)
    return f"{type(values).__name__}({fields})"


class ChromaSettings(NamedTuple):
    """Where the vectors are; `api_key` is empty for a local server."""

    host: str
    port: int
    ssl: bool
    tenant: str
    database: str
    collection: str
    api_key: str = ""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.ssl else 'http'}://{host}:{self.port}"

    def __repr__(self) -> str:
        return _without_secrets(self)


class OpenAISettings(NamedTuple):
    """Who is asked for embeddings and answers; `base_url` has no slash at its end."""

    base_url: str
    model: str
    embedding_model: str
    api_key: str = ""

    def __repr__(self) -> str:
        return _without_secrets(self)


class LimitSettings(NamedTuple):
    """What one user may ask and what a day may cost.

    0 means no limit for `bucket_capacity`, `max_in_flight`, `free_capacity` and `share_days`. A bucket gets
    one token back every `…_interval_us` microseconds (60,000,000 for 1/60 a second). `daily_budget_usd` is
    decimal text.
    """

    bucket_capacity: int
    refill_interval_us: int
    daily_requests: int
    max_in_flight: int
    daily_budget_usd: str
    give_backs: int = 10
    """How many failed questions of a user and a day do not count."""
    free_capacity: int = 10
    """The bucket for requests that use up no quota."""
    free_interval_us: int = 10_000_000
    share_days: int = 7
    """The users of so many days share a day's money."""

    @property
    def daily_budget(self) -> int:
        """Nano-dollars."""
        return nanodollars(self.daily_budget_usd)


class WorkerSettings(NamedTuple):
    """When the warm worker ends, and how many requests it serves at once; others are served one-shot."""

    idle_seconds: int
    max_requests: int
    max_megabytes: int
    threads: int


class SmtpSettings(NamedTuple):
    """The mail server for alerts; without a `host` the host's own sendmail is used."""

    host: str
    port: int
    user: str
    sender: str
    password: str = ""
    in_the_clear: bool = False
    """Whether the password may go to another machine without encryption."""

    def __repr__(self) -> str:
        return _without_secrets(self)


class Settings(NamedTuple):
    """Everything configurable, checked. `repr` leaves secrets out."""

    mode: Mode
    chroma_local: ChromaSettings
    chroma_cloud: ChromaSettings | None
    openai: OpenAISettings
    limits: LimitSettings
    pricing: Pricing
    smtp: SmtpSettings
    worker: WorkerSettings
    auth_api_url: str
    auth_dev_token: str
    token_cache_ttl: int
    """Seconds."""
    cors_origins: frozenset[str]
    request_timeout: float
    """Seconds."""
    request_cpu_seconds: int
    """How much of the processor a question may use; 0: no limit but the host's."""
    request_megabytes: int
    """The address space of a process that answers one question; 0: no limit but the host's."""
    alert_email: str
    ca_file: Path | None
    """The authorities whose certificates are trusted; None: the host's."""
    data_dir: Path
    log_file: Path
    warm_worker: bool
    source: Path | None = None
    """The settings file that was read, or None."""
    warnings: tuple[str, ...] = ()
    """What works but is probably not meant, each `NAME: what; what to do`."""
    dangers: tuple[str, ...] = ()
    """Those of the warnings that say how others can read keys, or more."""
    origin: tuple[object, ...] = ()
    """The variables and files that these settings were made of, as they were before they were read."""

    @property
    def chroma(self) -> ChromaSettings:
        """Where questions are looked up: the cloud if it is configured, else the local server."""
        return self.chroma_cloud or self.chroma_local

    def __repr__(self) -> str:
        return _without_secrets(self)


def bucket_warnings(limits: LimitSettings) -> list[str]:
    """Buckets that never fill again."""
    warnings = []
    for capacity, interval, rate, usual, bucket in (
        (
            limits.bucket_capacity,
            limits.refill_interval_us,
            "TOKEN_REFILL_RATE",
            "1/60",
            "TOKEN_BUCKET_CAPACITY",
        ),
        (limits.free_capacity, limits.free_interval_us, "FREE_REFILL_RATE", "1/10", "FREE_BUCKET_CAPACITY"),
    ):
        if capacity and interval == NEVER_US:
            warnings.append(
                f"{rate}: 0, so what a user has asked of the burst never comes back; give a rate such as "
                f"{usual}, or set {bucket} to 0 for no limit on bursts"
            )
    return warnings


def call_warnings(settings: Settings) -> list[str]:
    """What keeps a model from being asked, or from answering in time."""
    warnings = []
    model, limits = settings.openai.model, settings.limits
    dearest = settings.pricing.longest_question(model, settings.openai.embedding_model)
    if limits.daily_budget < dearest:
        least = -(-dearest // 1000)
        warnings.append(
            f"DAILY_BUDGET_USD: {limits.daily_budget_usd} is less than what a question to {model} reserves, "
            f"so questions are refused; give {least // 1_000_000}.{least % 1_000_000:06} or more"
        )
    if settings.request_timeout < LEAST_TIMEOUT:
        warnings.append(
            f"REQUEST_TIMEOUT_SECONDS: {settings.request_timeout:g} is less than most answers take, so they "
            f"are paid for and given up; give {LEAST_TIMEOUT} or more"
        )
    return warnings


def name_warnings(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Names in the settings file that are almost those of settings; others may be another program's."""
    warnings = []
    for name in islice((name for name in names if name not in known), MOST_NAMES):
        near = [
            (edits, meant) for meant in known if (edits := _edits(name.upper(), meant.upper())) is not None
        ]
        if near:
            warnings.append(
                f"{name}: no setting, so its value is not used; write {min(near)[1]} if that is meant"
            )
    return warnings


def _edits(name: str, meant: str, most: int = 2) -> int | None:
    """How many letters are missing, too many or wrong in `name`; None for more than `most`."""
    if abs(len(name) - len(meant)) > most or len(set(name) ^ set(meant)) > 2 * most:
        return None
    while name and meant and name[0] == meant[0]:
        name, meant = name[1:], meant[1:]
    if not (name and meant):
        return len(name) + len(meant)
    others = ((name[1:], meant[1:]), (name[1:], meant), (name, meant[1:]))
    found = [edits for rest in others if most and (edits := _edits(*rest, most - 1)) is not None]
    return 1 + min(found) if found else None
