"""Attachments: who uses a volume, from where. One attachment is one operation, seen from Compute and from here."""
