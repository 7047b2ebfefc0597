"""The settings: the one module that reads the environment and the settings file.

Values come from the environment first, then from one file: `DNDCHAT_ENV_FILE`, else `~/.env.dndchat`, else `.env` in the
project root. `load` reports all problems at once (`SettingsError`), each with its name and what to do. It reads one small
file, creates nothing and touches no network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from app import datadir
from app.errors import SettingsError
from app.loopback import is_loopback
from app.pricing import Overrides, Pricing, nanodollars, price_list

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# As long as a token that never comes back takes to do so: 11 days, which a bucket of a million of them can still count.
NEVER_US = 1_000_000_000_000

# Seconds: with a cold start, three calls and an answer of full length.
LEAST_TIMEOUT = 10

# What Chroma takes.
COLLECTION_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{1,510}[A-Za-z0-9]"

# What may go to another machine without encryption where ALLOW_INSECURE names it, and what whoever sits on the line then does.
INSECURE = {
    "AUTH_API_URL": "reads tokens and says who somebody is",
    "OPENAI_BASE_URL": "reads the key and the questions, and writes the answers",
    "CHROMA_CLOUD_SSL": "reads the key, and writes the passages",
    "CHROMA_HOST": "reads and writes the passages",
    "SMTP_HOST": "reads the password and the alerts",
    "API_URL": "reads the token",  # of scripts/test_flask_query.sh
}

# Names whose values are worth a theft.
SECRETS = ("OPENAI_API_KEY", "gravitycar_openai_api_key", "chroma_cloud_api_key", "SMTP_PASS", "AUTH_DEV_TOKEN")

# Where programs, the home directory and temporary files are, the clock's zone, and which letters are known.
CHILDREN_NEED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE")

# Settings are a few kB; whatever is named by mistake is not read into memory.
MAX_FILE_BYTES = 1_000_000

Mode = Literal["cloud", "local", "embedded"]
T = TypeVar("T")


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
        return _shown(self, "api_key")


class OpenAISettings(NamedTuple):
    base_url: str
    model: str
    embedding_model: str
    api_key: str = ""

    def __repr__(self) -> str:
        return _shown(self, "api_key")


class LimitSettings(NamedTuple):
    """What one user may ask and what a day may cost.

    `bucket_capacity` 0 means no burst limit, `max_in_flight` 0 any number of questions at once; `refill_interval_us` is
    how long one token takes to come back (60,000,000 for 1/60); `daily_budget_usd` is a decimal text. So many failed
    questions of a day as `give_backs` says do not count. What costs no quota has a bucket of its own: `free_capacity`,
    `free_interval_us`. A day's money is shared by the users of the last `share_days` days; 0 switches that off.
    """

    bucket_capacity: int
    refill_interval_us: int
    daily_requests: int
    max_in_flight: int
    daily_budget_usd: str
    give_backs: int = 10
    free_capacity: int = 10
    free_interval_us: int = 10_000_000
    share_days: int = 7

    @property
    def daily_budget(self) -> int:
        """Nano-dollars."""
        return nanodollars(self.daily_budget_usd)


class WorkerSettings(NamedTuple):
    """When the warm worker ends, and how many requests it serves at once; further ones are served one-shot."""

    idle_seconds: int
    max_requests: int
    max_megabytes: int
    threads: int


class SmtpSettings(NamedTuple):
    host: str
    port: int
    user: str
    sender: str
    password: str = ""
    in_the_clear: bool = False
    """Whether the password may go to another machine without encryption."""

    def __repr__(self) -> str:
        return _shown(self, "password")


class Settings(NamedTuple):
    """Everything configurable, checked. Secrets are left out of `repr`."""

    mode: Mode
    chroma_local: ChromaSettings
    chroma_cloud: ChromaSettings | None
    openai: OpenAISettings
    limits: LimitSettings
    pricing: Pricing
    smtp: SmtpSettings
    auth_api_url: str
    auth_dev_token: str
    ca_file: Path | None
    """The authorities whose certificates are believed; None: the host's."""
    token_cache_ttl: int
    alert_email: str
    cors_origins: frozenset[str]
    data_dir: Path
    log_file: Path
    warm_worker: bool
    worker: WorkerSettings
    request_timeout: float
    request_cpu_seconds: int
    """What a question may use of the processor; 0: no limit but the host's."""
    request_megabytes: int
    """The address space of a process that answers one question; 0: no limit but the host's."""
    source: Path | None
    """The settings file that was read, or None."""
    warnings: tuple[str, ...] = ()
    """Things that work but are probably not meant, each `NAME: what; what to do`."""
    dangers: tuple[str, ...] = ()
    """Those of the warnings that tell by what others can read keys, or more."""
    names: frozenset[str] = frozenset()
    """The names that were looked for: what else is in the environment or the file does not matter here."""
    origin: tuple[object, ...] = ()
    """What they were made of: variables and files as they were before they were read."""

    @property
    def chroma(self) -> ChromaSettings:
        """Where questions are looked up: the cloud if it is configured, else the local server."""
        return self.chroma_cloud or self.chroma_local

    def __repr__(self) -> str:
        return _shown(self, "auth_dev_token", "origin")


