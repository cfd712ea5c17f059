"""Logging in by a request that is signed with an access token of OAuth."""

from __future__ import annotations

from pileus.kernel.context import Ctx
from pileus.services.identity.methods import Attempt, Part, Proof, method
from pileus.services.identity.oauth1 import service
from pileus.services.identity.oauth1.service import Message


class Nothing(Part, frozen=True):
    """All is said in the header."""


@method("oauth1", Nothing)
async def by_oauth(ctx: Ctx, data: Nothing, attempt: Attempt) -> Proof:
    """Good for the project and the roles alone that the user has lent."""
    here, request = attempt.here, attempt.request
    message = Message(here.url(here.path), request.headers.get("authorization", ""), request.url.query)
    token = await service.proven(ctx, message)
    return Proof(user_id=token.user_id, project_id=token.project_id, basis=service.basis(token))
