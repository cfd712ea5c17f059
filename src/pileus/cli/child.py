"""The control process that a keeper starts: it takes its orders, gives its rights away, and only then opens the cloud."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import msgspec

from pileus.cli import Failure, importing
from pileus.cli.orders import Orders
from pileus.cli.rights import become
from pileus.cli.supervisor import die_with


def main() -> int:
    """Serve by the orders on standard input. Exit status 1 when that cannot be."""
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    try:
        if orders.user is not None:
            become(orders.user, Path(orders.config.state).parent)
        die_with(orders.keeper)
        with importing():
            control = importlib.import_module("pileus.cli.control")
        control.obey(orders)
    except Failure as e:
        print(f"pileus: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
