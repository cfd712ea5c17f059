"""Hosts, as Compute showed them until 2.42."""
