"""Without its tables, its server or its encryption key Modeldeck says what to run, and built-in models answer meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import Principal, Role
from lib.errors import ModeldeckError, SettingsError, StoreUnavailable
from lib.registry.builtin_models import BUILTIN_MODELS
from lib.registry.fallback import fallback_models
from lib.services.setup import SETUP_SQL, task_for
from lib.settings import load_settings
from lib.store.database import upgrade
from lib.store.faults import unavailable
from lib.ui import context, setup_view, shell
from lib.ui.context import Console
from tests.pages.deck import Deck, clean, press, words
from tests.postgres import PostgresServer
from tests.replay import ReplayServer

ENCRYPTION = {"ENCRYPTION_KEY": "a-test-encryption-key-of-forty-characters"}
SETUP, PLAYGROUND = shell.SETUP[1], "pages/play/playground.py"
KEY = "sk-env-zyxwvutsrqponmlkjihgfedcba9876543210"
NOT_RECORDED = "Nothing here is recorded: no usage, no cost, no conversation, and nothing is learned from failures."


@pytest.fixture
def team(tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Deck]]:
    """Opens a Modeldeck on a Postgres address."""
    opened: list[Deck] = []

    def on(url: str, **given: str) -> Deck:
        deck = Deck(tmp_path / "data", {"DATABASE_URL": url, **ENCRYPTION, **given})
        monkeypatch.setattr(context, "console", deck.console)
        opened.append(deck)
        return deck

    yield on
    for deck in opened:
        deck.console.close()


def said(at: AppTest) -> str:
    """Hold the page to what every page promises, and return its words as they are read."""
    return clean(at).replace("\\", "")


def visit(deck: Deck, file: str, **address: Any) -> AppTest:
    at = deck.open(**address).switch_page(file)
    for name, value in address.items():
        at.query_params[name] = value
    return at.run()


def damage(deck: Deck) -> Callable[[], None]:
    """Damage the file of a deck that is then started anew; call what is returned to mend it."""
    path = deck.folder / "modeldeck.db"
    deck.again()
    whole = path.read_bytes()
    path.write_bytes(b"This is not a database, but it is somebody's file." * 99)

    def mend() -> None:
        path.write_bytes(whole)

    return mend


def test_an_empty_postgres_leads_to_setup_which_works_without_a_restart(
    team: Callable[..., Deck], postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres_server.create()
    deck = team(postgres_server.url(name))
    home = deck.open()
    clean(home)
    assert "The database has no Modeldeck tables yet." in said(home)
    assert {link.proto.label for link in home.get("page_link")} == {"What to do: open Setup", "Try built-in models meanwhile"}
    at = visit(deck, SETUP)
    text = said(at)
    assert at.title[0].value == "Setup"
    assert [code.value for code in at.code] == ["python -m lib db upgrade", "python -m lib access grant-admin you@example.com"]
    assert "postgres@" not in text and "127.0.0.1" not in text, "strangers are not told where the database is"
    assert at.subheader[0].value == press(at, "Check again").subheader[0].value == "The tables are missing"

    engine = postgres_server.engine(name)
    upgrade(engine)
    engine.dispose()
    monkeypatch.setattr(shell, "asking", lambda: None)  # the test bench has no cookies to ask for
    press(at, "Check again")
    clean(at)
    assert "The tables are missing" not in words(at)
    assert "E-mail address" in "".join(html.proto.body for html in at.get("html")), "from now on it is a page for admins"


def refusing(server: PostgresServer) -> str:
    """Return an address whose user has no such password, on a server that asks for one."""
    engine = server.engine("postgres")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        hba = Path(str(connection.scalar(sa.text("SHOW hba_file"))))
        rules = "host all lena 127.0.0.1/32 scram-sha-256\n"
        if rules not in hba.read_text():
            hba.write_text(rules + hba.read_text())
            connection.execute(sa.text("CREATE ROLE lena LOGIN PASSWORD 'right'"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
    engine.dispose()
    return server.url().replace("postgres@", "lena:wrong-canary@")


@pytest.mark.parametrize(
    ("address", "title"),
    [
        (lambda server: "postgresql://deck@127.0.0.1:1/deck", "The database does not answer"),
        (lambda server: server.url("no_such_database"), "There is no such database"),
        (lambda server: server.url().replace("postgres@", "nobody@"), "The database refuses the password"),
        (refusing, "The database refuses the password"),
    ],
)
def test_an_address_that_does_not_work_says_what_is_wrong_with_it(
    team: Callable[..., Deck], postgres_server: PostgresServer, address: Callable[[PostgresServer], str], title: str
) -> None:
    at = visit(team(address(postgres_server)), SETUP)
    text = said(at)
    assert at.subheader[0].value == title
    assert "DATABASE_URL" in text
    assert "canary" not in text and "127.0.0.1" not in text


def test_older_tables_say_the_command_and_newer_ones_do_not(team: Callable[..., Deck], postgres_server: PostgresServer) -> None:
    for revision, title, commands in (
        ("0001", "The tables are from an older version", ["python -m lib db upgrade"]),
        ("9999", "The tables are from a newer version", ["python -m lib db status"]),
    ):
        name = postgres_server.create_ready()
        engine = postgres_server.engine(name)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE private.alembic_version SET version_num = :r"), {"r": revision})
        engine.dispose()
        at = visit(team(postgres_server.url(name)), SETUP)
        clean(at)
        assert at.subheader[0].value == title
        assert [code.value for code in at.code] == commands


def test_a_new_supabase_project_gets_the_sql_to_paste(tmp_path: Path) -> None:
    task = task_for(unavailable("missing-schema"), "supabase")
    assert [step.sql for step in task.steps] == [True, False]
    assert "CREATE TABLE llm_models" in SETUP_SQL.read_text()
    assert "supabase db push" in task.steps[0].commands
    older = task_for(unavailable("older-schema"), "supabase")
    assert not any(step.sql for step in older.steps), "the whole SQL is for new projects alone"


def test_the_sql_is_on_the_page_to_copy_and_to_download() -> None:
    def script() -> None:
        from lib.store.faults import unavailable
        from lib.ui import setup_view

        setup_view.draw_trouble(unavailable("missing-schema"), "supabase")

    at = AppTest.from_function(script, default_timeout=30).run()
    assert SETUP_SQL.read_text().strip() in [code.value.strip() for code in at.code]
    assert len(at.get("download_button")) == 1


@pytest.mark.parametrize("mode", ["embedded", "postgres", "supabase", None])
def test_every_failure_has_a_title_and_a_sentence_in_every_mode(mode: Any) -> None:
    from typing import get_args

    from lib.errors import StoreFault

    failures: list[ModeldeckError] = [unavailable(reason) for reason in get_args(StoreFault)]
    for failure in [*failures, SettingsError("Set ENCRYPTION_KEY."), ModeldeckError("Something else.")]:
        task = task_for(failure, mode)
        assert task.title and task.sentence == str(failure)
        assert not task.title.endswith(".")


def test_settings_that_became_half_configured_say_what_to_set(deck: Deck) -> None:
    deck.again(SUPABASE_URL="https://project.example.com")
    at = visit(deck, SETUP)
    text = said(at)
    assert at.subheader[0].value == "The settings are incomplete"
    assert "SUPABASE_PUBLISHABLE_KEY" in text
    home = deck.open()
    assert {link.proto.label for link in home.get("page_link")} == {"What to do: open Setup"}
    del deck.settings["SUPABASE_URL"]
    assert press(at, "Check again").success[0].value == "Everything is set up."


def test_a_lost_encryption_key_is_said_in_the_sidebar_and_mended_without_a_trace(filled: Deck) -> None:
    assert not wanted()
    (filled.folder / "encryption.key").rename(filled.folder / "elsewhere")
    filled.again()
    at = visit(filled, SETUP)
    text = said(at)
    assert at.subheader[0].value == "Stored keys cannot be read"
    assert "encryption.key" in text and "It concerns: Anthropic." in text
    assert wanted()
    (filled.folder / "elsewhere").rename(filled.folder / "encryption.key")
    filled.again()
    assert visit(filled, SETUP).success[0].value == "Everything is set up."
    assert not wanted()


def wanted() -> bool:
    """Whether the sidebar shows the page to whoever asks now."""
    person = context.asking()
    return person is not None and setup_view.is_wanted(context.services(), person)


def test_setup_is_for_admins_once_there_is_a_database(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "asking", lambda: Principal("00000000-0000-4000-8000-0000000000ff", "Mia", Role.MEMBER))
    at = visit(deck, SETUP)
    assert [e.value for e in at.error] == ["This needs an admin account; you are signed in as Mia (member)."]


# The playground without a database


def test_the_demo_answers_without_a_database_and_says_that_nothing_is_kept(deck: Deck) -> None:
    mend = damage(deck)
    at = visit(deck, PLAYGROUND)
    text = said(at)
    assert "**Fallback: built-in models.**" in text and NOT_RECORDED in text
    assert at.selectbox[0].label == "Built-in model (fallback)"
    at.chat_input[0].set_value("Are you there?")
    at.run()
    answered = clean(at)
    assert "“Are you there?”" in answered and "$0" in answered.replace("&#36;", "$")
    assert not at.error
    mend()
    press(at, "Check again")
    clean(at)
    assert "Fallback" not in words(at)
    assert at.title[0].value == "Playground"
    assert deck.services.engine.connect().exec_driver_sql("SELECT count(*) FROM llm_usage_log").scalar() == 0


def test_the_whole_built_in_catalogue_is_there_with_what_is_missing(deck: Deck) -> None:
    damage(deck)
    at = visit(deck, PLAYGROUND)
    text = said(at)
    assert all(model.display_name in text for model in BUILTIN_MODELS)
    assert "OpenAI: needs an OpenAI key" in text and "vLLM: needs a base URL" in text
    usable = [model for model in fallback_models(deck.load(), with_keys=True) if model.usable]
    assert len(at.selectbox[0].options) == len(usable) == 5


def test_a_key_of_the_environment_answers_without_a_database(deck: Deck, caplog: pytest.LogCaptureFixture) -> None:
    damage(deck)
    with ReplayServer() as server:
        deck.again(MATCHAAI_API_KEY=KEY, MATCHAAI_BASE_URL=server.base_url, OLLAMA_BASE_URL=server.base_url.removesuffix("/v1"))
        at = visit(deck, PLAYGROUND, model="llama3.1")
        assert at.selectbox[0].value == "llama3.1"
        at.chat_input[0].set_value("Why is water wet?")
        at.run()
        clean(at)
        assert [request.path for request in server.requests] == ["/api/chat"]
        assert KEY not in words(at)


def test_a_model_that_is_not_there_gives_way_to_the_default_with_a_notice(deck: Deck) -> None:
    damage(deck)
    at = visit(deck, PLAYGROUND, model="no-such-model")
    assert "no-such-model cannot be used here. It is not among the built-in models." in at.info[0].value
    assert at.info[0].value.endswith("was chosen instead.")
    at = visit(deck, PLAYGROUND, model="gpt-4o-mini")
    assert "GPT-4o mini cannot be used here. Needs an OpenAI key." in at.info[0].value
    assert not visit(deck, PLAYGROUND, model="demo-chat").info


def test_strangers_get_no_key_of_the_settings_where_a_team_signs_in(team: Callable[..., Deck], postgres_server: PostgresServer) -> None:
    """Without the database nobody can be known, and whoever finds the address would spend the team's money."""
    with ReplayServer() as server:
        deck = team(
            postgres_server.url(postgres_server.create()),
            OPENAI_API_KEY=KEY,
            MATCHAAI_API_KEY=KEY,
            MATCHAAI_BASE_URL=server.base_url,
            OLLAMA_BASE_URL=server.base_url,
        )
        models = fallback_models(deck.load(), with_keys=False)
        assert {model.provider.slug for model in models if model.usable} == {"demo"}
        at = visit(deck, PLAYGROUND, model="llama3.1")
        text = said(at)
        assert "only the demo answers" in text
        assert all(label.startswith("Demo · ") for label in at.selectbox[0].options)
        at.chat_input[0].set_value("Are you there?")
        at.run()
        assert "“Are you there?”" in clean(at)
        assert server.requests == []


# The console


def test_those_who_wait_for_a_try_share_it() -> None:
    import threading

    tries: list[int] = []
    entered, go_on = threading.Event(), threading.Event()

    def start(_settings: Any) -> Any:
        tries.append(1)
        entered.set()
        assert go_on.wait(10)
        raise unavailable("unreachable")

    console = Console(load=lambda: load_settings({}, Path("/nonexistent")), start=start)
    failed: list[str] = []

    def ask() -> None:
        try:
            console.services()
        except StoreUnavailable as error:
            failed.append(error.reason)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert failed == ["unreachable"] * 8
    assert len(tries) <= 3, "a server that does not answer is not asked by everyone in turn"
