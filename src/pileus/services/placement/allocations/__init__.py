"""Allocations: who uses how much of what. Usage is counted from these rows, and kept nowhere else."""
