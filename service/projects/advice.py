"""What a sound project file would be better with: a checked configuration in, sentences for people out."""

from __future__ import annotations

from labeling.project import ProjectConfig

MANY_CLASSES = 10


def advice(config: ProjectConfig) -> list[str]:
    """One sentence for each choice that is allowed and seldom meant; mostly none.

    >>> from labeling.project import LabelClass, Policy
    >>> labels = tuple(LabelClass(str(number)) for number in range(20))
    >>> [note[:34] for note in advice(ProjectConfig("p", labels, policy=Policy(strategy="entropy")))]
    ['Note: of 20 classes `entropy` asks']
    """
    found = []
    if config.policy.strategy == "entropy" and len(config.classes) >= MANY_CLASSES:
        found.append(
            f"Note: of {len(config.classes)} classes `entropy` asks for images that are a little like many; `margin` "
            "taught as much or more in what we measured (docs/how-to/select.md)."
        )
    return found
