"""The Profile page: a member's own keys and models, pasted, tried, changed and taken away without an admin."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from lib.access import LOCAL_ADMIN, Principal, Role
from lib.registry.templates import TEMPLATES
from lib.store.schema import credentials, profiles
from lib.ui import context
from tests.pages.deck import PAGES, Deck, button, clean
from tests.replay import OPENAI_MODEL, ReplayServer

MIA = Principal("00000000-0000-4000-8000-0000000000ff", "Mia", Role.MEMBER)
KEY, OTHER_KEY = "sk-mias-0123456789abcdefghijklmnop-0001", "sk-mias-0123456789abcdefghijklmnop-0002"


@pytest.fixture
def member(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> Deck:
    """A Modeldeck that Mia, a member, has open."""
    monkeypatch.setattr(context, "asking", lambda: MIA)
    monkeypatch.setattr("streamlit.page_link", lambda *_args, **_more: None)  # the bench has one page and none to link to
    return deck


def opened(part: str = "page") -> AppTest:
    """Open the page, or a dialog's form as a script of its own, as the shell would draw it for whoever asks."""

    def script(part: str) -> None:
        from lib.access import Role
        from lib.services.profile import ProfileDesk
        from lib.ui import key_help, model_add, own_model, picker, profile_view
        from lib.ui.context import guard

        page = guard(Role.MEMBER)
        desk = ProfileDesk(page.services, page.principal)
        if part == "add":
            model_add.form(page, page.registry.providers(), own=True)
        elif part == "delete":
            if desk.models():
                profile_view.deletion(page, desk, desk.models()[-1])
        elif part == "pick":
            picker.pick(page.services, page.principal, page.registry.usable(), key_help.lacking(page.registry.models(active=True)))
        elif part == "edit":
            own_model.form(page, desk, desk.models()[0])
        else:
            profile_view.who(page, desk.me())
            profile_view.keys(page, desk)
            profile_view.models(page, desk)

    return AppTest.from_function(script, default_timeout=30, kwargs={"part": part}).run()


def field(at: AppTest, label: str) -> Any:
    found = [w for w in [*at.text_input, *at.checkbox, *at.number_input] if w.label == label]
    assert len(found) == 1, f"{label}: {[w.label for w in at.text_input]}"
    return found[0]


def press(at: AppTest, label: str) -> AppTest:
    button(at, label).click()
    at.run()
    assert not at.exception
    return at


def template(at: AppTest, name: str) -> AppTest:
    return at.selectbox(key="add-template").set_value([t.name for t in TEMPLATES].index(name)).run()


def test_an_empty_profile_says_who_one_is_and_what_keys_and_models_of_ones_own_are_for(member: Deck) -> None:
    text = clean(opened())
    assert "**Mia** · Member" in text
    assert "With a provider's key of your own" in text and "A model only you see and use" in text
    assert "subscription" not in text.lower()


def test_a_subscription_is_told_with_the_day_it_ends_on(member: Deck) -> None:
    now = member.services.clock()
    with member.services.engine.begin() as connection:
        row = {"user_id": MIA.user_id, "email": "mia@example.com", "role": "member", "created_at": now, "updated_at": now}
        connection.execute(sa.insert(profiles).values(**row, is_trial=True, expiry_date=now.replace(year=now.year + 1)))
    text = clean(opened())
    assert "`mia@example.com`" in text and f"Trial until {now.day} {now:%b} {now.year + 1}" in text


@pytest.mark.parametrize("name", [t.name for t in TEMPLATES])
def test_every_template_draws_for_a_member_without_an_admins_fields(member: Deck, name: str) -> None:
    at = template(opened("add"), name)
    clean(at)
    assert "Slug" not in [w.label for w in at.text_input]


