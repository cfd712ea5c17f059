"""Floating IPs: an address of an external network that stands for one inside."""
