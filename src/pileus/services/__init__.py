"""One folder per entry of the service catalogue, one folder per noun of its API."""
