"""How every engine answers, whatever it does.

The contract of an engine's verbs:

- A verb says the end state (`ensure_...`), so saying it twice is fine; `observe` tells what is.
- Every verb answers within `VERB_ANSWERS_WITHIN_S`: Done, Going or Failed. What takes longer is a *job*, keyed by
  (subject, verb): saying the verb again with the same arguments joins it and, once it has ended, collects its result;
  other arguments replace it; `cancel` ends it. So does another verb of the subject, but for those that a protocol says
  `BESIDE` its jobs.
- A job is kept on the host. After a restart of the host's agent it is resumed or reported lost; it never vanishes.
- Each write carries the caller's fence, a number that only grows. The host keeps the highest it has seen per subject and
  refuses older ones: whoever comes with one has lost its lease.
- An engine that cannot be asked just now raises Unavailable: nothing is known about the end state, say it again.
- A protocol says its version (`VERSION`); an agent serves callers of its own version and older ones.
"""

from __future__ import annotations

import msgspec

from pileus.kernel.errors import LeaseLost
from pileus.kernel.verbs import VERB_ANSWERS_WITHIN_S, Answer, Done, Failed, Going

__all__ = ["VERB_ANSWERS_WITHIN_S", "Answer", "Change", "Done", "Failed", "Going", "StaleFence"]


class Change(msgspec.Struct, frozen=True):
    """A job that has ended, and how: what a host tells the control plane."""

    kind: str
    verb: str
    subject: str
    answer: Answer


class StaleFence(LeaseLost):
    """A newer worker has spoken about this subject already; nothing was done."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
