"""QoS specs: what volumes of a type may use."""
