"""Bringing the tables of a node up to date, by alembic.

Decides that a database of a version that this program does not know is left alone. Imported only
where something is to be done, as commands open a database that is up to date all the time.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from steelyard.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Engine


def migrate(engine: Engine) -> None:
    """Bring the tables up to date.

    Raises:
        ConfigurationError: they are of a later version.
    """
    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigurationError(
                f"the database is of a version that this program does not know: {error}",
                hint=f"known: {', '.join(sorted(known))}; update the program",
            ) from error
        connection.commit()


def alembic_config() -> Config:
    """Where alembic finds the steps."""
    config = Config()
    folder = files("steelyard.server.storage") / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
