"""Service providers: other clouds that trust this one as their identity provider."""
