"""Networking: networks, ports, routers."""
