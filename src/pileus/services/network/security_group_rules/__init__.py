"""Rules of security groups: who may talk to a port, and whom it may talk to."""
