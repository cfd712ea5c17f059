"""The checks of the kernel and of every service, run on request."""

from pileus.kernel.verify import Difference, Report, verify

__all__ = ["Difference", "Report", "verify"]