def test_a_member_tries_and_adds_a_model_on_a_server_of_their_own(member: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        at = template(opened("add"), "Any OpenAI-compatible server")
        for label, value in (
            ("Provider name", "Mia's box"),
            ("Base URL", server.base_url),
            ("Upstream id", OPENAI_MODEL),
            ("Display name", "Mine"),
        ):
            field(at, label).set_value(value)
        press(at, "Test connection")
        assert "did not accept the key" in at.error[0].value
        field(at, "API key (only if your server asks for one)").set_value(KEY)
        press(at, "Test connection")
        assert "It works" in at.success[0].value
        assert not [m for m in member.services.registry(MIA).models() if m.is_own], "a test saves nothing"
        press(at, "Save")
        assert KEY not in clean(at)
    (mine,) = [m for m in member.services.registry(MIA).models() if m.is_own]
    assert (mine.display_name, mine.provider.slug, mine.provider.key.source, mine.usable) == ("Mine", "mia-s-box", "stored", True)
    assert not [m for m in member.admin.models() if m.is_own or m.display_name == "Mine"]
    text = clean(opened())
    assert "**Mine**" in text and "sk-mias...0001" in text and KEY not in text


def test_a_model_at_the_teams_provider_asks_for_a_key_and_whether_it_is_for_this_model_alone(member: Deck) -> None:
    at = template(opened("add"), "Groq: Llama")
    assert "Base URL" not in [w.label for w in at.text_input], "where the team's provider is, an admin says"
    field(at, "API key").set_value(KEY)
    press(at, "Save")
    (mine,) = [m for m in member.services.registry(MIA).models() if m.is_own]
    assert mine.key is None and mine.provider.own_key is not None and mine.usable
    at = template(opened("add"), "Groq: Llama")
    assert "Uses your Groq key `sk-mias...0001`." in clean(at)
    field(at, "Another API key, for this model alone").set_value(OTHER_KEY)
    field(at, "Display name").set_value("Second")
    field(at, "Key").set_value("second")
    press(at, "Save")
    second = member.services.registry(MIA).get("second")
    assert second.key is not None and second.key.preview == "sk-mias...0002"
    assert member.admin.provider("groq").own_key is None and member.admin.provider("groq").key.source == "missing"


def test_a_model_of_ones_own_is_edited_tried_switched_made_the_default_copied_and_deleted(member: Deck) -> None:
    with ReplayServer(api_key=KEY) as server, ReplayServer(api_key=OTHER_KEY) as elsewhere:
        at = template(opened("add"), "Any OpenAI-compatible server")
        for label, value in (
            ("Provider name", "Box"),
            ("Base URL", server.base_url),
            ("Upstream id", OPENAI_MODEL),
            ("Display name", "Mine"),
        ):
            field(at, label).set_value(value)
        field(at, "API key (only if your server asks for one)").set_value(KEY)
        press(at, "Save")
        at = press(opened("edit"), "Test connection")
        assert "It works" in at.success[0].value
        field(at, "Base URL").set_value(elsewhere.base_url)
        press(at, "Test connection")
        assert not any(r.headers.get("authorization") == f"Bearer {KEY}" for r in elsewhere.requests), "a kept key went elsewhere"
        field(at, "New API key").set_value(OTHER_KEY)
        field(at, "Display name").set_value("Renamed")
        press(at, "Test connection")
        assert "It works" in at.success[0].value
        press(at, "Save")
    registry = member.services.registry(MIA)
    (mine,) = [m for m in registry.models() if m.is_own]
    assert (mine.display_name, mine.provider.own_base_url, mine.usable) == ("Renamed", elsewhere.base_url, True)
    at = opened()
    next(t for t in at.toggle if t.label == "On").set_value(False)
    at.run()
    assert not registry.get(mine.id).is_active
    press(opened(), "Use it by default")
    assert registry.get(mine.id).is_default
    press(opened(), "Stop using it by default")
    assert not registry.get(mine.id).is_default
    press(opened(), "Duplicate")
    text = clean(opened("delete"))
    assert "Its calls stay in your usage" in text and "goes with it" not in text
    press(opened("delete"), "Delete model")
    assert "Box goes with it, and its key" in clean(opened("delete"))
    press(opened("delete"), "Delete model")
    assert not [m for m in registry.models() if m.is_own] and not [p for p in registry.providers() if p.owner_id]
    with member.services.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(credentials)) == 0


def test_keys_of_ones_own_are_listed_tested_and_removed(member: Deck) -> None:
    with ReplayServer(api_key=KEY) as server:
        member.services.connect(LOCAL_ADMIN, member.admin.provider("groq"), "", base_url=server.base_url, tested=False)
        from lib.services.profile import ProfileDesk

        desk = ProfileDesk(member.services, MIA)
        assert "demo" not in {p.slug for p in desk.keyable()} and "groq" in {p.slug for p in desk.keyable()}
        assert not desk.test_key(member.admin.provider("groq"), OTHER_KEY).ok
        desk.set_key(member.admin.provider("groq"), KEY)
        text = clean(opened())
        assert "**Groq**" in text and "sk-mias...0001" in text and "not tested" in text
        at = press(opened(), "Test")
        assert "It works" in at.success[0].value
        assert "worked" in clean(opened())
        member.admin.set_provider("groq", base_url="https://elsewhere.example/v1")
        text = clean(opened())
        assert "Paste it again" in text and "now points to https://elsewhere.example:443" in text
        press(opened(), "Remove key")
    assert desk.keyed() == []


def test_a_member_is_told_which_models_lack_a_key_and_led_to_where_they_can_paste_one(
    member: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    led: list[str] = []
    monkeypatch.setattr("streamlit.page_link", lambda page, **_more: led.append(str(page)))
    member.admin.set_active([member.admin.get("gpt-4o-mini").id], True)
    object.__setattr__(member.services.settings, "mode", "postgres")  # a team's, as far as the page can tell
    text = clean(opened("pick"))
    assert "API key required for 1 more: GPT-4o mini." in text
    assert led == ["pages/play/profile.py"]
    monkeypatch.setattr(context, "asking", lambda: LOCAL_ADMIN)
    clean(opened("pick"))
    assert led[1:] == ["pages/admin/providers.py"]
    from lib.services.profile import ProfileDesk

    monkeypatch.setattr(context, "asking", lambda: MIA)
    ProfileDesk(member.services, MIA).set_key(member.admin.provider("openai"), KEY)
    assert "API key required" not in clean(opened("pick"))


def test_with_another_encryption_key_the_page_says_to_paste_again_and_nothing_crashes(member: Deck) -> None:
    from lib.services.profile import ProfileDesk

    ProfileDesk(member.services, MIA).set_key(member.admin.provider("openai"), KEY)
    member.again(ENCRYPTION_KEY="another-key-for-tests-0123456789")
    text = clean(opened())
    assert "Paste it again" in text and "encrypted under another ENCRYPTION_KEY" in text.replace("\\", "")
    assert button(opened(), "Test").disabled


@pytest.mark.parametrize("page", PAGES)
def test_every_page_stands_under_another_encryption_key_and_those_about_keys_say_so(filled: Deck, page: str) -> None:
    filled.again(ENCRYPTION_KEY="another-key-for-tests-0123456789")
    at = filled.open(page)
    text = clean(at)
    assert not at.error
    if page == "providers":
        assert "Key unreadable" in text and "encrypted under another ENCRYPTION_KEY" in text
    if page == "models":
        assert "Needs an Anthropic key again" in text
