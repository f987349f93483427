"""The configuration is read once, refused in one sentence when it cannot work, and never shown with its secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lib.errors import SettingsError
from lib.settings import SETTINGS, Settings, load_settings

POSTGRES = "postgresql://app:pw-CANARY@db.example.com:5432/modeldeck"
SUPABASE = {
    "SUPABASE_URL": "https://x.supabase.co",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "DATABASE_URL": POSTGRES,
    "ENCRYPTION_KEY": "k",
}

TEAM = {"DATABASE_URL": POSTGRES, "ENCRYPTION_KEY": "k"}
OIDC = {"OIDC_ISSUER": "https://id.example.com/", "OIDC_CLIENT_ID": "deck", "OIDC_CLIENT_SECRET": "oidc-CANARY"}


def load(tmp_path: Path, **environ: str) -> Settings:
    return load_settings(environ, tmp_path)


def test_nothing_set_is_the_embedded_mode(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.mode == "embedded"
    assert settings.data_dir == tmp_path / ".data"
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/.data/modeldeck.db"
    assert (settings.port, settings.allowed_hosts) == (8501, ())
    assert settings.learn_from_failures is True
    assert settings.log_level == "info"


def test_reading_settings_creates_nothing_on_disk(tmp_path: Path) -> None:
    load(tmp_path, MODELDECK_DATA_DIR="new/place")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h:6543/d?pgbouncer=true", "postgresql+psycopg://u:p@h:6543/d"),
        ("postgresql://u:p@h/d?sslmode=require&pgbouncer=true&x=1", "postgresql+psycopg://u:p@h/d?sslmode=require&x=1"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ],
)
def test_a_connection_string_as_dashboards_hand_it_out_works(tmp_path: Path, given: str, expected: str) -> None:
    settings = load(tmp_path, DATABASE_URL=given, ENCRYPTION_KEY="k")
    assert settings.mode == "postgres"
    assert settings.database_url.get_secret_value() == expected


def test_a_complete_supabase_configuration_is_that_mode_under_either_name_of_its_keys(tmp_path: Path) -> None:
    assert load(tmp_path, **SUPABASE).mode == "supabase"
    old = {k: v for k, v in SUPABASE.items() if "KEY" not in k or k == "ENCRYPTION_KEY"}
    settings = load(tmp_path, **old, SUPABASE_ANON_KEY="anon", SUPABASE_SERVICE_ROLE_KEY="service")
    assert settings.mode == "supabase"
    secret = settings.value("SUPABASE_SECRET_KEY")
    assert secret is not None and secret.get_secret_value() == "service"


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"SUPABASE_URL": "https://x"}, ["SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "DATABASE_URL"]),
        ({k: v for k, v in SUPABASE.items() if k != "DATABASE_URL"}, ["DATABASE_URL"]),
        ({k: v for k, v in SUPABASE.items() if k != "ENCRYPTION_KEY"}, ["ENCRYPTION_KEY"]),
        ({"DATABASE_URL": POSTGRES}, ["ENCRYPTION_KEY"]),
        ({"ANALYTICS_URL": POSTGRES}, ["DATABASE_URL", "ANALYTICS_URL"]),
        ({"DATABASE_URL": "mysql://root:CANARY@h/d", "ENCRYPTION_KEY": "k"}, ["DATABASE_URL", "postgresql://"]),
        ({"DATABASE_URL": "CANARY", "ENCRYPTION_KEY": "k"}, ["DATABASE_URL", "postgresql://"]),
        ({"PORT": "0"}, ["PORT", "65535"]),
        ({"PORT": "84.5"}, ["PORT"]),
        ({"LEARN_FROM_FAILURES": "maybe"}, ["LEARN_FROM_FAILURES", "true or false"]),
        ({"MODELDECK_ALLOWED_HOSTS": "ok.example.com,https://deck.example.com"}, ["MODELDECK_ALLOWED_HOSTS", "deck.example.com"]),
        ({"OIDC_ISSUER": "https://id.example.com"}, ["OIDC_ISSUER", "set DATABASE_URL too"]),
        ({**SUPABASE, "OIDC_NAME": "Corp"}, ["Supabase", "remove OIDC_NAME"]),
        (
            {**TEAM, "OIDC_ALLOWED_DOMAINS": "a.example"},
            ["OIDC_ALLOWED_DOMAINS", "OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET are not"],
        ),
        ({**TEAM, **OIDC, "OIDC_CLIENT_SECRET": " "}, ["OIDC_CLIENT_SECRET is not", "or remove OIDC_ISSUER and OIDC_CLIENT_ID"]),
        ({**TEAM, **OIDC, "OIDC_ISSUER": "http://id.example.com"}, ["OIDC_ISSUER", "https://"]),
        ({**TEAM, **OIDC, "OIDC_ISSUER": "https://id.example.com?x"}, ["OIDC_ISSUER", "https://"]),
        ({**TEAM, **OIDC, "OIDC_ISSUER": "http://[", "OIDC_NAME": "x"}, ["OIDC_ISSUER", "https://"]),
        ({**TEAM, **OIDC, "OIDC_SCOPES": "openid profile"}, ["OIDC_SCOPES", "email"]),
        ({**TEAM, **OIDC, "OIDC_ALLOWED_DOMAINS": "ada@a.example"}, ["OIDC_ALLOWED_DOMAINS", "example.com"]),
        ({**TEAM, **OIDC, "OIDC_ALLOWED_DOMAINS": "*"}, ["OIDC_ALLOWED_DOMAINS"]),
        ({"MODELDECK_ALLOWED_HOSTS": "*"}, ["MODELDECK_ALLOWED_HOSTS"]),
        ({"MODELDECK_ALLOWED_HOSTS": "deck.example.com:8443"}, ["MODELDECK_ALLOWED_HOSTS"]),
        ({"MODELDECK_TRUSTED_PROXIES": "*"}, ["MODELDECK_TRUSTED_PROXIES"]),
        ({"MODELDECK_TRUSTED_PROXIES": "0.0.0.0/0"}, ["MODELDECK_TRUSTED_PROXIES"]),
        ({"MODELDECK_TRUSTED_PROXIES": "10.0.0.1,proxy.example.com"}, ["MODELDECK_TRUSTED_PROXIES", "proxy.example.com"]),
        ({"OUTBOUND_ALLOW": "ollama.lan"}, ["OUTBOUND_ALLOW", "ollama.lan:11434"]),
        ({"OUTBOUND_ALLOW": "ollama.lan:0"}, ["OUTBOUND_ALLOW"]),
        ({"OUTBOUND_ALLOW": "ollama.lan:11434,*:80"}, ["OUTBOUND_ALLOW", "*:80"]),
        ({"OUTBOUND_ALLOW": "http://ollama.lan:11434"}, ["OUTBOUND_ALLOW"]),
        ({"OUTBOUND_ALLOW": "10.0.0.0/8:80"}, ["OUTBOUND_ALLOW"]),
        ({"OUTBOUND_ALLOW": "[::zz]:80"}, ["OUTBOUND_ALLOW"]),
        ({"OUTBOUND_ALLOW": "::1:80"}, ["OUTBOUND_ALLOW"]),
        ({"LOG_LEVEL": "loud"}, ["LOG_LEVEL", "warning"]),
        ({"MODELDECK_DATA_DIR": "~nobody-of-that-name/x"}, ["MODELDECK_DATA_DIR"]),
        ({"MODELDECK_DATA_DIR": "a?b"}, ["MODELDECK_DATA_DIR"]),
        ({"MODELDECK_DATA_DIR": "a%20b"}, ["MODELDECK_DATA_DIR"]),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_one_sentence_that_names_what_to_set(
    tmp_path: Path, environ: Mapping[str, str], names: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, tmp_path)
    message = str(caught.value)
    assert all(name in message for name in names)
    assert "\n" not in message and message.endswith(".")
    assert "CANARY" not in message


def test_places_that_calls_may_reach_are_named_by_host_and_port(tmp_path: Path) -> None:
    settings = load(tmp_path, OUTBOUND_ALLOW="Ollama.LAN.:11434, 10.0.0.5:8000 ,[0::1]:11434,")
    assert settings.outbound_allow == {("ollama.lan", 11434), ("10.0.0.5", 8000), ("::1", 11434)}


def test_the_environment_outranks_dotenv_which_outranks_the_secrets_file(tmp_path: Path) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        'PORT = 1001\nLOG_LEVEL = "error"\nOLLAMA_BASE_URL = "http://toml"\n[other]\nPORT = 1\n'
    )
    (tmp_path / ".env").write_text("PORT=1002\nLOG_LEVEL='warning'\n")
    settings = load(tmp_path, PORT="1003")
    assert (settings.port, settings.log_level) == (1003, "warning")
    ollama = settings.value("OLLAMA_BASE_URL")
    assert ollama is not None and ollama.get_secret_value() == "http://toml"


def test_a_name_outranks_its_alias_but_a_stronger_source_outranks_both(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SUPABASE_PUBLISHABLE_KEY=from-file\n")
    settings = load(tmp_path, **(SUPABASE | {"SUPABASE_PUBLISHABLE_KEY": ""}), SUPABASE_ANON_KEY="from-environ")
    value = settings.value("SUPABASE_PUBLISHABLE_KEY")
    assert value is not None and value.get_secret_value() == "from-environ"


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    settings = load(tmp_path, DATABASE_URL=" ", OPENAI_API_KEY="", PORT="")
    assert settings.mode == "embedded"
    assert settings.port == 8501
    assert settings.value("OPENAI_API_KEY") is None


def test_a_password_in_dotenv_is_taken_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_CANARY", "expanded")
    (tmp_path / ".env").write_text("OPENAI_API_KEY='a${HOME_CANARY}b$c'\n")
    value = load(tmp_path).value("OPENAI_API_KEY")
    assert value is not None and value.get_secret_value() == "a${HOME_CANARY}b$c"


@pytest.mark.parametrize(
    ("name", "content"), [(".streamlit/secrets.toml", b"PORT = = 1"), (".streamlit/secrets.toml", b"\xff\xfe"), (".env", b"A=\xff\xfe\n")]
)
def test_a_broken_file_is_named_and_its_content_is_not_shown(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=name.replace(".", r"\.")) as caught:
        load(tmp_path)
    assert caught.value.__cause__ is None


def test_the_passed_environ_is_the_only_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "not a port")
    assert load(tmp_path).port == 8501
    with pytest.raises(SettingsError, match="PORT"):
        load_settings(root=tmp_path)
    assert os.environ["PORT"] == "not a port"


def test_no_way_of_printing_the_settings_shows_a_secret(tmp_path: Path) -> None:
    secrets = {s.name: f"CANARY-{s.name}" for s in SETTINGS if s.secret and not s.name.endswith("_URL") and not s.name.startswith("OIDC_")}
    settings = load(tmp_path, **(SUPABASE | secrets | {"ANALYTICS_URL": POSTGRES}))
    for text in (repr(settings), str(settings), f"{settings}", repr(vars(settings)), str(settings.values)):
        assert "CANARY" not in text
    assert set(secrets.values()) | {POSTGRES} <= set(settings.secrets)
    assert "https://x.supabase.co" not in settings.secrets


def test_asking_for_an_undocumented_setting_is_a_mistake_that_shows(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="not a documented setting"):
        load(tmp_path).value("NOT_A_SETTING")


def test_hosts_are_a_comma_separated_list(tmp_path: Path) -> None:
    assert load(tmp_path, MODELDECK_ALLOWED_HOSTS=" Deck.example.com, ,b.example.com ").allowed_hosts == (
        "deck.example.com",
        "b.example.com",
    )


def test_trusted_proxies_are_addresses_or_networks(tmp_path: Path) -> None:
    given = " 10.0.0.7, 172.30.85.9/24,2001:db8::/48 "
    assert load(tmp_path, MODELDECK_TRUSTED_PROXIES=given).trusted_proxies == ("10.0.0.7/32", "172.30.85.0/24", "2001:db8::/48")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_is_described_for_its_reader(setting: object) -> None:
    from lib.settings import Setting

    assert isinstance(setting, Setting)
    assert setting.name == setting.name.upper()
    assert setting.help.endswith(".") and setting.help[0].isupper()


def test_single_sign_on_is_read_whole_and_its_secret_stays_wrapped(tmp_path: Path) -> None:
    assert load(tmp_path, **TEAM).single_sign_on is None
    settings = load(tmp_path, **TEAM, **OIDC, OIDC_ALLOWED_DOMAINS="A.example, b.example")
    found = settings.single_sign_on
    assert found is not None
    assert (found.issuer, found.name, found.allowed_domains) == ("https://id.example.com/", "single sign-on", ("a.example", "b.example"))
    assert "oidc-CANARY" not in repr(settings) and "oidc-CANARY" in settings.secrets
    assert load(tmp_path, **TEAM, **OIDC | {"OIDC_ISSUER": "http://127.0.0.1:9"}).single_sign_on is not None
