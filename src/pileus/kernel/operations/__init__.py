"""Durable operations: progress is a row, in the same transaction as what it builds. The law is in docs/operations.md."""

from pileus.kernel.operations.carry import Seam, SeamHook
from pileus.kernel.operations.op import ChildFailed, Op
from pileus.kernel.operations.saga import UNTIL_RUNG, Converge, NotPassed, Saga, Step, Wait, sagas
from pileus.kernel.operations.start import holder, refuse_if_busy, unpaid, wake_held, wake_subject
from pileus.kernel.operations.tables import FACTS
from pileus.kernel.operations.worker import Worker, void_leases

__all__ = [
    "FACTS",
    "UNTIL_RUNG",
    "ChildFailed",
    "Converge",
    "NotPassed",
    "Op",
    "Saga",
    "Seam",
    "SeamHook",
    "Step",
    "Wait",
    "Worker",
    "holder",
    "refuse_if_busy",
    "sagas",
    "unpaid",
    "void_leases",
    "wake_held",
    "wake_subject",
]
