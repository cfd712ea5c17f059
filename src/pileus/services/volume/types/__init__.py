"""Volume types: what volumes can be, their extra specs, who may use them, and which is the default."""
