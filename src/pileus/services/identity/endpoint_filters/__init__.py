"""Which endpoints the catalogue of a project shows: OS-EP-FILTER."""
