"""Signing in with another provider, all the way: Modeldeck, Supabase's auth, a provider and back, in one browser."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Browser, expect

from lib.api.forms import COOKIE
from tests.browser import driving as on
from tests.browser.conftest import TIMEOUT
from tests.serving import serve
from tests.stack.stack import running_stack

EMAIL = "octo@example.com"
ANSWERS = {
    "/login/oauth/access_token": {"access_token": "gho_canary_5512", "token_type": "bearer"},
    "/api/v3/user": {"id": 583231, "login": "octo", "name": "Octo", "email": EMAIL},
    "/api/v3/user/emails": [{"email": EMAIL, "primary": True, "verified": True}],
}


class _Provider(http.server.BaseHTTPRequestHandler):
    """As much of GitHub as signing in takes: everybody is Octo and says yes at once, and is led back to where it was agreed."""

    callback = ""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/login/oauth/authorize":
            asked = parse_qs(parts.query)
            self.send_response(302)
            self.send_header("Location", f"{self.callback}?{urlencode({'code': 'said-yes', 'state': asked['state'][0]})}")
            self.end_headers()
            return
        body = json.dumps(ANSWERS[parts.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def provider() -> Iterator[str]:
    """Run the provider and give its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Provider) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_person_signs_in_with_another_provider_until_supabase_or_they_themselves_end_it(browser: Browser, tmp_path: Path) -> None:
    with provider() as github:
        auth = {
            "jwt_expiry": 30,  # so short that every use of a token renews it
            "additional_redirect_urls": ["http://localhost:*/api/auth/callback"],
            "external": {"github": {"enabled": True, "client_id": "deck", "secret": "hush", "url": github}},
        }
        with running_stack(auth=auth) as stack, serve(tmp_path, **stack.settings, ENCRYPTION_KEY="a-key-for-tests-0123456789") as server:
            _Provider.callback = f"{stack.url}/auth/v1/callback"
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(TIMEOUT)
            tab = context.new_page()
            tab.goto(f"{server.url}/costs?range=30d")
            tab.get_by_role("link", name="Continue with GitHub").click()
            expect(on.heading(tab, "Costs")).to_be_visible()
            assert tab.url == f"{server.url}/costs?range=30d"
            expect(tab.get_by_text(EMAIL).or_(tab.get_by_text("Octo"))).to_be_visible()
            tab.goto(f"{server.url}/playground")
            expect(on.picker(tab)).to_be_visible()
            stack.sql("DELETE FROM auth.sessions")  # as an admin of the project signs somebody out
            tab.goto(f"{server.url}/playground")
            expect(on.heading(tab, "Sign in")).to_be_visible()
            tab.get_by_role("link", name="Continue with GitHub").click()
            expect(on.picker(tab)).to_be_visible()
            tab.get_by_role("button", name="Sign out", exact=True).click()
            expect(on.heading(tab, "Sign in")).to_be_visible()
            assert COOKIE not in {cookie.get("name") for cookie in context.cookies()}
            context.close()
            assert stack.sql("SELECT role FROM profiles WHERE email = %s", EMAIL) == [("member",)]
            assert "code=" not in server.log and "gho_canary" not in server.log
