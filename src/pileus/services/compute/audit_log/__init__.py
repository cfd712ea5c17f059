"""The audit log of usage: what Nova kept of its audits, where usage is derived instead."""