def _shown(values: Any, *hidden: str) -> str:
    """A `repr` of a named tuple without its secrets. Named tuples, as a dataclass takes ten times as long to make."""
    fields = ", ".join(f"{name}={value!r}" for name, value in values._asdict().items() if name not in hidden)
    return f"{type(values).__name__}({fields})"


class _Reader:
    """Reads typed values by name and collects the problems instead of stopping at the first."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()
        self.problems: list[str] = []
        self.dangers: list[str] = []
        self.insecure = self._insecure("ALLOW_INSECURE")

    def text(self, *names: str, default: str = "") -> str:
        """The first of `names` that is set and not blank."""
        self.names.update(names)
        return next((value for name in names if (value := self._values.get(name, "").strip())), default)

    def parsed(self, name: str, default: T, parse: Callable[[str], T], hint: str) -> T:
        text = self.text(name)
        if not text:
            return default
        try:
            return parse(text)
        except ValueError:
            # The value itself is not repeated: it may be a secret that was pasted into the wrong line.
            self.problems.append(f"{name}: not usable; {hint}")
            return default

    def line(self, name: str) -> str:
        """Text for the head of a mail or a program's protocol: more than one line would be more than one header."""

        def parse(text: str) -> str:
            if not text.isprintable():
                raise ValueError
            return text

        return self.parsed(name, "", parse, "give one line, without control characters")

    def _insecure(self, name: str) -> frozenset[str]:
        def parse(text: str) -> frozenset[str]:
            names = frozenset(filter(None, re.split(r"[,\s]+", text)))
            if not names <= INSECURE.keys():
                raise ValueError
            return names

        return self.parsed(name, frozenset(), parse, f"give names among {', '.join(INSECURE)}, separated by commas")

    def encrypted(self, name: str, host: str, remedy: str) -> None:
        """What `name` configures speaks without encryption to `host`: a problem unless that is this machine, or allowed."""
        if is_loopback(host):
            return
        danger = f"{name}: not encrypted to another machine, so whoever sits on the line {INSECURE[name]}; {remedy}"
        if name in self.insecure:
            self.dangers.append(f"{danger} (ALLOW_INSECURE allows it)")
        else:
            self.problems.append(f"{danger}, or accept that: ALLOW_INSECURE={name}")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        def parse(text: str) -> int:
            if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
                raise ValueError
            return int(text)

        return self.parsed(name, default, parse, f"give a whole number from {low} to {high}")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A decimal number or a fraction such as 1/60."""

        def parse(text: str) -> float:
            match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:/([0-9]+))?", text)
            if not match or not float(match[2] or 1):
                raise ValueError
            value = float(match[1]) / float(match[2] or 1)
            if not low <= value <= high:
                raise ValueError
            return value

        return self.parsed(name, default, parse, f"give a number from {low:g} to {high:g}")

    def interval(self, name: str, default: int) -> int:
        """Microseconds per piece, to the nearest, from pieces per second as a decimal number or a fraction; 0: NEVER_US."""

        def parse(text: str) -> int:
            match = re.fullmatch(r"([0-9]{0,9})(?:\.([0-9]{1,20}))?(?:/([0-9]{1,9}))?", text)
            if not match:
                raise ValueError
            decimals = match[2] or ""
            pieces, seconds = int(match[1] + decimals), int("1" + "0" * len(decimals)) * int(match[3] or 1)
            if seconds and not pieces:
                return NEVER_US
            if not 0 < seconds <= pieces * 86_400 or pieces > 1000 * seconds:
                raise ValueError
            return (seconds * 1_000_000 + pieces // 2) // pieces

        return self.parsed(name, default, parse, "give tokens per second: 0, or 1/86400 to 1000, such as 1/60")

    def flag(self, name: str, default: bool) -> bool:
        words = {
            "on": True,
            "true": True,
            "yes": True,
            "1": True,
            "off": False,
            "false": False,
            "no": False,
            "0": False,
        }

        def parse(text: str) -> bool:
            if text.lower() not in words:
                raise ValueError
            return words[text.lower()]

        return self.parsed(name, default, parse, "say on or off")

    def url(self, name: str, default: str = "") -> str:
        """An http(s) address without query, without a trailing slash."""

        def parse(text: str) -> str:
            parts = urlsplit(text)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
                raise ValueError
            if parts.username or parts.password or re.search(r"\s", text):
                raise ValueError
            _ = parts.port  # raises ValueError for a port that is none
            return text.rstrip("/")

        address = self.parsed(name, default, parse, "give an address such as https://api.example.com")
        parts = urlsplit(address)
        if parts.scheme == "http":
            self.encrypted(name, parts.hostname or "", "give an address that begins with https://")
        return address

    def origins(self, name: str) -> frozenset[str]:
        found = set()
        for text in filter(None, re.split(r"[,\s]+", self.text(name))):
            if text == "*":
                self.problems.append(f"{name}: * is refused, as answers carry credentials; list each origin")
            elif not re.fullmatch(r"https?://[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|https?://\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?", text):
                self.problems.append(
                    f"{name}: one entry is no origin; give scheme, host and port only, such as https://react.example.com"
                )
            else:
                found.add(text.lower())
        return frozenset(found)

    def host(self, name: str, default: str) -> tuple[str, str]:
        """A host's name or address without brackets, and the scheme before it ("" if there is none)."""

        def parse(text: str) -> tuple[str, str]:
            match = re.fullmatch(r"(?:(https?)://)?(?:([A-Za-z0-9._-]+)|\[?((?:[0-9A-Fa-f.]*:){2,}[0-9A-Fa-f.]*)\]?)/?", text)
            if not match:
                raise ValueError
            return match[2] or match[3], match[1] or ""

        return self.parsed(name, (default, ""), parse, "give a host's name or address alone; its port has a setting of its own")

    def path(self, name: str, default: Path, base: Path) -> Path:
        hint = "give the path of a place on this machine"
        return self.parsed(name, default, lambda text: base / _expanded(text, self._values), hint)


