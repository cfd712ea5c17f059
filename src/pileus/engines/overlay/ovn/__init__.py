"""The overlay on OVN: the engine, which writes its northbound database, and the daemons that make packets of it."""
