"""From texts to checked settings: all problems are found, and all that works but is probably not meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.env_file import expanded
from app.pricing import Overrides, Pricing, price_list
from app.settings_kinds import NEVER_US, PATH, Unusable
from app.settings_table import INSECURE, SETTINGS
from app.settings_types import (
    ChromaSettings,
    LimitSettings,
    Mode,
    OpenAISettings,
    Settings,
    SmtpSettings,
    WorkerSettings,
)
from app.tls import is_loopback

# Seconds, for a cold start, three calls and an answer of full length.
LEAST_TIMEOUT = 10


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
            if setting.kind is PATH:
                text = text or setting.default
                return self._root / expanded(text, self._texts) if text else None
            return setting.kind.parse(text) if text else setting.default
        except Unusable as error:
            self.problems += [f"{used}: {problem}" for problem in error.args]
        except ValueError:
            # The text is not repeated: it may be a secret that was pasted into the wrong line.
            self.problems.append(f"{used}: not usable; {setting.kind.hint}")
        return self._root / (setting.default or "") if setting.kind is PATH else setting.default

    def part(self, prefix: str) -> dict[str, Any]:
        """The fields of one part of `Settings` by name; `prefix` is empty for those of `Settings` itself."""
        fields = {}
        for setting in SETTINGS.values():
            part, _, field = setting.field.rpartition(".")
            if part == prefix and field:
                fields[field] = self.value(setting.name)
        return fields

    def require_encryption(self, name: str, host: str, remedy: str) -> None:
        """A problem, as `name` speaks to `host` without encryption; none if it is this machine or allowed."""
        if is_loopback(host):
            return
        danger = f"{name}: not encrypted to another machine, so whoever sits on the line {INSECURE[name]}"
        danger += f"; {remedy}"
        if name in self.insecure:
            self.dangers.append(f"{danger} (ALLOW_INSECURE allows it)")
        else:
            self.problems.append(f"{danger}, or accept that: ALLOW_INSECURE={name}")

    def _text(self, name: str) -> tuple[str, str]:
        """The first of the setting's names that is set, and its text."""
        for known in (name, *SETTINGS[name].aliases):
            if text := self._texts.get(known, "").strip():
                return known, text
        return name, ""


def build(read: Reader) -> Settings:
    """All settings, which can be used only if `read.problems` is empty afterwards."""
    has_key = read.has("OPENAI_API_KEY")
    has_cloud = _has_cloud(read)
    mode: Mode = "embedded" if not has_key else "cloud" if has_cloud else "local"
    openai = OpenAISettings(**read.part("openai"))
    prices = Overrides(**read.part("prices"))
    pricing = Pricing({})
    if has_key:
        pricing, problems = price_list(openai.model, openai.embedding_model, prices)
        read.problems += problems
    collection = read.value("CHROMA_COLLECTION")
    own = read.part("")
    for name, url in (("AUTH_API_URL", own["auth_api_url"]), ("OPENAI_BASE_URL", openai.base_url)):
        parts = urlsplit(url)
        if parts.scheme == "http":
            read.require_encryption(name, parts.hostname or "", "give an address that begins with https://")
    settings = Settings(
        mode=mode,
        chroma_local=_local_chroma(read, collection),
        chroma_cloud=_cloud_chroma(read, collection) if has_cloud else None,
        openai=openai,
        limits=LimitSettings(**read.part("limits")),
        pricing=pricing,
        smtp=_smtp(read),
        worker=WorkerSettings(**read.part("worker")),
        **{**own, "log_file": own["log_file"] or own["data_dir"] / "dndchat.log"},
    )
    warnings = [*read.dangers]
    if has_cloud and not has_key:
        meant = "not set, so questions are answered from the sample rules; set it to use Chroma Cloud"
        warnings.append(f"OPENAI_API_KEY: {meant}")
    warnings += _bucket_warnings(settings.limits)
    if has_key and not read.problems:
        warnings += _call_warnings(settings)
    return settings._replace(warnings=tuple(warnings), dangers=tuple(read.dangers))


def _has_cloud(read: Reader) -> bool:
    names = ("chroma_cloud_api_key", "chroma_cloud_tenant_id")
    missing = [name for name in names if not read.has(name)]
    if len(missing) == 1:
        problem = "missing while its partner is set; set both for Chroma Cloud, or neither"
        read.problems.append(f"{missing[0]}: {problem}")
    return not missing


def _local_chroma(read: Reader, collection: str) -> ChromaSettings:
    fields = read.part("chroma_local")
    # "http://localhost" is accepted beside "localhost": earlier settings files have it so.
    host, scheme = fields.pop("host")
    if scheme != "https":
        read.require_encryption("CHROMA_HOST", host, f"give https://{host}")
    return ChromaSettings(
        host=host,
        ssl=scheme == "https",
        tenant="default_tenant",
        database="default_database",
        collection=collection,
        **fields,
    )


def _cloud_chroma(read: Reader, collection: str) -> ChromaSettings:
    fields = read.part("chroma_cloud")
    host, _ = fields.pop("host")
    if not fields["ssl"]:
        read.require_encryption("CHROMA_CLOUD_SSL", host, "set it to on")
    return ChromaSettings(host=host, collection=collection, **fields)


def _smtp(read: Reader) -> SmtpSettings:
    smtp = SmtpSettings(**read.part("smtp"), in_the_clear="SMTP_HOST" in read.insecure)
    if smtp.host and smtp.password and smtp.in_the_clear:
        # Whether the server offers encryption is seen when a mail is sent. If it does not, and the setting
        # does not allow that, the password is not sent.
        read.require_encryption("SMTP_HOST", smtp.host, "use a server that offers encryption")
    return smtp


def _bucket_warnings(limits: LimitSettings) -> list[str]:
    warnings = []
    for capacity, interval, rate, bucket in (
        (limits.bucket_capacity, limits.refill_interval_us, "TOKEN_REFILL_RATE", "TOKEN_BUCKET_CAPACITY"),
        (limits.free_capacity, limits.free_interval_us, "FREE_REFILL_RATE", "FREE_BUCKET_CAPACITY"),
    ):
        if capacity and interval == NEVER_US:
            warnings.append(
                f"{rate}: 0, so what a user has asked of the burst never comes back; give a rate such as "
                f"{SETTINGS[rate].text}, or set {bucket} to 0 for no limit on bursts"
            )
    return warnings


def _call_warnings(settings: Settings) -> list[str]:
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
