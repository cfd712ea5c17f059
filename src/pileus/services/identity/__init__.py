"""Identity: who someone is, what they may do where, and where the services are. OpenStack Identity API v3.

    auth > tokens > catalog > assignments > roles > users > projects > keys | revocations > revision

A noun calls only nouns to its right; what must go up goes through the hooks a noun declares (`projects.service.on_delete`).
"""
