"""What a datacentre can do. Protocols, their simulators, and the real ones; nothing here has heard of OpenStack."""
