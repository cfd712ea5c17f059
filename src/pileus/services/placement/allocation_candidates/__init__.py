"""Allocation candidates: which providers could serve a request together, and the list of providers, which is narrowed alike."""
