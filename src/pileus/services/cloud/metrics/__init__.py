"""GET /metrics: what this cloud counts, for Prometheus."""
