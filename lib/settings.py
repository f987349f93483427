"""Settings: the one place that reads the environment, ``.env`` and ``.streamlit/secrets.toml``."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

from lib.errors import SettingsError

Mode = Literal["embedded", "postgres", "supabase"]


@dataclass(frozen=True)
class Setting:
    """One documented setting; ``alias`` is another name that means the same."""

    name: str
    default: str | None
    help: str
    secret: bool = False
    alias: str | None = None


SETTINGS: tuple[Setting, ...] = (
    Setting("MODELDECK_DATA_DIR", ".data", "Folder of the embedded database and its encryption key."),
    Setting("DATABASE_URL", None, "Postgres connection string; switches from the embedded SQLite file to that server.", secret=True),
    Setting("ANALYTICS_URL", None, "Connection string the analytics pages read from; DATABASE_URL when unset.", secret=True),
    Setting("SUPABASE_URL", None, "URL of a Supabase project; needs its keys and DATABASE_URL too."),
    Setting("SUPABASE_PUBLISHABLE_KEY", None, "Publishable key of the Supabase project.", alias="SUPABASE_ANON_KEY"),
    Setting("SUPABASE_SECRET_KEY", None, "Secret key of the Supabase project.", secret=True, alias="SUPABASE_SERVICE_ROLE_KEY"),
    Setting("ENCRYPTION_KEY", None, "Key that encrypts stored provider keys; embedded mode makes its own when unset.", secret=True),
    Setting(
        "LEGACY_ENCRYPTION_KEY", None, "ENCRYPTION_KEY of the older system whose keys are imported; asked for when unset.", secret=True
    ),
    Setting("OIDC_ISSUER", None, "Address of an OpenID provider for single sign-on next to passwords; needs DATABASE_URL and no Supabase."),
    Setting("OIDC_CLIENT_ID", None, "What Modeldeck is called at that provider."),
    Setting("OIDC_CLIENT_SECRET", None, "Secret of that client.", secret=True),
    Setting("OIDC_NAME", "single sign-on", "What its button says after “Continue with”."),
    Setting("OIDC_SCOPES", "openid email profile", "What the provider is asked for."),
    Setting("OIDC_ALLOWED_DOMAINS", None, "Comma-separated e-mail domains whose people come in uninvited, as members."),
    Setting("PORT", "8501", "Port the server listens on."),
    Setting("MODELDECK_ALLOWED_HOSTS", None, "Comma-separated host names the server answers to besides loopback."),
    Setting("MODELDECK_TRUSTED_PROXIES", None, "Comma-separated addresses or networks of reverse proxies on other machines."),
    Setting("OPENAI_API_KEY", None, "OpenAI key shared by everyone here.", secret=True),
    Setting("ANTHROPIC_API_KEY", None, "Anthropic key shared by everyone here.", secret=True),
    Setting("GOOGLE_API_KEY", None, "Google AI key shared by everyone here.", secret=True),
    Setting("HF_TOKEN", None, "Hugging Face token shared by everyone here.", secret=True),
    Setting("AZURE_OPENAI_API_KEY", None, "Azure OpenAI key shared by everyone here.", secret=True),
    Setting("AZURE_OPENAI_ENDPOINT", None, "Azure OpenAI resource, such as https://NAME.openai.azure.com."),
    Setting("OLLAMA_BASE_URL", None, "Where Ollama listens; http://localhost:11434 when unset."),
    Setting("MATCHAAI_API_KEY", None, "MatchaAI key shared by everyone here.", secret=True),
    Setting("MATCHAAI_BASE_URL", None, "Base URL of the MatchaAI gateway."),
    Setting("COHERE_API_KEY", None, "Cohere key shared by everyone here.", secret=True),
    Setting("OPENROUTER_API_KEY", None, "OpenRouter key shared by everyone here.", secret=True),
    Setting("GROQ_API_KEY", None, "Groq key shared by everyone here.", secret=True),
    Setting("MISTRAL_API_KEY", None, "Mistral key shared by everyone here.", secret=True),
    Setting("DEEPSEEK_API_KEY", None, "DeepSeek key shared by everyone here.", secret=True),
    Setting("TOGETHER_API_KEY", None, "Together AI key shared by everyone here.", secret=True),
    Setting("FIREWORKS_API_KEY", None, "Fireworks AI key shared by everyone here.", secret=True),
    Setting("REQUIRE_SUBSCRIPTION", "false", "Whether a person needs a subscription or a running trial to call models."),
    Setting("LEARN_FROM_FAILURES", "true", "Whether outcomes of calls are recorded as compatibility hints."),
    Setting("OUTBOUND_ALLOW", None, "Comma-separated host:port places inside this network that calls may reach, such as an Ollama."),
    Setting("PROBE_BUDGET_USD", "0.50", "Most that asking blacklisted models again may cost a day; 0 switches it off."),
    Setting("REFRESH_MODELS", "daily", "Whether connected providers are asked for their models once a day: daily or off."),
    Setting("CHECK_PRICES", "daily", "Whether prices are compared with the catalogue once a day, which changes none: daily or off."),
    Setting("LOG_LEVEL", "info", "Least severe log line written: debug, info, warning or error."),
)
_BY_NAME = {s.name: s for s in SETTINGS}
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,252}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\]")
_LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class SingleSignOn:
    """The OpenID provider people may sign in with, and whom it may bring uninvited."""

    issuer: str
    client_id: str
    client_secret: SecretStr
    name: str
    scopes: str
    allowed_domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What this process was told, validated; secrets stay wrapped so that no repr or log shows them."""

    mode: Mode
    data_dir: Path
    database_url: SecretStr
    analytics_url: SecretStr | None = None
    encryption_key: SecretStr | None = None
    port: int = 8501
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    learn_from_failures: bool = True
    require_subscription: bool = False
    outbound_allow: frozenset[tuple[str, int]] = frozenset()
    probe_budget_usd: Decimal = Decimal("0.50")
    refresh_models: bool = True
    check_prices: bool = True
    single_sign_on: SingleSignOn | None = None
    log_level: str = "info"
    values: Mapping[str, SecretStr] = field(default_factory=dict)
    """Every setting given, by name; provider keys and base URLs are looked up here."""

    def value(self, name: str) -> SecretStr | None:
        """Return one documented setting as it was given, wrapped; None when unset."""
        if name not in _BY_NAME:
            raise KeyError(f"{name} is not a documented setting")
        return self.values.get(name)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret that was given, in the clear: for the log, which masks these exact values."""
        return tuple(self.values[s.name].get_secret_value() for s in SETTINGS if s.secret and s.name in self.values)


def load_settings(environ: Mapping[str, str] | None = None, root: Path | None = None) -> Settings:
    """Read and check the settings; the environment outranks ``.env``, which outranks ``secrets.toml``.

    ``root`` is the folder holding both files (the project's own by default). Raises SettingsError with one
    sentence that says what to set.
    """
    root = root or Path(__file__).resolve().parent.parent
    environ = os.environ if environ is None else environ
    given: dict[str, str] = {}
    for source in (_secrets_file(root / ".streamlit" / "secrets.toml"), _dotenv_file(root / ".env"), environ):
        for setting in SETTINGS:
            for name in (setting.alias, setting.name):
                if name and source.get(name, "").strip():
                    given[setting.name] = source[name].strip()
    return _build(given, root)


def _dotenv_file(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    try:  # without interpolation: a password may hold ${…}, and only the environ that was passed in counts
        return {k: v for k, v in dotenv_values(path, interpolate=False).items() if v is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read ({type(error).__name__}); correct it or remove it.") from None


def _secrets_file(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f".streamlit/secrets.toml cannot be read as TOML ({type(error).__name__}); correct it or remove it.") from None
    return {k: str(v) for k, v in data.items() if isinstance(v, str | int | float | bool)}


def _build(given: Mapping[str, str], root: Path) -> Settings:
    data_dir = _data_dir(given.get("MODELDECK_DATA_DIR", ".data"), root)
    mode, url = _mode(given, data_dir)
    if mode != "embedded" and "ENCRYPTION_KEY" not in given:
        raise SettingsError("Set ENCRYPTION_KEY next to DATABASE_URL: provider keys are stored encrypted under it.")
    return Settings(
        mode=mode,
        data_dir=data_dir,
        database_url=SecretStr(url),
        analytics_url=SecretStr(_postgres_url("ANALYTICS_URL", given["ANALYTICS_URL"])) if "ANALYTICS_URL" in given else None,
        encryption_key=SecretStr(given["ENCRYPTION_KEY"]) if "ENCRYPTION_KEY" in given else None,
        port=_port(given.get("PORT", "8501")),
        allowed_hosts=_names(
            "MODELDECK_ALLOWED_HOSTS", given.get("MODELDECK_ALLOWED_HOSTS", ""), "host names alone, such as deck.example.com"
        ),
        trusted_proxies=_proxies(given.get("MODELDECK_TRUSTED_PROXIES", "")),
        require_subscription=_subscription(mode, given.get("REQUIRE_SUBSCRIPTION", "false")),
        learn_from_failures=_boolean("LEARN_FROM_FAILURES", given.get("LEARN_FROM_FAILURES", "true")),
        outbound_allow=_places(given.get("OUTBOUND_ALLOW", "")),
        probe_budget_usd=_dollars("PROBE_BUDGET_USD", given.get("PROBE_BUDGET_USD", "0.50")),
        refresh_models=_daily("REFRESH_MODELS", given.get("REFRESH_MODELS", "daily")),
        check_prices=_daily("CHECK_PRICES", given.get("CHECK_PRICES", "daily")),
        single_sign_on=_single_sign_on(mode, given),
        log_level=_log_level(given.get("LOG_LEVEL", "info")),
        values={name: SecretStr(value) for name, value in given.items()},
    )


def _data_dir(text: str, root: Path) -> Path:
    if set(text) & set("?%\0"):  # a database URL would read them as something else
        raise SettingsError("MODELDECK_DATA_DIR may not contain a question mark or a percent sign; choose another folder.")
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise SettingsError(f"MODELDECK_DATA_DIR={text} names a user this machine does not have; write the folder out.") from None
    return path if path.is_absolute() else root / path


def _mode(given: Mapping[str, str], data_dir: Path) -> tuple[Mode, str]:
    supabase = [n for n in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY") if n in given]
    if supabase:
        wanted = ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "DATABASE_URL")
        missing = [n for n in wanted if n not in given]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            raise SettingsError(
                f"{supabase[0]} is set but {_and(missing)} {verb} not; set {_and(missing)} to use Supabase, or remove {_and(supabase)}."
            )
        return "supabase", _postgres_url("DATABASE_URL", given["DATABASE_URL"])
    if "DATABASE_URL" in given:
        return "postgres", _postgres_url("DATABASE_URL", given["DATABASE_URL"])
    if "ANALYTICS_URL" in given:
        raise SettingsError("ANALYTICS_URL is set but DATABASE_URL is not; set DATABASE_URL too, or remove ANALYTICS_URL.")
    return "embedded", f"sqlite:///{data_dir / 'modeldeck.db'}"


def _postgres_url(name: str, url: str) -> str:
    """Accept the spellings dashboards hand out and return the one SQLAlchemy wants."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise SettingsError(f"{name} must be a Postgres connection string: it starts with postgresql://.")
    base, _, query = rest.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith("pgbouncer=")]
    return "postgresql+psycopg://" + base + ("?" + "&".join(kept) if kept else "")


