"""Pools: the hosts that hold volumes, how much room each has, and which one a new volume goes to."""
