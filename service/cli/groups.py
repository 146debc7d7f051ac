"""`hardcase groups`: how many images are near-duplicates of others, and making the groups anew."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from db.views import groups as groups_view
from db.views.groups import GroupSizes
from labeling.jobs import JobName
from service.cli.output import AsJson, Here, ProjectName, do_job, emit, in_project, table
from service.jobs.arguments import GroupArguments

LARGEST = 5


def groups(
    project: ProjectName,
    regroup: Annotated[bool, typer.Option(help="Make all groups anew by the policy's rule.")] = False,
    dry_run: Annotated[bool, typer.Option(help="With --regroup: only say what would change.")] = False,
    as_json: AsJson = False,
    here: Here = False,
) -> None:
    """Show how many images are near-duplicates of others, or make the groups anew.

    Example: hardcase groups animals --regroup --dry-run
    """
    if regroup:
        do_job(JobName.GROUP, project, GroupArguments(dry_run=dry_run), as_json=as_json, here=here)
        return
    if dry_run:
        raise typer.BadParameter("--dry-run goes with --regroup.")
    with in_project(as_json, project) as (hardcase, found):
        sizes = hardcase.read(groups_view.sizes, found.id)
        largest = hardcase.read(groups_view.largest, found.id, LARGEST)
        document = {**msgspec.to_builtins(sizes, str_keys=True), "share": sizes.share}
        document["largest_groups"] = [msgspec.to_builtins(one) for one in largest]
        by_size = table("groups by size", ["images in a group", "groups"], sizes.sizes.items())
        rows = ([one.group_id, one.size, ", ".join(str(m.image_id) for m in one.members)] for one in largest)
        shown = table("largest groups", ["group", "images", "first images"], rows)
        emit(as_json, document, _words(sizes), by_size, shown)


def _words(sizes: GroupSizes) -> str:
    how = "no thresholds are frozen yet: only equal bytes are one image" if sizes.rule is None else sizes.rule.reason
    return f"{sizes.in_groups} of {sizes.images} images ({sizes.share:.0%}) stand in groups of several; {how}."
