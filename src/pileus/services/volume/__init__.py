"""Block Storage: volumes, snapshots, backups."""
