"""A real Postgres for the tests: its own cluster in a temporary folder on a free port, gone afterwards."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from lib.store.database import upgrade
from lib.store.engine import open_engine
from tests.machine import absent

_NUMBERS = itertools.count(1)


class PostgresServer:
    """A running cluster; databases are made in it as tests ask for them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._template: str | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the address of one database, as a person would write it in DATABASE_URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def engine(self, database: str) -> Engine:
        """Return the application's own kind of engine."""
        return open_engine(SecretStr(self.url(database).replace("postgresql://", "postgresql+psycopg://")))

    def create(self, *, template: str | None = None) -> str:
        """Make a database, empty or as a copy of another, and return its name."""
        name = f"test_{next(_NUMBERS)}"
        self._run(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def create_ready(self) -> str:
        """Make a database that already has today's schema."""
        if self._template is None:
            self._template = self.create()
            engine = self.engine(self._template)
            upgrade(engine)
            engine.dispose()
        return self.create(template=self._template)

    def close(self, name: str) -> None:
        """Let nobody connect to a database, and end every connection to it."""
        self._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def reopen(self, name: str) -> None:
        """Let everybody connect again."""
        self._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        engine = self.engine("postgres")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(statement))
        engine.dispose()


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    absent("Postgres is not installed; install the package postgresql to run these tests.")


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a cluster, as the user postgres when we are root (it refuses to run as root), and stop it by its pid."""
    binaries = _binaries()
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="modeldeck-pg-", ignore_cleanup_errors=True) as folder:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data = f"{folder}/data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off", "max_connections": 80}
        with subprocess.Popen(
            [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())],
            stderr=subprocess.PIPE,
            text=True,
            user=user,
            cwd=folder,
        ) as server:
            assert server.stderr is not None
            said = []
            for line in server.stderr:
                said.append(line)
                if "ready to accept connections" in line:
                    break
            else:
                raise RuntimeError("Postgres did not start: " + "".join(said))
            # Its log goes on; drained by a reader that ends with it, or a full pipe would stop the server.
            drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
            try:
                yield PostgresServer(port)
            finally:
                server.send_signal(signal.SIGINT)
                server.wait()
                drain.wait()
