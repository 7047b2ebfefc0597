"""Every setting, one row each. `scripts/settings_docs.py` makes `.env.example` and `docs/settings.md` of it.

A new setting is a row here and a field of the same name in `app.settings_types`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from app import settings_kinds as kinds
from app.env_file import expanded


class Setting(NamedTuple):
    """One setting: its name, where it is in `Settings`, its default, its kind, and what it is for."""

    name: str
    field: str
    """As in `limits.daily_requests`; empty for one that `app.settings` reads by its name."""
    default: Any
    kind: kinds.Kind
    help: str
    written: str = ""
    """The default as text, where that is not `str(default)`."""
    example: str = ""
    """Shown where there is no default."""
    aliases: tuple[str, ...] = ()
    """Older names, for where `name` is not set."""

    @property
    def text(self) -> str:
        """The default as text; empty where there is none."""
        return self.written or (str(self.default) if self.default else "")


class Group(NamedTuple):
    """Settings that stand together in the documents, below a title and a note."""

    title: str
    note: str
    settings: tuple[Setting, ...]


_PORT = kinds.whole(1, 65_535)
_COUNT = kinds.whole(0, 1_000_000)
_PRICE = kinds.dollars("give dollars per million tokens such as 0.10")
_BUDGET = kinds.dollars("give dollars such as 1.00")
_RATE = kinds.INTERVAL
_CLOUD = "api.trychroma.com"
_PAGE = "https://react.example.com"
_EMBEDDING = "text-embedding-3-small"
_OLD_KEYS = ("gravitycar_openai_api_key",)

# fmt: off
GROUPS = (
    Group("Users", "Who may ask questions.", (
        Setting("AUTH_API_URL", "auth_api_url", "", kinds.URL, example="https://api.example.com", help=
            "The API that says whose a token is. A web host needs it: without it no question is answered."),
        Setting("TOKEN_CACHE_TTL", "token_cache_ttl", 300, kinds.whole(0, 86_400), help=
            "For how many seconds a token that the API accepted is trusted before the API is asked again."),
        Setting("AUTH_DEV_TOKEN", "auth_dev_token", "", kinds.SECRET, help=
            "The token that a development server on this machine accepts, and no web host. "
            "scripts/start_flask.sh makes one if none is set."),
        Setting("CORS_ORIGINS", "cors_origins", frozenset(), kinds.ORIGINS, example=_PAGE, help=
            "Origins of other pages that may call this program, separated by commas; never *."),
    )),
    Group("Vectors", "Chroma Cloud if its key and its tenant are set, else a local `chroma run`.", (
        Setting("chroma_cloud_api_key", "chroma_cloud.api_key", "", kinds.KEY, "The key for Chroma Cloud."),
        Setting("chroma_cloud_tenant_id", "chroma_cloud.tenant", "", kinds.LINE, help=
            "The tenant that the key belongs to."),
        Setting("chroma_cloud_database", "chroma_cloud.database", "adnd_1e", kinds.LINE, help=
            "The database of that tenant."),
        Setting("CHROMA_CLOUD_HOST", "chroma_cloud.host", (_CLOUD, ""), kinds.HOST, written=_CLOUD, help=
            "The host for the database's region."),
        Setting("CHROMA_CLOUD_PORT", "chroma_cloud.port", 443, _PORT, "The port of CHROMA_CLOUD_HOST."),
        Setting("CHROMA_CLOUD_SSL", "chroma_cloud.ssl", True, kinds.SWITCH, written="on", help=
            "Whether to use https to CHROMA_CLOUD_HOST."),
        Setting("CHROMA_HOST", "chroma_local.host", ("localhost", ""), kinds.HOST, written="localhost", help=
            "The host of the local Chroma server; with https:// before it if the server speaks https."),
        Setting("CHROMA_PORT", "chroma_local.port", 8060, _PORT, "The port of CHROMA_HOST."),
        Setting("CHROMA_COLLECTION", "", "adnd_1e", kinds.COLLECTION, help=
            "The collection that holds the passages."),
    )),
    Group("Language model", "Without a key, passages of the sample rules are quoted and no model is asked.", (
        Setting("OPENAI_API_KEY", "openai.api_key", "", kinds.KEY, aliases=_OLD_KEYS, help=
            "The key for OpenAI, or for the server at OPENAI_BASE_URL."),
        Setting("OPENAI_BASE_URL", "openai.base_url", "https://api.openai.com/v1", kinds.URL, help=
            "The address of OpenAI or of a compatible server."),
        Setting("OPENAI_MODEL", "openai.model", "gpt-6-luna", kinds.LINE, "The model that writes answers."),
        Setting("OPENAI_EMBEDDING_MODEL", "openai.embedding_model", _EMBEDDING, kinds.LINE, help=
            "The model that makes vectors: the one that the collection was made with."),
        Setting("OPENAI_PRICE_INPUT", "prices.input", "", _PRICE, help=
            "Dollars per million tokens sent to the model, for a model or a price that is not in "
            "app/prices.json."),
        Setting("OPENAI_PRICE_CACHED", "prices.cached", "", _PRICE, help=
            "Dollars per million tokens that the provider had cached."),
        Setting("OPENAI_PRICE_OUTPUT", "prices.output", "", _PRICE, "Dollars per million tokens of answers."),
        Setting("OPENAI_PRICE_EMBEDDING", "prices.embedding", "", _PRICE, help=
            "Dollars per million tokens made into vectors."),
    )),
    Group("Limits", "What one user may ask, and what a day and a question may cost.", (
        Setting("TOKEN_BUCKET_CAPACITY", "limits.bucket_capacity", 15, _COUNT, help=
            "How many questions a user may ask in a burst; 0 means any number."),
        Setting("TOKEN_REFILL_RATE", "limits.refill_interval_us", 60_000_000, _RATE, written="1/60", help=
            "How many questions a second come back to the burst."),
        Setting("DAILY_USER_REQUEST_LIMIT", "limits.daily_requests", 30, kinds.whole(1, 1_000_000), help=
            "How many questions a user may ask in a day (UTC)."),
        Setting("MAX_IN_FLIGHT_PER_USER", "limits.max_in_flight", 2, kinds.whole(0, 1000), help=
            "How many questions of a user are answered at the same time; 0 means any number."),
        Setting("DAILY_BUDGET_USD", "limits.daily_budget_usd", "1.00", _BUDGET, help=
            "How many dollars all questions of a day (UTC) may cost. A budget below what one question "
            "reserves refuses all of them; the log says how much that is."),
        Setting("DAILY_GIVE_BACK_LIMIT", "limits.give_backs", 10, _COUNT, help=
            "How many failed questions of a user and a day do not count."),
        Setting("FREE_BUCKET_CAPACITY", "limits.free_capacity", 10, _COUNT, help=
            "How many requests that use no quota, such as pages in place of an answer, a user may make in "
            "a burst; 0 means any number."),
        Setting("FREE_REFILL_RATE", "limits.free_interval_us", 10_000_000, _RATE, written="1/10", help=
            "How many of these requests a second come back to the burst."),
        Setting("FAIR_SHARE_DAYS", "limits.share_days", 7, kinds.whole(0, 366), help=
            "A user may spend the day's budget divided by the users of the busiest of so many days, and a "
            "quarter more; 0 means all of the budget."),
        Setting("REQUEST_TIMEOUT_SECONDS", "request_timeout", 30.0, kinds.number(1, 600), written="30", help=
            "How many seconds a question may take."),
        Setting("REQUEST_CPU_SECONDS", "request_cpu_seconds", 20, kinds.whole(0, 3600), help=
            "How many seconds of processor time a question may use; 0 means no limit but the host's."),
        Setting("REQUEST_MEMORY_MB", "request_megabytes", 1024, kinds.whole(0, 1_000_000), help=
            "The address space of a process that answers one question, which uses a tenth of it; 0 means "
            "no limit but the host's."),
    )),
    Group("Alerts", "Mail at 80 % and 100 % of the budget, and when a user reaches the daily limit.", (
        Setting("ALERT_EMAIL", "alert_email", "", kinds.LINE, "Who gets the mail; empty means nobody."),
        Setting("SMTP_HOST", "smtp.host", "", kinds.LINE, help=
            "The mail server; empty means the host's sendmail."),
        Setting("SMTP_PORT", "smtp.port", 587, _PORT, "The port of SMTP_HOST."),
        Setting("SMTP_USER", "smtp.user", "", kinds.LINE, "The account on SMTP_HOST."),
        Setting("SMTP_PASS", "smtp.password", "", kinds.SECRET, "The password of SMTP_USER."),
        Setting("SMTP_FROM", "smtp.sender", "", kinds.LINE, "The sender's address."),
    )),
    Group("Encryption", "Whom to trust, and what may go without.", (
        Setting("SSL_CERT_FILE", "ca_file", None, kinds.PATH, help=
            "The certificates of trusted authorities, if the host's own are missing or you use another "
            "authority."),
        Setting("ALLOW_INSECURE", "", frozenset(), kinds.names_among(kinds.INSECURE), help=
            "To another machine AUTH_API_URL, OPENAI_BASE_URL, CHROMA_CLOUD_SSL, CHROMA_HOST and SMTP_HOST "
            "(with a password) need encryption. Those named here do not: whoever sits on the line can then "
            "read keys and tokens, and say who somebody is."),
    )),
    Group("Files and processes", "Paths are relative to the project root; ~ is the home directory.", (
        Setting("DATA_DIR", "data_dir", "var", kinds.PATH, help=
            "The directory for the ledger, the index and all other state."),
        Setting("LOG_FILE", "log_file", None, kinds.PATH, written="var/dndchat.log", help=
            "The log; by default dndchat.log in DATA_DIR."),
        Setting("WARM_WORKER", "warm_worker", False, kinds.SWITCH, written="off", help=
            "Whether the first question starts a process that answers the next ones."),
        Setting("WARM_WORKER_IDLE_SECONDS", "worker.idle_seconds", 300, kinds.whole(1, 86_400), help=
            "The worker ends after so many seconds without a request."),
        Setting("WARM_WORKER_MAX_REQUESTS", "worker.max_requests", 20_000, kinds.whole(1, 10_000_000), help=
            "The worker ends after so many requests."),
        Setting("WARM_WORKER_MAX_MB", "worker.max_megabytes", 150, kinds.whole(20, 100_000), help=
            "The worker ends when it uses so much memory."),
        Setting("WARM_WORKER_THREADS", "worker.threads", 8, kinds.whole(1, 64), help=
            "How many requests the worker answers at the same time; further ones are answered without it."),
    )),
)
# fmt: on

SETTINGS = {setting.name: setting for group in GROUPS for setting in group.settings}

NAMES = frozenset(name for setting in SETTINGS.values() for name in (setting.name, *setting.aliases))
"""All that is read from the environment and the settings file, but for DNDCHAT_ENV_FILE."""


class Reader:
    """Reads values by the names of their settings. It collects problems instead of stopping at the first."""

    def __init__(self, texts: Mapping[str, str], root: Path) -> None:
        """`texts`: by name; a blank one counts as not set. `root`: what paths are relative to."""
        self._texts, self._root = texts, root
        self.problems: list[str] = []
        self.dangers: list[str] = []
        self.insecure: frozenset[str] = self.value("ALLOW_INSECURE")

    def has(self, name: str) -> bool:
        return bool(self._text(name)[1])

    def value(self, name: str) -> Any:
        """The value of a setting; its default where it is not set, or is a problem."""
        setting = SETTINGS[name]
        used, text = self._text(name)
        try:
            if setting.kind is kinds.PATH:
                text = text or setting.default
                return self._root / expanded(text, self._texts) if text else None
            return setting.kind.parse(text) if text else setting.default
        except kinds.Unusable as error:
            self.problems += [f"{used}: {problem}" for problem in error.args]
        except ValueError:
            # The text is not repeated: it may be a secret that was pasted into the wrong line.
            self.problems.append(f"{used}: not usable; {setting.kind.hint}")
        return self._root / (setting.default or "") if setting.kind is kinds.PATH else setting.default

    def part(self, prefix: str) -> dict[str, Any]:
        """The fields of one part of `Settings` by name; `prefix` is empty for those of `Settings` itself."""
        fields = {}
        for setting in SETTINGS.values():
            part, _, field = setting.field.rpartition(".")
            if part == prefix and field:
                fields[field] = self.value(setting.name)
        return fields

    def _text(self, name: str) -> tuple[str, str]:
        """The first of the setting's names that is set, and its text."""
        for known in (name, *SETTINGS[name].aliases):
            if text := self._texts.get(known, "").strip():
                return known, text
        return name, ""