def read_env_file(text: str) -> dict[str, str]:
    """`NAME=value` lines: comments, blank lines, `export`, single and double quotes; raises ValueError naming the line.

    `text` is decoded with surrogateescape: only comments may hold what was no UTF-8.
    """
    if "\0" in text[:4]:
        raise ValueError("it is not UTF-8 but, it seems, UTF-16")
    values: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", line)
        if not match:
            raise ValueError(f"line {number} is not NAME=value")
        name, value = match[1], match[2]
        quoted = re.fullmatch(r"""(["'])(.*?)\1(?:\s+#.*)?""", value)
        value = quoted[2] if quoted else re.sub(r"(?:^|(?<!\s)\s+)#.*$", "", value)
        if re.search("[\udc80-\udcff]", value):
            raise ValueError(f"line {number} is not UTF-8")
        values[name] = value
    return values


def find_env_file(environ: Mapping[str, str], root: Path) -> Path | None:
    """The file that settings are read from; raises ValueError when `DNDCHAT_ENV_FILE` names none, saying why.

    A home directory that this account may not enter has no file for it.
    """
    if named := environ.get("DNDCHAT_ENV_FILE", "").strip():
        path = _expanded(named, environ)
        if not _is_file(path):
            raise ValueError(
                datadir.refusal(path) or f"{path} {_other_than_a_file(path)}; correct the path or unset DNDCHAT_ENV_FILE"
            )
        return path
    return next(filter(_is_file, _default_env_files(environ, root)), None)


def _is_file(path: Path) -> bool:
    # Unlike Path.is_file it says no where this account may not look.
    return os.path.isfile(path)  # noqa: PTH113


def _other_than_a_file(path: Path) -> str:
    if path.is_dir():
        return "is a directory"
    if path.exists():
        return "is no ordinary file"
    return "is a link to nothing" if path.is_symlink() else "is not there"


def _default_env_files(environ: Mapping[str, str], root: Path) -> tuple[Path, ...]:
    return _home(environ) / ".env.dndchat", root / ".env"


