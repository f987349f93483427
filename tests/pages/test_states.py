"""Every page over a fresh and over a used database: no traceback, no stray None, no secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa

from lib.access import Principal, Role
from lib.store.schema import credentials
from lib.ui import context, filters, shell
from tests.pages.deck import PAGES, Deck, charts, clean, go, words
from tests.pages.filling import KEY

ENVIRONMENT_KEY = "sk-env-zyxwvutsrqponmlkjihgfedcba9876543210"
MIA = Principal("00000000-0000-4000-8000-0000000000ff", "Mia", Role.MEMBER)
FIRST_WORDS = {Path(file).stem: title for _, file, title, _ in shell.PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_a_fresh_page_says_what_it_is_and_nothing_is_missing(deck: Deck, page: str) -> None:
    at = deck.open(page)
    clean(at)
    assert at.title[0].value == FIRST_WORDS[page]
    assert not at.error
    assert not at.warning


@pytest.mark.parametrize("page", PAGES)
def test_a_page_in_use_shows_no_none_no_traceback_and_no_secret(filled: Deck, page: str) -> None:
    filled.again(OPENAI_API_KEY=ENVIRONMENT_KEY)
    at = filled.open(page, timezone="Asia/Kolkata")
    text = clean(at)
    assert not at.error
    assert not _leaks(filled, text)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_survives_any_timezone_and_any_filter_in_its_address(filled: Deck, page: str) -> None:
    odd = {"range": "99y", "by-model": "no-such", "by-status": "x", "q": "\\%_", "provider": "zz", "state": "?", "can": "fly", "model": "1"}
    at = filled.open(page, timezone="Mars/Olympus", **odd)
    clean(at)
    assert not at.error


def test_every_page_can_be_walked_to_from_every_other_in_one_session(filled: Deck) -> None:
    at = filled.open()
    for page in [*PAGES, *reversed(PAGES)]:
        clean(go(at, page))
        assert at.title[0].value == FIRST_WORDS[page]


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("models", "This needs an admin account; you are signed in as Mia (member)."),
        ("providers", "This needs an admin account; you are signed in as Mia (member)."),
        ("prices", "This needs an admin account; you are signed in as Mia (member)."),
    ],
)
def test_without_the_role_there_is_the_sentence_and_nothing_of_the_page(
    filled: Deck, page: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "asking", lambda: MIA)
    at = filled.open(page)
    assert [e.value for e in at.error] == [sentence]
    assert set(words(at).replace(filters.STYLE, "").split("\n")) - {""} == {sentence, ":material/lock:"}


def test_a_member_sees_only_calls_of_their_own(filled: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "asking", lambda: MIA)
    at = filled.open("usage")
    clean(at)
    assert at.info[0].value.startswith("No calls in the last 7 days.")
    assert charts(at) == []


def _leaks(deck: Deck, text: str) -> Iterable[str]:
    """Return what of the secrets is in a text: keys, the ends that previews leave out, ciphertexts and master keys."""
    with deck.services.engine.connect() as connection:
        stored = connection.execute(sa.select(credentials.c.ciphertext)).scalars().all()
    assert stored
    masters = [p.read_text().strip() for p in deck.folder.iterdir() if not p.name.startswith("modeldeck.db")]
    assert masters
    secrets = [KEY, KEY[8:-4], ENVIRONMENT_KEY, ENVIRONMENT_KEY[8:-4], *map(str, stored), *masters]
    return [secret for secret in secrets if re.search(re.escape(secret), text)]
