"""`python -m pileus.cli`: the command, for a process that starts another."""

import sys

from pileus.cli import main

sys.exit(main())
