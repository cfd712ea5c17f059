"""Measured numbers: a load generator for any OpenStack-API cloud, and the gates that this one must keep."""
