"""API keys: made, listed, revoked, by an admin; a limited admin handles keys within its own projects only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from db.repositories.people import audit, keys
from db.repositories.projects import projects
from db.session import reading, transaction
from labeling.errors import Denied, NotFound
from labeling.jobs import Role
from service import auth
from service.auth import Caller
from service.projects.written_texts import Plain
from service.web.api.bodies import Body
from service.web.edge.access import CallerDep, Guarded
from service.web.wiring import PartsDep

router = APIRouter(route_class=Guarded, tags=["keys"])


class KeyIn(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[Plain, Field(min_length=1, max_length=80)]
    role: Role
    projects: list[Plain] | None = Field(default=None, max_length=1_000, description="Their names; null means all.")


class KeyOut(Body):
    """A key, without its secret."""

    prefix: str
    name: str
    role: Role
    projects: list[str] | None
    created_at: datetime
    revoked_at: datetime | None


class NewKeyOut(KeyOut):
    """A key as it was just made; `key` is shown this once."""

    key: str


class KeysOut(BaseModel):
    """All keys that the caller handles, revoked ones included."""

    items: list[KeyOut]


@router.get("/api/keys", summary="List keys")
def list_keys(parts: PartsDep, caller: CallerDep) -> KeysOut:
    with reading(parts.database) as session:
        found = keys.everyone(session)
    return KeysOut(items=[KeyOut.of(key) for key in found if _handles(caller, key.projects)])


@router.post("/api/keys", status_code=201, summary="Make a key; it is shown this once")
def create_key(parts: PartsDep, caller: CallerDep, body: KeyIn) -> NewKeyOut:
    named = None if body.projects is None else tuple(body.projects)
    if not _handles(caller, named):
        raise Denied("A key cannot see more projects than the key that makes it.")
    now = parts.now()
    with transaction(parts.database) as session:
        for name in named or ():
            projects.by_name(session, name)
        key, text = auth.issue_key(session, name=body.name, role=body.role, projects=named, now=now)
        audit.record(session, caller.name, "key.create", key.prefix, {"name": key.name, "role": key.role}, now)
    return NewKeyOut(key=text, **KeyOut.of(key).model_dump())


@router.post("/api/keys/{prefix}/revoke", summary="End a key and the sessions made with it")
def revoke_key(parts: PartsDep, caller: CallerDep, prefix: Annotated[str, Path(max_length=64)]) -> KeyOut:
    now = parts.now()
    with transaction(parts.database) as session:
        key = keys.by_prefix(session, prefix)
        if key is None or not _handles(caller, key.projects):
            raise NotFound("There is no such key.")
        key = keys.revoke(session, prefix, now)
        audit.record(session, caller.name, "key.revoke", prefix, {"name": key.name}, now)
    return KeyOut.of(key)


def _handles(caller: Caller, named: tuple[str, ...] | None) -> bool:
    return caller.projects is None or (named is not None and caller.projects.issuperset(named))
