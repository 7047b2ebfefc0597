"""The settings, read here only: from the environment, then from one file.

The file is `DNDCHAT_ENV_FILE`, else `~/.env.dndchat`, else `.env` in the project root. `load` reports all
problems at once (`SettingsError`), each with its name and what to do. It reads one small file, creates
nothing and uses no network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from app import datadir, env_file
from app.errors import SettingsError
from app.pricing import Overrides, Pricing, price_list
from app.settings_kinds import COLLECTION_NAME, INSECURE
from app.settings_table import NAMES, SETTINGS, Reader
from app.settings_types import (
    ChromaSettings,
    LimitSettings,
    Mode,
    OpenAISettings,
    Settings,
    SmtpSettings,
    WorkerSettings,
    bucket_warnings,
    call_warnings,
    name_warnings,
)
from app.tls import is_loopback

__all__ = [
    "COLLECTION_NAME",
    "NAMES",
    "PROJECT_ROOT",
    "ChromaSettings",
    "LimitSettings",
    "OpenAISettings",
    "Settings",
    "SmtpSettings",
    "WorkerSettings",
    "child_environment",
    "has_changed",
    "load",
]

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# Where programs, the home directory and temporary files are, the clock's zone, and which letters are known.
_CHILDREN_NEED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"),
)


def load(environ: Mapping[str, str] | None = None, root: Path = PROJECT_ROOT) -> Settings:
    """Read and check all settings. Raises SettingsError with every problem found."""
    environ = os.environ if environ is None else environ
    # Before the file is read: what changes meanwhile must be seen as changed.
    origin = _origin(environ, root)
    path, lines, problems = _read_file(environ, root)
    # An empty variable in the environment counts as not set: the file's value stands.
    read = Reader({**lines.values, **{name: text for name, text in environ.items() if text.strip()}}, root)
    settings = _build(read)
    if intruded := datadir.intruded(settings.data_dir):
        problems.append(f"DATA_DIR: not used, as {datadir.intrusion(intruded)}")
    misspelt = name_warnings(lines.values, NAMES)
    if problems or read.problems:
        # A misspelt name may be the cause.
        raise SettingsError(problems + read.problems + misspelt)
    warnings, dangers = (*settings.warnings, *lines.warnings, *misspelt), settings.dangers
    if path and _has_secrets(lines.values) and datadir.exposed(path):
        what = f"other accounts on this machine can read the keys in it; run: chmod 600 {path}"
        danger = f"settings file {path}: {what}"
        warnings, dangers = (*warnings, danger), (*dangers, danger)
    return settings._replace(source=path, warnings=warnings, dangers=dangers, origin=origin)


def has_changed(settings: Settings, environ: Mapping[str, str], root: Path = PROJECT_ROOT) -> bool:
    """Whether `load(environ, root)` might give other settings now. For a process that lives on."""
    return settings.origin != _origin(environ, root)


def child_environment(names: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a process that this program starts: made, not inherited.

    A request's own holds the caller's token, cookies and address, and may hold keys; a child needs none of
    them. `names`: the settings that a child reads; `NAMES` for one that is a part of this program.
    """
    kept = {*_CHILDREN_NEED, *names, *(("DNDCHAT_ENV_FILE",) if names else ())}
    given = {name: os.environ[name] for name in kept if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", **given}


def _read_file(environ: Mapping[str, str], root: Path) -> tuple[Path | None, env_file.Lines, list[str]]:
    """The settings file, what is in it, and what keeps it from being used."""
    try:
        path = env_file.find(environ, root)
    except ValueError as error:
        return None, env_file.Lines({}), [f"DNDCHAT_ENV_FILE: {error}"]
    lines, problems = env_file.Lines({}), []
    if path is None:
        return None, lines, []
    try:
        lines = env_file.read(path)
        problems += [f"{problem}; correct it or delete it" for problem in lines.problems]
    except ValueError as error:
        problems.append(f"cannot be read ({error}); make it NAME=value lines in UTF-8")
    except OSError as error:
        problems.append(f"cannot be read ({type(error).__name__}); {datadir.refusal(path) or error.strerror}")
    if intruded := datadir.intruded(path, for_root=True):
        problems.append(f"not used, as {datadir.intrusion(intruded)}")
    return path, lines, [f"settings file {path}: {problem}" for problem in problems]


def _has_secrets(texts: Mapping[str, str]) -> bool:
    secret = [setting for setting in SETTINGS.values() if setting.kind.secret]
    return any(texts.get(name) for setting in secret for name in (setting.name, *setting.aliases))


def _origin(environ: Mapping[str, str], root: Path) -> tuple[object, ...]:
    return *((name, environ.get(name, "")) for name in sorted(NAMES)), *env_file.stamps(environ, root)


def _build(read: Reader) -> Settings:
    """All settings, which can be used only if `read.problems` is empty afterwards."""
    has_key = read.has("OPENAI_API_KEY")
    has_cloud = _has_cloud(read)
    mode: Mode = "embedded" if not has_key else "cloud" if has_cloud else "local"
    openai = OpenAISettings(**read.part("openai"))
    prices = Overrides(**read.part("prices"))
    pricing = Pricing({})
    if has_key:
        pricing, unpriced = price_list(openai.model, openai.embedding_model, prices)
        read.problems += unpriced
    collection = read.value("CHROMA_COLLECTION")
    own = read.part("")
    for name, url in (("AUTH_API_URL", own["auth_api_url"]), ("OPENAI_BASE_URL", openai.base_url)):
        parts = urlsplit(url)
        if parts.scheme == "http":
            _require_encryption(read, name, parts.hostname or "", "give an address that begins with https://")
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
    warnings += bucket_warnings(settings.limits)
    if has_key and not read.problems:
        warnings += call_warnings(settings)
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
        _require_encryption(read, "CHROMA_HOST", host, f"give https://{host}")
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
        _require_encryption(read, "CHROMA_CLOUD_SSL", host, "set it to on")
    return ChromaSettings(host=host, collection=collection, **fields)


def _smtp(read: Reader) -> SmtpSettings:
    smtp = SmtpSettings(**read.part("smtp"), in_the_clear="SMTP_HOST" in read.insecure)
    if smtp.host and smtp.password and smtp.in_the_clear:
        # Whether the server offers encryption is seen when a mail is sent. If it does not, and the setting
        # does not allow that, the password is not sent.
        _require_encryption(read, "SMTP_HOST", smtp.host, "use a server that offers encryption")
    return smtp


def _require_encryption(read: Reader, name: str, host: str, remedy: str) -> None:
    """A problem, as `name` speaks to `host` without encryption; none if it is this machine or allowed."""
    if is_loopback(host):
        return
    danger = (
        f"{name}: not encrypted to another machine, so whoever sits on the line {INSECURE[name]}; {remedy}"
    )
    if name in read.insecure:
        read.dangers.append(f"{danger} (ALLOW_INSECURE allows it)")
    else:
        read.problems.append(f"{danger}, or accept that: ALLOW_INSECURE={name}")
