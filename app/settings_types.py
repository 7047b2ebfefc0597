"""The settings as values: named tuples without annotations as text, for app/models.py's reasons."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from app.pricing import Pricing, nanodollars

Mode = Literal["cloud", "local", "embedded"]

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