def has_changed(settings: Settings, environ: Mapping[str, str], root: Path = PROJECT_ROOT) -> bool:
    """Whether `load(environ, root)` might give other settings than `settings`. For a process that lives on."""
    return settings.origin != _origin(settings.names, environ, _file_stamps(environ, root))


def _origin(names: frozenset[str], environ: Mapping[str, str], files: tuple[object, ...]) -> tuple[object, ...]:
    return *((name, environ.get(name, "")) for name in sorted(names)), *files


def _file_stamps(environ: Mapping[str, str], root: Path) -> tuple[object, ...]:
    """Which settings files there may be and what they are now."""
    named = environ.get("DNDCHAT_ENV_FILE", "").strip()
    try:
        files = (_expanded(named, environ),) if named else _default_env_files(environ, root)
    except ValueError:
        files = ()
    return tuple((str(path), datadir.file_stamp(path)) for path in files)


def _expanded(text: str, environ: Mapping[str, str]) -> Path:
    """The path with `~` replaced. Raises ValueError for one that no file can have."""
    if "\0" in text:
        raise ValueError("a path holds no NUL")
    if text == "~" or text.startswith("~/"):
        return _home(environ) / text[2:]
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{text}: there is no such account") from None


def _home(environ: Mapping[str, str]) -> Path:
    # A path that depends on where a program was started is nobody's home.
    if (home := environ.get("HOME", "")).startswith("/"):
        return Path(home)
    # Apache gives CGI programs no HOME.
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/nonexistent")


