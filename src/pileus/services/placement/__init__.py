"""Placement: what hosts and other providers have, and who uses it. OpenStack Placement API 1.0 to 1.39.

    reshaper > allocation_candidates > usages > allocations > inventories > resource_classes
             > traits | aggregates > resource_providers

A noun calls only nouns to its right; what must go up goes through the hooks a noun declares (`inventories.service.on_remove`).
Ids of providers, consumers and aggregates are UUIDs as text, in the form that the API shows.

What is used is counted from the rows of allocations, under the locks of their providers, and kept nowhere else. Each change
of what a provider is, has or gives away makes a new *edition* of it, by which processes know what they still remember
rightly when they look for candidates; what they find is a proposal, and the claim decides.
"""
