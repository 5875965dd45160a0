"""A PostgreSQL of one's own: on loopback, in a temporary folder, gone when the tests are."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

USER = "steelyard"


def binaries() -> Path:
    """The folder of the newest PostgreSQL that is installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    if not found:
        pytest.skip("no PostgreSQL is installed below /usr/lib/postgresql")
    return found[-1]


@contextmanager
def running() -> Iterator[str]:
    """The address of a server, as the beginning of a database's URL."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="steelyard-postgresql-"))
    owner = _owner(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = folder / "data"
    made = ["initdb", "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
    command = [programs / "postgres", "-D", data, "-k", folder]
    for setting in ("listen_addresses=127.0.0.1", f"port={port}", "fsync=off"):
        command += ["-c", setting]
    if shutil.which("setpriv"):
        # Ends with the tests, also where they are killed.
        command = ["setpriv", "--pdeathsig", "INT", *command]
    try:
        made[0] = str(programs / made[0])
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **owner)
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **owner)
        try:
            _await(port)
            yield f"postgresql://{USER}@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(port: int) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + 60
    address = f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
    engine = create_engine(address, poolclass=NullPool)
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def make_database(server: str, name: str) -> str:
    """The URL of a new database."""
    address = f"{server}/postgres".replace("postgresql:", "postgresql+psycopg:")
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}/{name}"


def _owner(folder: Path) -> dict[str, int]:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}
