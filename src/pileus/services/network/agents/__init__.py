"""Agents: what carries networks on each host."""
