"""HTTP, SQL, time and failure. The kernel has never heard of a server or a volume."""
