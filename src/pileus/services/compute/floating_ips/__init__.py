"""Floating IPs, as Compute had them before 2.36, and gave them to servers before 2.44."""
