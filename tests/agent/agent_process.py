"""An agent as a process of its own: `python -m agent.agent_process OPTIONS`, the options as JSON. Prints its address."""

from __future__ import annotations

import asyncio
import sys
from functools import partial

import msgspec

from pileus.agent.main import Options, run

if __name__ == "__main__":
    options = msgspec.json.decode(sys.argv[1], type=Options, dec_hook=lambda kind, value: kind(value))
    asyncio.run(run(options, ready=partial(print, flush=True)))
