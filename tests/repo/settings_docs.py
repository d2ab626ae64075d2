"""The settings as documents show them. `python -m tests.repo.settings_docs` (make docs) writes them anew.

README.md has two tables between markers; .env.example is wholly made here.
"""

from __future__ import annotations

import re
from dataclasses import fields

from tests.repo import ROOT
from workflows.policy import PLACES, Policy
from workflows.settings import Settings

README = ROOT / "README.md"
ENV_EXAMPLE = ROOT / ".env.example"

# What docker-compose.yml needs beyond the settings: the passwords of the servers it starts.
COMPOSE_SECRETS = {
    "POSTGRES_PASSWORD": "Password of the PostgreSQL container (letters and digits: it becomes part of a URL).",
    "REDIS_PASSWORD": "Password of the Valkey container (letters and digits: it becomes part of a URL).",
    "FLOWER_BASIC_AUTH": "Login of Flower, as user:password.",
}
# Settings that docker-compose.yml refuses to start without.
COMPOSE_REQUIRED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "API_KEY_PEPPER", "WEBHOOK_SECRET")

HEADER = """\
# Every setting of the service, made from the code by `make docs`.
#   docker compose   reads .env by itself:      cp .env.example .env, then fill in the required lines
#   other processes  get it from the shell:     set -a; . ./.env; set +a
# A line that stays a comment keeps the default shown in it. .env is not committed.
"""


def settings_table() -> str:
    """README's table of the settings at boot: variable, default, meaning."""
    rows = [f"| `{s.metadata['env']}` | {_cell(s.default)} | {s.metadata['help']} |" for s in fields(Settings)]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


def policy_table() -> str:
    """README's table of the policy: key of the configuration file, variable, default."""
    rows = ["| Key in `config/orchestrator.json` | Variable | Default |", "|---|---|---|"]
    for name, ((section, key), variable) in PLACES.items():
        rows.append(f"| `{section}.{key}` | {_cell(variable or '')} | {_cell(_policy_default(name))} |")
    return "\n".join(rows)


def env_example() -> str:
    """The whole of .env.example."""
    lines = [HEADER, "# Required by docker-compose.yml, which has no defaults for secrets."]
    for name, meaning in COMPOSE_SECRETS.items():
        lines += [f"# {meaning}", f"{name}="]
    by_name = {spec.metadata["env"]: spec for spec in fields(Settings)}
    for name in COMPOSE_REQUIRED:
        lines += [f"# {by_name.pop(name).metadata['help']}", f"{name}="]
    lines += ["", "# Settings. docker-compose.yml sets the addresses of its own servers itself."]
    for name, spec in by_name.items():
        lines += [f"# {spec.metadata['help']}", f"#{name}={spec.default}"]
    lines += ["", "# Policy: these win over config/orchestrator.json."]
    for name, (place, variable) in PLACES.items():
        if variable:
            lines += [f"# {'.'.join(place)}", f"#{variable}={_policy_default(name)}"]
    return "\n".join(lines) + "\n"


def with_tables(readme: str) -> str:
    """README.md with both tables as the code has them. Raises ValueError when a marker is missing."""
    for name, table in (("settings", settings_table()), ("policy", policy_table())):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(readme):
            raise ValueError(f"README.md has no {begin} ... {end}")
        block = f"{begin}\n{table}\n{end}"
        readme = pattern.sub(lambda _, block=block: block, readme)
    return readme


def _cell(value: object) -> str:
    return "" if value in ("", None) else f"`{value}`"


def _policy_default(name: str) -> object:
    value = getattr(Policy(), name)
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
    ENV_EXAMPLE.write_text(env_example())
