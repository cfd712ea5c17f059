"""Ports: where devices are plugged into a network."""
