"""The process on a host: serves the engines of this host over HTTPS and renews its lease."""
