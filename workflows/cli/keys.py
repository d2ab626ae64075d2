"""`keys`: making API keys, straight in the database: the first key has to come from somewhere."""

from __future__ import annotations

import json

import click

from workflows.access.keys import Role, create
from workflows.cli.boot import boot
from workflows.db.engine import make_engine, reachable

ROLES = [role.name.lower() for role in Role]


@click.group()
def keys() -> None:
    """Make API keys."""


@keys.command("create")
@click.option("--tenant", default="default", show_default=True, help="Whose jobs the key sees.")
@click.option("--role", type=click.Choice(ROLES), default="submitter", show_default=True, help="What it may do.")
@click.option("--label", default="", help="What it is for.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create_key(tenant: str, role: str, label: str, as_json: bool) -> None:
    """Make a key and print it. It is stored as a hash: this is the only time it can be read."""
    settings = boot("database_url", "api_key_pepper")
    engine = make_engine(settings)
    try:
        with reachable("The database (DATABASE_URL)"), engine.begin() as conn:
            key = create(conn, settings, tenant, role, label)
    except ValueError as err:
        raise click.UsageError(f"{err}.") from err
    finally:
        engine.dispose()
    click.echo(json.dumps({"key": key, "tenant": tenant, "role": role, "label": label}) if as_json else key)
