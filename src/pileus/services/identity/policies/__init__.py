"""Policies that older services keep in Identity, and which of them is for which endpoint: OS-ENDPOINT-POLICY."""
