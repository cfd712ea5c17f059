"""Consumers of OAuth and what the admin of a running cloud lends them, to be asked for by routes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oauthlib.oauth1 import Client

from pileus.kernel.context import Caller
from pileus.services.identity.oauth1 import service as oauth1
from support.cloud import RunningCloud

ROOT = "http://cloud.test/identity/v3/OS-OAUTH1"


async def a_consumer(cloud: RunningCloud) -> str:
    return (await oauth1.create_consumer(cloud.ctx(), None, {}))[0].id


async def a_request_token(cloud: RunningCloud) -> str:
    return (await asked(cloud))[0].id


async def an_access_token(cloud: RunningCloud) -> str:
    token, keys = await asked(cloud)
    caller = Caller(cloud.user_id, project_id=cloud.project_id)
    verifier = await oauth1.authorize(replace(cloud.ctx(), caller=caller), token.id, [{"name": "reader"}])
    lent = {"resource_owner_key": token.id, "resource_owner_secret": token.secret, "verifier": verifier}
    return (await oauth1.create_access_token(cloud.ctx(), signed(cloud, "access_token", **keys, **lent))).id


async def asked(cloud: RunningCloud) -> tuple[oauth1.Issued, dict[str, Any]]:
    """A request token for the admin's project, and the keys of its consumer."""
    consumer, secret = await oauth1.create_consumer(cloud.ctx(), None, {})
    keys = {"client_key": consumer.id, "client_secret": secret}
    message = signed(cloud, "request_token", **keys)
    return await oauth1.create_request_token(cloud.ctx(), message, cloud.project_id), keys


def signed(cloud: RunningCloud, path: str, **keys: Any) -> oauth1.Message:
    url, time = f"{ROOT}/{path}", str(int(cloud.ctx().now()))
    _, headers, _ = Client(**keys, timestamp=time).sign(url, http_method="POST")
    return oauth1.Message(url, headers["Authorization"])
