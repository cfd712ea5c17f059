"""openstacksdk, connected with what one says."""

from __future__ import annotations

import openstack
import pytest
from openstack.connection import Connection

ITS_OWN_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "PendingDeprecationWarning")
]
"""Marks of tests that use it: what it says of itself."""


def connected(auth_url: str, **auth: str) -> Connection:
    domains = (
        {} if "application_credential_id" in auth else {"user_domain_id": "default", "project_domain_id": "default"}
    )
    kind = "v3applicationcredential" if "application_credential_id" in auth else "password"
    return openstack.connect(
        load_envvars=False, load_yaml_config=False, auth_type=kind, auth={"auth_url": auth_url, **domains, **auth}
    )
