"""Hypervisors: the hosts that guests run on, as Compute and Placement know them."""
