"""What this Image can do: told in many places, decided here."""

METHODS = ("glance-direct", "web-download")
"""How data may be imported."""

STORE = "local"
"""The one place where data are kept."""
