"""Durable operations: progress is a row, in the same transaction as what it builds. The law is in docs/operations.md."""

from pileus.kernel.operations.carry import Seam
from pileus.kernel.operations.op import ChildFailed, Op
from pileus.kernel.operations.saga import Converge, NotPassed, Saga, Step, Wait, sagas
from pileus.kernel.operations.start import holder, refuse_if_busy, unpaid, wake_subject
from pileus.kernel.operations.worker import Worker, void_leases

__all__ = [
    "ChildFailed",
    "Converge",
    "NotPassed",
    "Op",
    "Saga",
    "Seam",
    "Step",
    "Wait",
    "Worker",
    "holder",
    "refuse_if_busy",
    "sagas",
    "unpaid",
    "void_leases",
    "wake_subject",
]
