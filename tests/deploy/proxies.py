"""The reverse proxies of deploy/ for tests: real ones, as unprivileged processes on free ports, stopped by process id."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.deploy.unprivileged import give, open_folder, running
from tests.machine import absent
from tests.serving import ROOT, free_port

HOST = "deck.example.com"
"""The name that the files of deploy/ use."""
DEPLOY = ROOT / "deploy"
_NGINX = """\
error_log stderr notice;
pid {folder}/pid;
worker_processes 1;
events {{}}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    log_format upstream '$status $upstream_addr $request_uri';
    access_log {folder}/access.log upstream;
    include {folder}/site.conf;
}}
"""
_CADDY = """\
{{
	admin off
	local_certs
	skip_install_trust
	auto_https disable_redirects
}}
{site}"""


@dataclass(frozen=True)
class Proxy:
    """A running proxy; ``folder`` holds what it writes."""

    name: str
    port: int
    http_port: int | None
    folder: Path

    @property
    def url(self) -> str:
        """Return the address people type."""
        return f"https://{HOST}:{self.port}"

    def client(self, address: str = "127.0.0.1") -> httpx.Client:
        """Return a client at another loopback address, which asks for the proxy by its name and believes any certificate."""
        return httpx.Client(transport=_Here(verify=no_verification(), local_address=address), base_url=self.url, timeout=60)


class _Here(httpx.HTTPTransport):
    """Finds every name on this machine."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def no_verification() -> ssl.SSLContext:
    """Return a context for certificates that nobody vouches for."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def nginx(upstreams: Sequence[str]) -> Iterator[Proxy]:
    """Run nginx with deploy/nginx.conf, whose ports, certificate and upstreams are put in."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or absent(
        "nginx is not installed; install the package nginx-light to run these tests."
    )
    port, http_port = free_port(), free_port()
    with open_folder() as folder:
        _certificate(folder)
        changes = {
            "server 127.0.0.1:8501;": " ".join(f"server {upstream};" for upstream in upstreams),
            "listen 80;": f"listen 127.0.0.1:{http_port};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "/etc/ssl/deck.example.com/": f"{folder}/",
        }
        (folder / "site.conf").write_text(_changed((DEPLOY / "nginx.conf").read_text(encoding="utf-8"), changes), encoding="utf-8")
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder), encoding="utf-8")
        command = [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
        with running(command, {}, folder, "start worker process"):
            yield Proxy("nginx", port, http_port, folder)


@contextmanager
def caddy(upstreams: Sequence[str]) -> Iterator[Proxy]:
    """Run Caddy with deploy/Caddyfile, whose certificate it makes itself."""
    program = shutil.which("caddy") or absent("Caddy is not installed; install the package caddy to run these tests.")
    port = free_port()
    with open_folder() as folder:
        site = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
        (folder / "Caddyfile").write_text(_CADDY.format(site=site), encoding="utf-8")
        environ = {"DECK_HOST": f"{HOST}:{port}", "UPSTREAMS": " ".join(upstreams), "HOME": str(folder)}
        command = [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        with running(command, environ, folder, "serving initial configuration"):
            yield Proxy("caddy", port, None, folder)


def _changed(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"deploy/nginx.conf no longer says {old!r}"
        text = text.replace(old, new)
    return text


def _certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={HOST}"]
    files = ["-addext", f"subjectAltName=DNS:{HOST}", "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    for name in ("privkey.pem", "fullchain.pem"):
        give(folder / name)
