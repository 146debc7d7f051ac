"""Which class each label of a classifier of one's own stands for."""

from __future__ import annotations

import pytest

from labeling.errors import Invalid
from labeling.prelabel.engines.image_classifier import classes_of


def test_a_class_without_a_label_is_refused_with_the_way_out() -> None:
    with pytest.raises(Invalid, match=r"label_map: \{LABEL: dog\}.* and 980 more"):
        classes_of([f"LABEL_{k}" for k in range(1_000)], ["dog"], {})


@pytest.mark.parametrize(
    ("labels", "classes", "label_map", "places"),
    [
        (["sea_bird", "sea bird"], ["sea bird", "sea_bird"], {}, [1, 0]),
        (["Sea_Bird", "gull"], ["sea bird", "sea_bird"], {"gull": "sea bird"}, [1, 0]),
        (["sea_bird", "sea bird"], ["sea_bird", "gull"], {"sea bird": "gull"}, [0, 1]),
        (["sea bird", "cat"], ["sea_bird", "cat"], {}, [0, 1]),
        (["a_b c", "a b_c", "a b c"], ["a b_c", "a_b c"], {"a b c": "a b_c"}, [1, 0, 0]),
    ],
)
def test_names_that_differ_by_a_line_and_a_space_alone_are_kept_apart(
    labels: list[str], classes: list[str], label_map: dict[str, str], places: list[int]
) -> None:
    assert classes_of(labels, classes, label_map).tolist() == places


def test_a_label_that_may_stand_for_two_such_classes_is_refused_with_the_way_out() -> None:
    with pytest.raises(Invalid, match=r"'a b c' may stand for 'a_b c', 'a b_c'.*label_map: \{a b c: a_b c\}"):
        classes_of(["a b c", "a_b c", "a b_c"], ["a_b c", "a b_c"], {})
