"""Tempest, the reference tests of OpenStack's APIs, against a cloud of our own: `script/conformance --set identity`.

sets.toml          which tests, by the service they are about
tempest.toml       what Tempest is told of the cloud: the features it has
cloud.toml         the options of the cloud that is tried
requirements.lock  Tempest and its plugin, pinned; they live in a virtual environment of their own
collect.py         runs in that environment: what its tests said, as JSON
"""
