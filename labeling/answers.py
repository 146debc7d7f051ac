"""What an answer about an image is: a set of labels, "none of these", or "unsure"; and the code of each in an array.

In: what people chose or an engine named, as text. Out: values that are compared as sets, and codes: 0 to K - 1 for the
classes, K for "none of these", `MISSING` where there is no label. Only this file compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from labeling.normal_form import same_name
from labeling.types import NONE_OF_THESE, UNSURE, Outcome

__all__ = ["MISSING", "Answer", "AnswerSet", "is_always_offered", "is_none", "is_unsure"]

MISSING = -1
"""The code where there is no label of the set: it equals no label, not even another `MISSING`."""
"""The code where there is no label: no answer, "unsure", or no single label of the set."""


def is_none(label: str | None) -> bool:
    """Whether a label is "none of these": a label, but of no class.

    >>> is_none("none of these"), is_none("cat"), is_none(None)
    (True, False, False)
    """
    return label == NONE_OF_THESE


def is_unsure(choice: str | None) -> bool:
    """Whether a choice is "unsure": an answer that makes no label."""
    return choice == UNSURE


def is_always_offered(text: str) -> bool:
    """Whether people can choose this in every project, so that no class may have the name."""
    return text in (NONE_OF_THESE, UNSURE)


@dataclass(frozen=True, slots=True, order=True)
class Answer:
    """What a person or an engine answers about an image: the distinct `choices` in order; none where it gave no answer.

    A single choice is the set of one. Choices that are no label of a project are kept as they are: `AnswerSet` decides
    what is a label.

    >>> Answer(("dog", "cat", "dog")).choices
    ('cat', 'dog')
    >>> Answer(("cat",)).single, Answer(("unsure",)).single, Answer(("cat", "dog")).single
    ('cat', None, None)
    """

    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(sorted(set(self.choices))))

    @classmethod
    def of(cls, stored: Iterable[str]) -> Answer:
        """The answer that is stored as these texts, in any order."""
        return _stored(tuple(stored))

    @classmethod
    def one(cls, choice: str | None) -> Answer:
        """The answer of one choice; empty for None."""
        return cls() if choice is None else cls((choice,))

    @classmethod
    def named(cls, outcome: Outcome, label: str | None) -> Answer:
        """What an engine named; empty where it gave only probabilities. Nothing else makes an answer of an outcome.

        >>> Answer.named(Outcome.ABSTAINED, None).is_unsure, Answer.named(Outcome.LABEL, "cat").single
        (True, 'cat')
        """
        if outcome == Outcome.LABEL:
            return cls.one(label)
        return cls.one(NONE_OF_THESE if outcome == Outcome.NONE_OF_THESE else UNSURE)

    @property
    def is_none(self) -> bool:
        """Whether it says that no class of the label set fits."""
        return self.choices == (NONE_OF_THESE,)

    @property
    def is_unsure(self) -> bool:
        """Whether it says "unsure"."""
        return self.choices == (UNSURE,)

    @property
    def is_doubt(self) -> bool:
        """Whether whoever was asked could not tell: "unsure", or no choice at all (a skip).

        >>> Answer(("unsure",)).is_doubt, Answer().is_doubt, Answer(("none of these",)).is_doubt
        (True, True, False)
        """
        return self.is_unsure or not self.choices

    @property
    def single(self) -> str | None:
        """The one label, "none of these" among them; None where it is unsure, empty, or several."""
        return None if len(self.choices) != 1 or self.is_unsure else self.choices[0]

    @property
    def outcome(self) -> Outcome:
        """The outcome of an engine that answers this; an empty answer may still have probabilities."""
        if self.is_unsure:
            return Outcome.ABSTAINED
        return Outcome.NONE_OF_THESE if self.is_none else Outcome.LABEL

    def says(self, label: str) -> bool:
        """Whether this label is all that it says."""
        return self.choices == (label,)

    def keeps(self, shown: str | None) -> bool:
        """Whether it is exactly what was pre-selected; False where nothing was."""
        return shown is not None and self.says(shown)

    def __str__(self) -> str:
        return ", ".join(self.choices)


@lru_cache(maxsize=10_000)
def _stored(choices: tuple[str, ...]) -> Answer:
    """The same few answers are read tens of thousands of times."""
    return Answer(choices)


@lru_cache(maxsize=100)
def _by_name(labels: tuple[str, ...]) -> dict[str, str]:
    """Each label by the key that is equal for all its ways of writing; the first of several with one key."""
    return {same_name(label): label for label in reversed(labels)}


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """The answers of a project, by its K classes in the order of the label set.

    >>> known = AnswerSet(("cat", "dog"))
    >>> known.labels, known.none_code
    (('cat', 'dog', 'none of these'), 2)
    >>> known.code("dog"), known.code("unsure"), known.decode(2), known.decode(MISSING)
    (1, -1, 'none of these', None)
    """

    classes: tuple[str, ...]
    _codes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_codes", {label: code for code, label in enumerate(self.labels)})

    @property
    def labels(self) -> tuple[str, ...]:
        """What may be a label, in the order of the codes: the classes, then "none of these"."""
        return (*self.classes, NONE_OF_THESE)

    @property
    def choices(self) -> tuple[str, ...]:
        """What people and models may choose: the labels, then "unsure"."""
        return (*self.labels, UNSURE)

    @property
    def unsure(self) -> str:
        """What an answer that could not tell is called among shares."""
        return UNSURE

    @property
    def none_code(self) -> int:
        """The code of "none of these": K, one past the last class."""
        return len(self.classes)

    def is_label(self, text: str | None) -> bool:
        """Whether this is a class or "none of these"."""
        return text in self._codes

    def find(self, text: str) -> str | None:
        """The label that a text names in whatever normal form, white space and case; None where it names none.

        >>> AnswerSet(("hot dog",)).find(" Hot  Dog"), AnswerSet(("cat",)).find("dog")
        ('hot dog', None)
        """
        return text if text in self._codes else _by_name(self.labels).get(same_name(text))

    def is_choice(self, text: str | None) -> bool:
        """Whether this is a label or "unsure"."""
        return text in self._codes or text == UNSURE

    def code(self, answer: Answer | str | None) -> int:
        """The code of an answer's one label; `MISSING` where it has none of this set."""
        label = answer.single if isinstance(answer, Answer) else answer
        return MISSING if label is None else self._codes.get(label, MISSING)

    def codes(self, answers: Iterable[Answer | str | None]) -> list[int]:
        """The code of each, as `code`."""
        return [self.code(answer) for answer in answers]

    def class_codes(self, labels: Iterable[str]) -> list[int]:
        """The position of each label's class; `MISSING` for "none of these", which is of no class.

        >>> AnswerSet(("cat", "dog")).class_codes(["dog", "none of these"])
        [1, -1]
        """
        return [MISSING if code == self.none_code else code for code in self.codes(labels)]

    def decode(self, code: int) -> str | None:
        """The label of a code; None for `MISSING`."""
        return None if code == MISSING else self.labels[code]

    def label_of(self, named: Answer | str | None, probs: Sequence[float] = ()) -> str | None:
        """The label that an engine gives: the named one, else its likeliest class.

        Parameters
        ----------
        named : Answer, str or None
            What it named. An abstention gives no label, whatever the probabilities are.
        probs : (K,) sequence, optional
            In the order of the classes; of another length they do not count.

        Examples
        --------
        >>> known = AnswerSet(("cat", "dog"))
        >>> known.label_of("cat", [0.2, 0.8]), known.label_of(None, [0.2, 0.8]), known.label_of("unsure", [0.2, 0.8])
        ('cat', 'dog', None)
        """
        answer = named if isinstance(named, Answer) else Answer.one(named)
        if answer.is_unsure or self.is_label(answer.single):
            return answer.single
        likeliest = max(range(len(probs)), key=probs.__getitem__, default=0)  # the first of equals
        return self.classes[likeliest] if len(probs) == len(self.classes) else None
