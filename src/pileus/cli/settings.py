"""Options: how the command line and the file become a Config, and what `config show` and `policy check` say."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pileus.cli import Failure
from pileus.cli.state import default_state
from pileus.kernel import config

FLAGS = {"state": "state", "listen": "api.listen", "classic_ports": "api.classic_ports", "tls": "api.tls"}
SITE_FILE = Path("/etc/pileus/pileus.toml")


def configuration(asked: argparse.Namespace) -> tuple[config.Config, dict[str, str]]:
    """The options of this command, and where each that is no default comes from. Raises Failure."""
    said = {name: getattr(asked, flag, None) for flag, name in FLAGS.items()}
    given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    path = asked.config or (SITE_FILE if SITE_FILE.exists() else None)
    try:
        options, origins = config.load(path, given)
        if not options.state:
            options, _ = config.load(path, {**given, "state": str(default_state())})
    except config.ConfigError as e:
        raise Failure(str(e)) from e
    return options, origins


def show(asked: argparse.Namespace) -> int:
    options, origins = configuration(asked)
    rows = [
        {
            "option": name,
            "value": config.value_of(options, name),
            "from": origins.get(name, "default"),
            "meaning": words,
        }
        for name, _, words in config.options()
    ]
    if asked.json:
        print(json.dumps(rows, indent=2))
        return 0
    widths = [max(len(text(row[key])) for row in rows) for key in ("option", "value", "from")]
    for row in rows:
        cells = (text(row[key]).ljust(width) for key, width in zip(("option", "value", "from"), widths, strict=True))
        print("  ".join((*cells, str(row["meaning"]))))
    return 0


def text(value: object) -> str:
    """A value as TOML would have it."""
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) or not value else value


def check_policy(asked: argparse.Namespace) -> int:
    from pileus.kernel.policy import check_file
    from pileus.kernel.policy.defaults import default_rules

    problems = check_file(asked.file, default_rules().checks)
    for problem in problems:
        print(f"{asked.file}: {'error' if problem.fatal else 'doubt'}: {problem}")
    return 1 if any(problem.fatal for problem in problems) else 0
