"""One change of a label set as people and programs write it, checked: which classes, what becomes of them, and why.

In: an operation with names. Out: a function that makes the changed configuration of the present one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from labeling.errors import Invalid
from labeling.label_sets import changes as label_set
from labeling.project import LabelClass, LabelOperation, ProjectConfig
from service.projects.project_file import Label, LabelIn
from service.written_files import Strict, mistakes

__all__ = ["LabelChangeIn", "read_change"]

ClassName = Annotated[str, Field(min_length=1, max_length=200)]
_SHAPES = {
    LabelOperation.ADD: ((0, 0), (1, 1), "`add` names one new class in `into`, and none in `classes`"),
    LabelOperation.RENAME: ((1, 1), (1, 1), "`rename` names one class in `classes` and its new name in `into`"),
    LabelOperation.MERGE: ((1, 1_000), (1, 1), "`merge` names classes in `classes`, and the one they become in `into`"),
    LabelOperation.SPLIT: ((1, 1), (2, 1_000), "`split` names one class in `classes`, and two parts or more in `into`"),
    LabelOperation.RETIRE: ((1, 1), (0, 0), "`retire` names one class in `classes`, and none in `into`"),
}


class LabelChangeIn(Strict):
    """`classes` are those that there are, `into` what becomes of them: a name, or a name with a description."""

    operation: LabelOperation
    classes: Annotated[list[ClassName], Field(max_length=1_000)] = []
    into: Annotated[list[Label], Field(max_length=1_000)] = []

    @model_validator(mode="after")
    def _shaped(self) -> LabelChangeIn:
        (few, many), (least, most), words = _SHAPES[self.operation]
        if not (few <= len(self.classes) <= many and least <= len(self.into) <= most):
            raise ValueError(words)
        return self

    def to_operation(self) -> Callable[[ProjectConfig], ProjectConfig]:
        """What makes the changed configuration of the one in force."""
        into = [_class(one) for one in self.into]

        def changed(config: ProjectConfig) -> ProjectConfig:
            match self.operation:
                case LabelOperation.ADD:
                    return label_set.add(config, into[0])
                case LabelOperation.RENAME:
                    return label_set.rename(config, self.classes[0], into[0].name)
                case LabelOperation.MERGE:
                    return label_set.merge(config, self.classes, into[0])
                case LabelOperation.SPLIT:
                    return label_set.split(config, self.classes[0], into)
                case LabelOperation.RETIRE:
                    return label_set.retire(config, self.classes[0])

        return changed


def read_change(operation: LabelOperation, classes: Sequence[str] = (), into: Sequence[Any] = ()) -> LabelChangeIn:
    """A change by these names; Invalid names every mistake."""
    try:
        return LabelChangeIn.model_validate({"operation": operation, "classes": classes, "into": into})
    except ValidationError as error:
        raise Invalid(f"The label set cannot be changed so:{mistakes(error, None)}") from error


def _class(label: LabelIn) -> LabelClass:
    return LabelClass(label.name, label.description, tuple(label.prompts))
