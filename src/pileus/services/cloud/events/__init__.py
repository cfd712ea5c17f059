"""What changes in the cloud, as it happens, for who may see it."""
