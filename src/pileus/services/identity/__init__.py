"""Identity: who someone is, what they may do where, and where the services are. OpenStack Identity API v3.

    v2 > auth | ec2 > receipts | tokens > trusts | application_credentials | oauth1 | totp > credentials > catalog
         > endpoint_filters | policies > endpoints > limits > registered_limits > services | regions
         > assignments > roles > groups > users > identity_providers > mappings | projects
         > keys | revocations > revision
    tokens > service_providers > revision
    domain_configs > domains > projects

A noun calls only nouns to its right; what must go up goes through the hooks a noun declares (`projects.service.on_delete`).
A further way to log in is a `method` (methods.py), a further thing that tokens rest on a `ground` (grounds.py): the noun
that has it registers it, and neither `auth` nor `tokens` needs to know.
"""
