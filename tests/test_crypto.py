"""Stored keys open only with the right ENCRYPTION_KEY, in their own row, and unchanged."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import crypto
from lib.errors import SettingsError, WrongEncryptionKey

MASTER = crypto.derive_master("a passphrase of this test", crypto.new_salt())
OTHER_MASTER = crypto.derive_master("another passphrase", crypto.new_salt())
CONTEXT = ("credentials", "system:1", "", "https://api.example.com:443")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(texts, st.lists(texts, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_key_comes_back_as_it_was_stored(key: str, context: list[str]) -> None:
    token = crypto.encrypt(key, master=MASTER, key_id="k1", context=context)
    assert crypto.decrypt(token, master=MASTER, context=context) == key
    assert crypto.key_id_of(token) == "k1"


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_flipped_bit_is_refused(data: st.DataObject) -> None:
    token = crypto.encrypt("sk-live-0123456789", master=MASTER, key_id="k1", context=CONTEXT).encode()
    position = data.draw(st.integers(0, len(token) - 1))
    changed = bytearray(token)
    changed[position] ^= 1 << data.draw(st.integers(0, 6))
    with pytest.raises(WrongEncryptionKey):
        crypto.decrypt(changed.decode(), master=MASTER, context=CONTEXT)


def test_unused_bits_of_base64_are_not_a_second_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = crypto.encrypt("k", master=MASTER, key_id="k1", context=CONTEXT)
    for last in alphabet.replace(token[-1], ""):
        with pytest.raises(WrongEncryptionKey):
            crypto.decrypt(token[:-1] + last, master=MASTER, context=CONTEXT)


@pytest.mark.parametrize("part", range(len(CONTEXT)))
def test_a_token_moved_to_another_row_owner_or_origin_is_refused(part: int) -> None:
    token = crypto.encrypt("sk-live", master=MASTER, key_id="k1", context=CONTEXT)
    elsewhere = [value + ("x" if i == part else "") for i, value in enumerate(CONTEXT)]
    with pytest.raises(WrongEncryptionKey):
        crypto.decrypt(token, master=MASTER, context=elsewhere)


def test_parts_of_the_context_cannot_run_into_each_other() -> None:
    token = crypto.encrypt("sk-live", master=MASTER, key_id="k1", context=("ab", "c"))
    with pytest.raises(WrongEncryptionKey):
        crypto.decrypt(token, master=MASTER, context=("a", "bc"))


def test_two_rows_of_one_key_share_nothing() -> None:
    one, two = (crypto.encrypt("same", master=MASTER, key_id="k1", context=CONTEXT).split(".")[2:] for _ in range(2))
    assert not set(one) & set(two)


def test_the_check_value_tells_a_wrong_encryption_key() -> None:
    stored = crypto.check_value(MASTER)
    assert crypto.opens(MASTER, stored)
    assert not crypto.opens(OTHER_MASTER, stored)
    assert not crypto.opens(MASTER, "naïve")


@pytest.mark.parametrize("token", ["", "v1", "v1.k1", "v2.k1.a.b.c", "v1.k1.a.b", "v1.k1.a.b.c.d", "v1.k1.é.b.c", "plain"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(WrongEncryptionKey):
        crypto.decrypt(token, master=MASTER, context=CONTEXT)


def test_base64_keys_are_decoded_and_text_keys_are_not() -> None:
    salt, raw = crypto.new_salt(), base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    assert crypto.derive_master("base64:" + raw, salt) == crypto.derive_master("0123456789abcdef0123456789abcdef", salt)
    assert crypto.derive_master(raw, salt) != crypto.derive_master("base64:" + raw, salt)


@pytest.mark.parametrize("key", ["base64:!!!", "base64:YWJj"])
def test_a_bad_base64_key_says_how_to_make_a_good_one(key: str) -> None:
    with pytest.raises(SettingsError, match="keys generate"):
        crypto.derive_master(key, crypto.new_salt())


def test_generated_keys_differ_and_can_be_used() -> None:
    one, two = crypto.generate_encryption_key(), crypto.generate_encryption_key()
    assert one != two
    assert len(crypto.derive_master(one, crypto.new_salt())) == 32


@settings(deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_a_preview_never_reveals_more_than_half(key: str) -> None:
    shown = crypto.preview(key)
    assert shown == "***" or (len(shown) - 3) * 2 <= len(key)


def test_a_preview_shows_both_ends_from_22_characters_on() -> None:
    assert crypto.preview("x" * 21) == "***"
    assert crypto.preview("abcdefg" + "x" * 11 + "wxyz") == "abcdefg...wxyz"
