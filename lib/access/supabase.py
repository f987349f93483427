"""Signing in with Supabase Auth: Modeldeck's own session in the cookie, Supabase's tokens encrypted beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from lib.access import sessions as session_rows
from lib.access import throttle
from lib.access.flows import Begun, Finished, Flows
from lib.access.people import normal_email
from lib.access.refusals import SWITCHED_OFF, TAKEN, WAY_OFF, WRONG, WRONG_CODE
from lib.access.sessions import hashed, new_token
from lib.access.supabase_auth import SupabaseAuth, Tokens
from lib.credentials import Vault
from lib.errors import InvalidValue, ModeldeckError, SignInRefused, SignInRequired, WrongEncryptionKey
from lib.logs import get_logger
from lib.store.engine import writing
from lib.store.faults import store_faults
from lib.store.rest_faults import SESSION_OVER
from lib.store.schema import profiles, sessions
from lib.store.supabase import Project

_EARLY_S = 60
"""Seconds before its end from which an access token counts as over."""
_STRIPES, _KEPT = 64, 2_000


class SupabaseAccounts:
    """Who is signed in by Supabase, and under which token they are; one for the process, safe between its threads."""

    def __init__(self, project: Project, engine: Engine, vault: Vault, clock: Callable[[], datetime]) -> None:
        self.auth = SupabaseAuth(project)
        self._engine = engine
        self._vault = vault
        self._clock = clock
        self._flows = Flows(engine, vault, clock)
        self._locks = [threading.Lock() for _ in range(_STRIPES)]
        self._fresh: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._providers: tuple[float, tuple[str, ...]] = (0.0, ())

    def sign_in(self, email: str, password: str, address: str) -> str:
        """Return a new session's token; raises SignInRefused or TooManyAttempts with the sentence to show."""
        return self._counted(_given(email), address, lambda known: self.auth.by_password(known, password), WRONG)

    def send_link(self, email: str, address: str, redirect_to: str, onward: str) -> Begun:
        """Have a link and a code sent; whether somebody has this address is told to nobody."""
        verifier, known, now = secrets.token_urlsafe(48), _given(email), self._clock()
        with store_faults(), writing(self._engine).begin() as connection:
            throttle.count_try(connection, throttle.subjects(known, address), now)
        try:
            if known:
                self.auth.send_link(known, redirect_to, _challenge(verifier))
        except SignInRefused:
            get_logger("access").warning("sign_in.no_link", address=address)
        return Begun(self._flows.begin({"verifier": verifier, "onward": onward, "email": known}))

    def by_code(self, state: str | None, code: str, address: str) -> Finished:
        """Sign in by the code of a mail that this browser asked for."""
        flow = self._flows.read(state)
        token = self._counted(flow["email"], address, lambda email: self.auth.by_code(email, code.strip()[:20]), WRONG_CODE)
        self._flows.forget(state)
        return Finished(token, flow["onward"])

    def begin(self, provider: str, address: str, redirect_to: str, onward: str) -> Begun:
        """Begin to sign in with another provider; raises InvalidValue for one the project does not offer."""
        if provider not in self.providers():
            raise InvalidValue(WAY_OFF, field="provider")
        now, verifier = self._clock(), secrets.token_urlsafe(48)
        with store_faults(), writing(self._engine).begin() as connection:
            throttle.count_try(connection, (f"flow:{address}",), now)
        state = self._flows.begin({"verifier": verifier, "onward": onward, "email": ""})
        return Begun(state, self.auth.authorize_url(provider, redirect_to, _challenge(verifier)))

    def finish(self, state: str | None, returned: Mapping[str, str]) -> Finished:
        """Sign in by what a link or another provider brought back to the browser that began it."""
        flow = self._flows.take(state)  # a code is tried once
        return Finished(self._start(self.auth.by_exchange(returned.get("code", ""), flow["verifier"])), flow["onward"])

    def providers(self) -> tuple[str, ...]:
        """Return the other providers people may sign in with, as they were within the last minute; none when Supabase is away."""
        now = self._clock().timestamp()
        if now - self._providers[0] > 60:
            try:
                self._providers = (now, self.auth.providers())
            except ModeldeckError as error:
                get_logger("access").warning("supabase.settings", error=str(error))
                self._providers = (now, ())
        return self._providers[1]

    def sign_out(self, token: str, *, everywhere: bool) -> None:
        """End the session, or all of its person's, here and at Supabase; being away there keeps nobody signed in here."""
        key = hashed(token)
        try:
            self.auth.sign_out(self.access_token(key), everywhere=everywhere)
        except ModeldeckError as error:
            get_logger("access").warning("sign_out.only_here", error=str(error))
        with store_faults(), writing(self._engine).begin() as connection:
            user_id = connection.scalar(sa.select(sessions.c.user_id).where(sessions.c.id_hash == key))
            which = sessions.c.user_id == user_id if everywhere and user_id else sessions.c.id_hash == key
            ended = sa.update(sessions).where(which, sessions.c.revoked_at.is_(None)).values(revoked_at=self._clock(), data={})
            connection.execute(ended)
        self._fresh.pop(key, None)

    def access_token(self, key: str, refused: str = "") -> str:
        """Return the access token of a session, by its Principal's ``session``, refreshed when it is about to end.

        ``refused`` is one that Supabase takes no more, although it had time left: it is refreshed too.

        One refresh at a time in all processes, for Supabase takes the same refresh token only once; the new tokens are
        saved before anybody uses them. Raises SignInRequired when the session is over, here or at Supabase.
        """
        if (token := self._ready(key, refused)) is not None:
            return token
        with self._locks[int(key[:8] or "0", 16) % _STRIPES]:  # one thread of this process waits for the row, not twenty
            token = self._ready(key, refused) or self._renewed(key, refused)
        if token is None:
            raise SignInRequired(SESSION_OVER)
        return token

    def _ready(self, key: str, refused: str) -> str | None:
        token, expires_at = self._fresh.get(key, ("", 0))
        return token if token != refused and expires_at - _EARLY_S > self._clock().timestamp() else None

    def _renewed(self, key: str, refused: str) -> str | None:
        now = self._clock()
        query = sa.select(sessions.c.user_id, sessions.c.data).where(
            sessions.c.id_hash == key, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now
        )
        with store_faults(), writing(self._engine).begin() as connection:
            row = connection.execute(query.with_for_update()).one_or_none()
            try:
                tokens = self._opened(key, row.data) if row is not None else None
                if tokens is not None and (tokens.expires_at - _EARLY_S <= now.timestamp() or tokens.access == refused):
                    tokens = self._same_person(self.auth.refresh(tokens.refresh), tokens)
                    connection.execute(sa.update(sessions).where(sessions.c.id_hash == key).values(data=self._sealed(key, tokens)))
            except (SignInRequired, WrongEncryptionKey) as error:
                get_logger("access").info("session.over", reason=str(error))
                connection.execute(sa.update(sessions).where(sessions.c.id_hash == key).values(revoked_at=now, data={}))
                tokens = None
        if tokens is None:
            return None
        self._remember(key, tokens)
        return tokens.access

    @staticmethod
    def _same_person(new: Tokens, old: Tokens) -> Tokens:
        if new.user_id != old.user_id:
            raise SignInRequired(SESSION_OVER)
        return new

    def _counted(self, email: str, address: str, sign_in: Callable[[str], Tokens], wrong: str) -> str:
        """Try to sign in, counting the try as failed until it is through."""
        now, counted = self._clock(), throttle.subjects(email, address)
        with store_faults(), writing(self._engine).begin() as connection:
            throttle.count_try(connection, counted, now)
        if not email:
            raise SignInRefused(wrong)
        token = self._start(sign_in(email))
        with store_faults(), writing(self._engine).begin() as connection:
            throttle.forget_tries(connection, counted, now)
        return token

    def _start(self, tokens: Tokens) -> str:
        """Begin a session for the person Supabase named; their role is the profile's, never what their token says."""
        now, token = self._clock(), new_token()
        data = self._sealed(hashed(token), tokens)
        with store_faults(), writing(self._engine).begin() as connection:
            ensure_profile(connection, tokens.user_id, tokens.email, now)
            active = connection.scalar(sa.select(profiles.c.is_active).where(profiles.c.user_id == tokens.user_id))
            if not active:
                raise SignInRefused(SWITCHED_OFF)
            session_rows.start(connection, tokens.user_id, now, token, data)
        self._remember(hashed(token), tokens)
        return token

    def _remember(self, key: str, tokens: Tokens) -> None:
        self._fresh[key] = (tokens.access, tokens.expires_at)
        while len(self._fresh) > _KEPT:
            self._fresh.popitem(last=False)

    def _sealed(self, key: str, tokens: Tokens) -> dict[str, str]:
        return {"supabase": self._vault.seal(json.dumps(asdict(tokens)), ("sessions", key))}

    def _opened(self, key: str, data: Mapping[str, Any]) -> Tokens:
        if "supabase" not in data:
            raise SignInRequired(SESSION_OVER)
        return Tokens(**json.loads(self._vault.open(data["supabase"], ("sessions", key))))


def ensure_profile(connection: Connection, user_id: str, email: str, now: datetime) -> None:
    """Give a person of Supabase a profile as a member, unless they have one; raises SignInRefused when it is not theirs to have."""
    if connection.scalar(sa.select(profiles.c.user_id).where(profiles.c.user_id == user_id)) is not None:
        return
    address = _given(email) or None
    if address and connection.scalar(sa.select(profiles.c.user_id).where(profiles.c.email == address)) is not None:
        raise SignInRefused(TAKEN)
    values = {"user_id": user_id, "email": address, "created_at": now, "updated_at": now}
    connection.execute(sa.insert(profiles).values(values))


def _given(email: str) -> str:
    """Return an address in its one spelling; one that cannot be anybody's is no error here, it is merely wrong."""
    try:
        return normal_email(email)
    except InvalidValue:
        return ""


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
