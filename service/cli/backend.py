"""`hardcase backend`: the address to give to Label Studio's "Model" settings, which contains the project's token."""

from __future__ import annotations

from service.cli.output import AsJson, ProjectName, emit, in_project
from service.label_studio.ml_backend import path_of


def backend(project: ProjectName, as_json: AsJson = False) -> None:
    """Print the address under which Label Studio's "Model" settings reach a project. It is a secret.

    Example: hardcase backend animals
    """
    with in_project(as_json, project) as (hardcase, found):
        settings = hardcase.settings
        address = f"{settings.address}{path_of(settings.secret.get_secret_value(), found.id)}"
        document = {"project": found.config.name, "address": address}
        emit(as_json, document, lambda console: console.print(address, markup=False, soft_wrap=True))
