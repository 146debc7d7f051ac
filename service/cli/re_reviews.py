"""`hardcase re-reviews`: how many labels are wrong, and a request for more blind re-reviews."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from db.session import transaction
from service.cli.output import AsJson, ProjectName, actor, emit, in_project
from service.figures.figures import stored
from service.figures.wrong_labels import ShareOfWrongLabels
from service.labels.re_reviews import ask_for_more


def re_reviews(
    project: ProjectName,
    more: Annotated[int, typer.Option(help="Ask for so many more; 0: only show.", min=0, max=1000)] = 0,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the share of wrong labels and what more blind re-reviews would tell, or ask for them.

    Example: hardcase re-reviews animals --more 30
    """
    with in_project(as_json, project) as (hardcase, found):
        if more:
            with transaction(hardcase.database) as session:
                asked = ask_for_more(session, hardcase.jobs, found, more, actor(reason))
            words = f"{asked.wanted} re-reviews are wanted in all; {asked.asked} labels are being re-reviewed, or were."
            emit(as_json, asdict(asked), words, *([] if asked.new else ["An earlier request waits for the worker."]))
            return
        figure = hardcase.read(stored, found.id, ShareOfWrongLabels)
        lines = [f"Wrong labels: {figure.words}.", figure.offer] if figure else ["Not counted yet: the worker does it."]
        emit(as_json, {"share_of_wrong_labels": msgspec.to_builtins(figure)}, *filter(None, lines))
