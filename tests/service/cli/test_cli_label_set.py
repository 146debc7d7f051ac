"""`hardcase labels`: what a change would do, the change, its versions, and what is refused."""

from __future__ import annotations

from tests.service.cli.test_cli import Cli, animals, cli

__all__ = ["animals", "cli"]


def test_a_dry_run_says_what_a_change_does_and_the_change_does_it(animals: Cli) -> None:
    merge = ("labels", "merge", "animals", "cat", "dog", "--into", "pet", "--reason", "one price")
    add = ("labels", "add", "animals", "fox", "--reason", "new cameras")

    said = animals(*add, "--dry-run")
    before = animals.document("labels", "show", "animals")
    added, merged = animals.document(*add), animals.document(*merge)
    shown = animals.document("labels", "show", "animals")

    assert said.exit_code == 0 and "'fox' was added: version 2 of the label set, if you put it in force" in said.stdout
    assert (before["label_set"], before["classes"]) == (1, ["cat", "dog"])
    assert (added["done"], merged["classes"]) == (True, ["pet", "fox"])
    assert [one["words"] for one in shown["versions"]] == [
        "'cat', 'dog' became 'pet'",
        "'fox' was added",
        "as the project was made",
    ]


def test_a_change_that_cannot_be_made_says_what_to_do_instead(animals: Cli) -> None:
    taken = animals.document("labels", "rename", "animals", "cat", "DOG", "--reason", "x", code=1)
    without_reason = animals.document("labels", "rename", "animals", "cat", "feline", code=1)
    last = animals.document("labels", "retire", "animals", "dog", "--reason", "x", code=1)

    assert "use `merge`" in taken["message"]
    assert "Say why" in without_reason["message"]
    assert "2 to 1000 classes" in last["message"]
