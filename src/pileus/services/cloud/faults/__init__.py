"""Faults and delays on request: what a simulated cloud makes its clients suffer, so that they can be tested."""