def _boolean(name: str, text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise SettingsError(f"{name} must be true or false, not {text!r}.")


def _daily(name: str, text: str) -> bool:
    if text.lower() not in ("daily", "off"):
        raise SettingsError(f"{name} must be daily or off, not {text!r}.")
    return text.lower() == "daily"


def _dollars(name: str, text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text):
        raise SettingsError(f"{name} must be an amount in dollars such as 0.50, not {text!r}.")
    return Decimal(text)


def _subscription(mode: Mode, text: str) -> bool:
    required = _boolean("REQUIRE_SUBSCRIPTION", text)
    if required and mode == "embedded":
        raise SettingsError("REQUIRE_SUBSCRIPTION is for people who sign in; set DATABASE_URL too, or remove it.")
    return required


def _single_sign_on(mode: Mode, given: Mapping[str, str]) -> SingleSignOn | None:
    named = [s.name for s in SETTINGS if s.name.startswith("OIDC_") and s.name in given]
    if not named:
        return None
    if mode == "embedded":
        raise SettingsError(f"{named[0]} is for people who sign in; set DATABASE_URL too, or remove {_and(named)}.")
    if mode == "supabase":
        raise SettingsError(f"With Supabase people sign in as its project says; set up other providers there and remove {_and(named)}.")
    missing = [name for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET") if name not in given]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise SettingsError(f"{named[0]} is set but {_and(missing)} {verb} not; set {_and(missing)} too, or remove {_and(named)}.")
    issuer, scopes = given["OIDC_ISSUER"], given.get("OIDC_SCOPES", _BY_NAME["OIDC_SCOPES"].default or "")
    if not secure_url(issuer) or set(issuer) & set("?#"):
        raise SettingsError(f"OIDC_ISSUER must be an address that starts with https://, as the provider gives it, not {issuer!r}.")
    if not {"openid", "email"} <= set(scopes.split()):
        raise SettingsError("OIDC_SCOPES must name openid and email: people are known by their verified e-mail address.")
    domains = _names("OIDC_ALLOWED_DOMAINS", given.get("OIDC_ALLOWED_DOMAINS", ""), "domains alone, such as example.com")
    name, secret = given.get("OIDC_NAME", _BY_NAME["OIDC_NAME"].default or ""), SecretStr(given["OIDC_CLIENT_SECRET"])
    return SingleSignOn(issuer, given["OIDC_CLIENT_ID"], secret, name, scopes, domains)


def secure_url(url: str) -> bool:
    """Whether nobody on the way can read what is sent to an address: https, or http that stays on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")))


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SettingsError(f"PORT must be a whole number from 1 to 65535, not {text!r}.")
    return int(text)


def _names(setting: str, text: str, wanted: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise SettingsError(f"{setting} lists {wanted}, not {name!r}.")
    return names


def _proxies(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        try:
            width = ip_network(name, strict=False).prefixlen
        except ValueError:
            width = 0
        if width == 0:  # whoever trusts everybody lets a client choose the address it is counted under
            raise SettingsError(f"MODELDECK_TRUSTED_PROXIES lists addresses or networks, such as 10.0.0.0/24, not {name!r}.")
    return tuple(str(ip_network(name, strict=False)) for name in names)


def _places(text: str) -> frozenset[tuple[str, int]]:
    found = set()
    for name in (part.strip().lower() for part in text.split(",") if part.strip()):
        host, _, port = name.rpartition(":")
        try:
            host = str(ip_address(host[1:-1])) if host.startswith("[") else host.removesuffix(".")
            usable = name.startswith("[") or bool(_HOST_NAME.fullmatch(host))
        except ValueError:
            usable = False
        if not usable or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SettingsError(f"OUTBOUND_ALLOW lists places as host:port, such as ollama.lan:11434, not {name!r}.")
        found.add((host, int(port)))
    return frozenset(found)


def _log_level(text: str) -> str:
    if text.lower() not in _LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}, not {text!r}.")
    return text.lower()


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
