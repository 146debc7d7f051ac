"""A webhook receiver as one would first write it: a plain route, the body as a dict, one commit a request.

python -m bench.peers.naive_webhook FILE PORT SECRET
"""

from __future__ import annotations

import hmac
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
import uvicorn
from fastapi import Body, FastAPI, Header, HTTPException
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from db.session import make_engine
from service.label_studio.webhook import HEADER


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: sa.JSON()}


class EventRow(Base):
    """The same columns as the spool's."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    project_id: Mapped[int]
    action: Mapped[str]
    hint: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]


def make_app(path: str, secret: str) -> FastAPI:
    """An application over its own SQLite file: WAL, synchronous=FULL, like ours."""
    engine = make_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    app = FastAPI()

    @app.post("/webhooks/label-studio/{project_id}")
    def receive(
        project_id: int, event: Annotated[dict[str, Any], Body()], given: Annotated[str, Header(alias=HEADER)] = ""
    ) -> dict[str, bool]:
        if not hmac.compare_digest(secret.encode(), given.encode()):
            raise HTTPException(401)
        annotation, task = event["annotation"]["id"], event["task"]["id"]
        row = EventRow(
            key=f"{annotation}:{event['annotation']['updated_at']}",
            project_id=project_id,
            action=event["action"],
            hint={"tasks": [task], "annotations": [annotation]},
            received_at=datetime.now(UTC),
        )
        with Session(engine) as session, session.begin():
            session.add(row)
        return {"kept": True}

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1], sys.argv[3]), port=int(sys.argv[2]), access_log=False, log_level="warning")
