"""Other ways in, with no power of their own: they call the services' `service.py`."""