def child_environment(names: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a process that this program starts: made, not inherited.

    A request's own holds the caller's token, cookies and address, and may hold keys; none of that is a child's business.
    `names`: what a child that is a part of this program reads settings from (`Settings.names`).
    """
    kept = {*CHILDREN_NEED, *names, *(("DNDCHAT_ENV_FILE",) if names else ())}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **{name: os.environ[name] for name in kept if name in os.environ}}


def load(environ: Mapping[str, str] | None = None, root: Path = PROJECT_ROOT) -> Settings:
    """Read and check all settings. Raises SettingsError with every problem found."""
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    from_file: dict[str, str] = {}
    source = None
    files = _file_stamps(environ, root)
    try:
        source = find_env_file(environ, root)
    except ValueError as error:
        problems.append(f"DNDCHAT_ENV_FILE: {error}")
    try:
        if source is not None:
            from_file = read_env_file(_read(source))
    except ValueError as error:
        problems.append(f"settings file {source}: cannot be read ({error}); make it NAME=value lines in UTF-8")
    except OSError as error:
        why = datadir.refusal(source) if source else ""
        problems.append(f"settings file {source}: cannot be read ({type(error).__name__}); {why or error.strerror}")
    if source is not None and (place := datadir.intruded(source, for_root=True)):
        problems.append(f"settings file {source}: not used, as {datadir.intrusion(place)}")

    # An empty variable in the environment counts as not set: the file's value stands.
    values = {**from_file, **{name: value for name, value in environ.items() if value.strip()}}
    read = _Reader(values)
    settings = _build(read, root, source)
    if place := datadir.intruded(settings.data_dir):
        problems.append(f"DATA_DIR: not used, as {datadir.intrusion(place)}")
    if problems or read.problems:
        raise SettingsError(problems + read.problems)
    if source is not None and any(from_file.get(name) for name in SECRETS) and datadir.exposed(source):
        warning = f"settings file {source}: other accounts on this machine can read the keys in it; run: chmod 600 {source}"
        settings = settings._replace(warnings=(*settings.warnings, warning), dangers=(*settings.dangers, warning))
    return settings._replace(origin=_origin(settings.names, environ, files))


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
    return data.decode("utf-8", "surrogateescape")


def _build(read: _Reader, root: Path, source: Path | None) -> Settings:
    warnings: list[str] = []
    key_name = "OPENAI_API_KEY" if read.text("OPENAI_API_KEY") else "gravitycar_openai_api_key"
    openai_key = read.text(key_name)
    cloud_key, tenant = read.text("chroma_cloud_api_key"), read.text("chroma_cloud_tenant_id")
    if bool(cloud_key) != bool(tenant):
        missing = "chroma_cloud_tenant_id" if cloud_key else "chroma_cloud_api_key"
        read.problems.append(f"{missing}: missing while its partner is set; set both for Chroma Cloud, or neither")
    cloud = bool(cloud_key and tenant)
    mode: Mode = "embedded" if not openai_key else "cloud" if cloud else "local"
    if cloud and not openai_key:
        warnings.append("OPENAI_API_KEY: not set, so questions are answered from the sample rules; set it to use Chroma Cloud")
    model = read.text("OPENAI_MODEL", default="gpt-6-luna")
    embedding_model = read.text("OPENAI_EMBEDDING_MODEL", default="text-embedding-3-small")
    pricing = _pricing(read, model, embedding_model, used=bool(openai_key))
    collection = _collection(read)
    data_dir = read.path("DATA_DIR", root / "var", root)
    request_timeout = read.number("REQUEST_TIMEOUT_SECONDS", 30.0, 1, 600)
    limits = _limits(read)
    for capacity, interval, rate, bucket, example in (
        (limits.bucket_capacity, limits.refill_interval_us, "TOKEN_REFILL_RATE", "TOKEN_BUCKET_CAPACITY", "1/60"),
        (limits.free_capacity, limits.free_interval_us, "FREE_REFILL_RATE", "FREE_BUCKET_CAPACITY", "1/10"),
    ):
        if capacity and interval == NEVER_US:
            warnings.append(
                f"{rate}: 0, so what a user has asked of the burst never comes back; give a rate such as {example}, or set "
                f"{bucket} to 0 for no limit on bursts"
            )
    if mode != "embedded" and not read.problems:
        warnings += _call_warnings(limits, request_timeout, model, pricing.longest_question(model, embedding_model))
    return Settings(
        mode=mode,
        chroma_local=_local_chroma(read, collection),
        chroma_cloud=_cloud_chroma(read, collection, cloud_key, tenant) if cloud else None,
        openai=OpenAISettings(
            base_url=read.url("OPENAI_BASE_URL", "https://api.openai.com/v1"),
            model=model,
            embedding_model=embedding_model,
            api_key=_header_safe(read, key_name, openai_key),
        ),
        limits=limits,
        pricing=pricing,
        smtp=_smtp(read),
        auth_api_url=read.url("AUTH_API_URL"),
        auth_dev_token=read.text("AUTH_DEV_TOKEN"),
        ca_file=read.path("SSL_CERT_FILE", root, root) if read.text("SSL_CERT_FILE") else None,
        token_cache_ttl=read.integer("TOKEN_CACHE_TTL", 300, 0, 86_400),
        alert_email=read.line("ALERT_EMAIL"),
        cors_origins=read.origins("CORS_ORIGINS"),
        data_dir=data_dir,
        log_file=read.path("LOG_FILE", data_dir / "dndchat.log", root),
        warm_worker=read.flag("WARM_WORKER", False),
        worker=WorkerSettings(
            idle_seconds=read.integer("WARM_WORKER_IDLE_SECONDS", 300, 1, 86_400),
            max_requests=read.integer("WARM_WORKER_MAX_REQUESTS", 20_000, 1, 10_000_000),
            max_megabytes=read.integer("WARM_WORKER_MAX_MB", 150, 20, 100_000),
            threads=read.integer("WARM_WORKER_THREADS", 8, 1, 64),
        ),
        request_timeout=request_timeout,
        request_cpu_seconds=read.integer("REQUEST_CPU_SECONDS", 20, 0, 3600),
        request_megabytes=read.integer("REQUEST_MEMORY_MB", 1024, 0, 1_000_000),
        source=source,
        warnings=(*read.dangers, *warnings),
        dangers=tuple(read.dangers),
        names=frozenset(read.names),
    )


def _limits(read: _Reader) -> LimitSettings:
    return LimitSettings(
        bucket_capacity=read.integer("TOKEN_BUCKET_CAPACITY", 15, 0, 1_000_000),
        refill_interval_us=read.interval("TOKEN_REFILL_RATE", 60_000_000),
        daily_requests=read.integer("DAILY_USER_REQUEST_LIMIT", 30, 1, 1_000_000),
        max_in_flight=read.integer("MAX_IN_FLIGHT_PER_USER", 2, 0, 1000),
        daily_budget_usd=read.parsed("DAILY_BUDGET_USD", "1.00", _dollars, "give dollars such as 1.00"),
        give_backs=read.integer("DAILY_GIVE_BACK_LIMIT", 10, 0, 1_000_000),
        free_capacity=read.integer("FREE_BUCKET_CAPACITY", 10, 0, 1_000_000),
        free_interval_us=read.interval("FREE_REFILL_RATE", 10_000_000),
        share_days=read.integer("FAIR_SHARE_DAYS", 7, 0, 366),
    )


def _call_warnings(limits: LimitSettings, request_timeout: float, model: str, dearest: int) -> list[str]:
    """What keeps a model from being asked, or from answering in time. `dearest`: nano-dollars that a question reserves."""
    found = []
    if limits.daily_budget < dearest:
        least = -(-dearest // 1000)
        found.append(
            f"DAILY_BUDGET_USD: {limits.daily_budget_usd} is less than what a question to {model} reserves, so questions are "
            f"refused; give {least // 1_000_000}.{least % 1_000_000:06} or more"
        )
    if request_timeout < LEAST_TIMEOUT:
        found.append(
            f"REQUEST_TIMEOUT_SECONDS: {request_timeout:g} is less than most answers take, so they are paid for and given up; "
            f"give {LEAST_TIMEOUT} or more"
        )
    return found


def _smtp(read: _Reader) -> SmtpSettings:
    smtp = SmtpSettings(
        host=read.line("SMTP_HOST"),
        port=read.integer("SMTP_PORT", 587, 1, 65535),
        user=read.line("SMTP_USER"),
        sender=read.line("SMTP_FROM"),
        password=read.text("SMTP_PASS"),
        in_the_clear="SMTP_HOST" in read.insecure,
    )
    if smtp.host and smtp.password and smtp.in_the_clear:
        # Whether the server offers encryption is seen when a mail is sent; without this word the password then stays here.
        read.encrypted("SMTP_HOST", smtp.host, "use a server that offers encryption")
    return smtp


def _cloud_chroma(read: _Reader, collection: str, api_key: str, tenant: str) -> ChromaSettings:
    host, ssl = read.host("CHROMA_CLOUD_HOST", "api.trychroma.com")[0], read.flag("CHROMA_CLOUD_SSL", True)
    if not ssl:
        read.encrypted("CHROMA_CLOUD_SSL", host, "set it to on")
    return ChromaSettings(
        host=host,
        port=read.integer("CHROMA_CLOUD_PORT", 443, 1, 65535),
        ssl=ssl,
        tenant=tenant,
        database=read.text("chroma_cloud_database", default="adnd_1e"),
        collection=collection,
        api_key=_header_safe(read, "chroma_cloud_api_key", api_key),
    )


def _local_chroma(read: _Reader, collection: str) -> ChromaSettings:
    # "http://localhost" is accepted beside "localhost": earlier settings files have it so.
    host, scheme = read.host("CHROMA_HOST", "localhost")
    if scheme != "https":
        read.encrypted("CHROMA_HOST", host, f"give https://{host}")
    return ChromaSettings(
        host=host,
        port=read.integer("CHROMA_PORT", 8060, 1, 65535),
        ssl=scheme == "https",
        tenant="default_tenant",
        database="default_database",
        collection=collection,
    )


def _collection(read: _Reader) -> str:
    def parse(text: str) -> str:
        if not re.fullmatch(COLLECTION_NAME, text):
            raise ValueError
        return text

    hint = "give 3 to 512 letters, digits, dots, dashes or underscores"
    return read.parsed("CHROMA_COLLECTION", "adnd_1e", parse, hint)


def _pricing(read: _Reader, model: str, embedding_model: str, *, used: bool) -> Pricing:
    """What the two models cost. Unused models need no price."""

    def price(name: str) -> str:
        return read.parsed(name, "", _dollars, "give dollars per million tokens such as 0.10")

    given = Overrides(
        input=price("OPENAI_PRICE_INPUT"),
        cached=price("OPENAI_PRICE_CACHED"),
        output=price("OPENAI_PRICE_OUTPUT"),
        embedding=price("OPENAI_PRICE_EMBEDDING"),
    )
    if not used:
        return Pricing({})
    pricing, problems = price_list(model, embedding_model, given)
    read.problems += problems
    return pricing


def _header_safe(read: _Reader, name: str, secret: str) -> str:
    """A key goes into an HTTP header: anything but visible ASCII is a slip of the clipboard."""
    if secret and not re.fullmatch(r"[\x21-\x7e]+", secret):
        read.problems.append(f"{name}: holds blanks or characters no key has; copy it again")
    return secret


def _dollars(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,9})?", text):
        raise ValueError
    return text
