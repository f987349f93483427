"""Programs run as somebody without rights, in folders of theirs, and stopped by process id."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
"""Where programs are found: the project's own Python first."""
_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
_WHO_READS_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


@cache
def prefix() -> tuple[str, ...]:
    """Return what to put before a command so that it runs as nobody when we are root; it may write nothing of ours.

    An interpreter in root's own home is made readable to it, for that is where some machines keep theirs.
    """
    if os.geteuid() != 0:
        return ()
    readable = subprocess.run([*_NOBODY, "python", "-c", "import click"], env={"PATH": PATH}, capture_output=True).returncode == 0
    return _NOBODY if readable else _NOBODY + _WHO_READS_ALL


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a temporary folder that belongs to whoever programs run as."""
    with tempfile.TemporaryDirectory(prefix="modeldeck-deploy-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        give(folder)
        yield folder


def give(path: Path) -> None:
    """Make a path theirs."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


@contextmanager
def running(command: Sequence[str], environ: Mapping[str, str], folder: Path, ready: str) -> Iterator[None]:
    """Run a program from the line that says it is ready until the block ends."""
    everything = {"PATH": PATH, **environ}
    with subprocess.Popen(
        [*prefix(), *command], env=everything, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            raise AssertionError(f"{command[0]} did not start:\n" + "".join(said))
        # Its log goes on; drained by a reader that ends with it, or a full pipe would stop it.
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait(15)
            drain.wait(15)
