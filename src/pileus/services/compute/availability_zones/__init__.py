"""Availability zones: the names of groups of hosts, as users choose among them."""
