"""Messages: each occasion is sent once to each target that wants it, whatever fails, repeats or is killed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from db.repositories.running import alarms
from db.repositories.running.alarms import AlarmKind
from db.repositories.running.messages import PAUSES
from db.session import reading, transaction
from db.tables import DeliveryRow, MessageRow
from labeling.adapters.label_studio.client import LabelStudio
from labeling.errors import Invalid, Unavailable
from labeling.project import Policy, Project, Team
from service.cli import app
from service.notifications.targets import load_messages
from service.operations.doctor import examine
from service.settings import Settings, keep_secret
from service.work.notifications import deliver_due, write_due
from service.work.wiring import Parts
from tests.conftest import NOW
from tests.reviewing import make_parts, rows_of
from tests.service.notifications.message_receivers import PASSWORD, USER, Hooks, Mails, mail_server, webhook_receiver

SECRET = "a-secret-that-signs"
MONDAY = datetime(2026, 11, 23, 0, 0, 5, tzinfo=UTC)


class Killed(BaseException):
    """What a SIGKILL is to the process that it ends."""


@dataclass
class House:
    """A project, parts with a clock that is set by hand, and what to do with them."""

    parts: Parts
    project: Project
    home: Path
    at: datetime = NOW
    deadly: str = ""
    passed: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        (self.home / "messages.yaml").write_text(text)

    def hook(self, url: str, more: str = "") -> None:
        self.tell(f"webhooks: {{chat: {{url: '{url}', local: true{more}}}}}")
        keep_secret(self.parts.settings, "messages:chat", SECRET)

    def run(self) -> dict[str, int]:
        """The job, as the worker runs it."""
        return write_due(self.parts, self.project.id) | deliver_due(self.parts, self.project.id)

    def later(self, pause: timedelta) -> dict[str, int]:
        self.at += pause
        return self.run()

    def alarm(self, subject: str = "", words: str = "The images of today look unlike those before.") -> None:
        with transaction(self.parts.database) as session:
            alarms.raise_alarm(session, self.project.id, AlarmKind.INPUT_DRIFT, subject, words, {}, self.at)

    def open_alarms(self) -> list[str]:
        with reading(self.parts.database) as session:
            return [alarm.kind for alarm in alarms.open_alarms(session, self.project.id)]

    def pass_by(self, name: str) -> None:
        if name == self.deadly:
            self.deadly = ""
            raise Killed


@pytest.fixture
def house(database: sa.Engine, make_project: Callable[..., Project], tmp_path: Path) -> Iterator[House]:
    project = make_project(database, policy=Policy(engine="scripted", team=Team(pseudonyms=True)))
    made = House(cast(Parts, None), project, tmp_path)
    made.parts = make_parts(database, tmp_path, cast(Any, None), now=lambda: made.at, failpoint=made.pass_by)
    yield made
    made.parts.jobs.close()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mails]:
    with mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mail.pem"))  # it signed its certificate itself
        yield server


def by_mail(mails: Mails, to: str = "ann@example.com", more: str = "") -> str:
    smtp = f"host: 127.0.0.1, port: {mails.port}, local: true, from: h@example.com, user: {USER}"
    return f"smtp: {{{smtp}}}\nmail: {{leads: {{to: [{to}]{more}}}}}"


def test_a_webhook_that_fails_twice_is_sent_one_message_signed_and_under_the_same_id(
    house: House, hooks: Hooks
) -> None:
    hooks.statuses[:] = [500, 503]
    house.hook(hooks.url)
    house.alarm()

    counts = [house.run(), house.run(), house.later(PAUSES[0]), house.later(PAUSES[1]), house.later(PAUSES[2])]

    assert [(c["written"], c["delivered"], c["failed"]) for c in counts] == [
        (1, 0, 1), (0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 0, 0),
    ]  # fmt: skip
    assert len(set(hooks.ids)) == 1
    assert [(r.attempt, r.delivered) for r in rows_of(house.parts.database, DeliveryRow)] == [
        (1, False), (2, False), (3, True),
    ]  # fmt: skip
    for body, headers in zip(hooks.bodies, hooks.headers, strict=True):
        found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["X-Hardcase-Signature"])
        assert found is not None
        signed = hmac.new(SECRET.encode(), found[1].encode() + b"." + body, hashlib.sha256).hexdigest()
        assert (signed, headers["X-Hardcase-Id"]) == (found[2], hooks.ids[0])
    assert json.loads(hooks.bodies[0])["facts"]["words"] == "The images of today look unlike those before."


def test_mail_is_handed_in_with_a_login_and_no_name_can_begin_a_header(house: House, mails: Mails) -> None:
    keep_secret(house.parts.settings, "messages:smtp", PASSWORD)
    house.tell(by_mail(mails))
    bad = replace(house.project.config, name="cats\r\nBcc: eve@example.com")
    with transaction(house.parts.database) as session:
        session.execute(sa.text("UPDATE project_config SET config = json_set(config, '$.name', :n)"), {"n": bad.name})
    house.alarm(words="<script>alert(1)</script> & so on\nBcc: eve@example.com")

    counts, again = house.run(), house.run()

    mail = mails.taken[0]
    page = mail.get_body(("html",))
    assert page is not None
    assert (counts["delivered"], again["delivered"], mails.recipients) == (1, 0, ["ann@example.com"])
    assert mail["Bcc"] is None
    assert mail["Subject"] == "cats Bcc: eve@example.com: drift of inputs"
    assert mail["Message-ID"].endswith("@hardcase.invalid>")
    assert "&lt;script&gt;" in page.get_content()
    assert "<script>" not in page.get_content()


def test_the_week_is_sent_once_whatever_the_clock_does(house: House, hooks: Hooks) -> None:
    house.hook(hooks.url)
    times = [NOW, MONDAY, MONDAY + timedelta(days=6), MONDAY - timedelta(hours=1), MONDAY + timedelta(days=7), MONDAY]

    for house.at in times:
        house.run()

    weeks = [json.loads(body)["facts"]["week"] for body in hooks.bodies]
    assert weeks == ["2026-W47", "2026-W48"]  # the project was made in week 47, which has not ended at first
    assert sorted(r.key for r in rows_of(house.parts.database, MessageRow)) == [
        "weekly:1:2026-W47:webhook:chat",
        "weekly:1:2026-W48:webhook:chat",
    ]


@pytest.mark.parametrize(("deadly", "requests"), [("messages.before_send", 1), ("messages.before_note", 2)])
def test_a_kill_costs_one_twin_at_most_and_loses_nothing(
    house: House, hooks: Hooks, deadly: str, requests: int
) -> None:
    house.hook(hooks.url)
    house.alarm()
    house.deadly = deadly

    with pytest.raises(Killed):
        house.run()
    at_once, later = house.run(), house.later(PAUSES[0])

    assert (at_once["delivered"], later["delivered"]) == (0, 1)
    assert len(hooks.bodies) == requests
    assert len(set(hooks.ids)) == 1


def test_what_nobody_takes_raises_one_alarm_which_ends_with_the_next_message(house: House, hooks: Hooks) -> None:
    house.hook(hooks.url, ", wants: [alarms]")
    hooks.statuses[:] = [500] * (len(PAUSES) + 1)
    house.alarm()
    house.run()

    for pause in PAUSES:
        house.later(pause)
    raised = house.open_alarms()
    house.later(timedelta(days=1))  # a message about the alarm that was just raised is sent
    sent_last = json.loads(hooks.bodies[-1])

    assert raised == [AlarmKind.DELIVERIES, AlarmKind.INPUT_DRIFT]
    assert sent_last["facts"]["words"].startswith("Messages to webhook:chat are not taken: answered 500.")
    assert house.open_alarms() == [AlarmKind.INPUT_DRIFT]
    assert len(hooks.bodies) == len(PAUSES) + 2


def test_no_redirect_is_followed(house: House, hooks: Hooks) -> None:
    hooks.statuses[:] = [307, 301]
    house.hook(hooks.url)
    house.alarm()

    house.run()

    assert len(hooks.bodies) == 1
    assert [row.detail for row in rows_of(house.parts.database, DeliveryRow)] == ["answered 307"]


def test_a_webhook_without_a_secret_is_sent_nothing(house: House, hooks: Hooks) -> None:
    house.tell(f"webhooks: {{chat: {{url: '{hooks.url}', local: true}}}}")
    house.alarm()

    house.run()

    assert hooks.bodies == []
    assert "hardcase messages key chat" in rows_of(house.parts.database, DeliveryRow)[0].detail


def test_all_get_what_they_want_of_the_projects_that_they_want(house: House, hooks: Hooks) -> None:
    house.tell(
        f"""
webhooks:
  alarms: {{url: '{hooks.url}', local: true, wants: [alarms]}}
  weekly: {{url: '{hooks.url}', local: true, wants: [weekly]}}
  others: {{url: '{hooks.url}', local: true, projects: [plants]}}
"""
    )
    house.alarm()
    house.at = MONDAY

    house.run()

    assert [row.key for row in rows_of(house.parts.database, MessageRow)] == [
        "alarm:1:webhook:alarms",
        "weekly:1:2026-W47:webhook:weekly",
    ]


def test_a_local_only_house_tells_nobody_outside_it(house: House, hooks: Hooks) -> None:
    house.tell(
        f"webhooks: {{here: {{url: '{hooks.url}', local: true}}, there: {{url: 'https://hooks.example.com/x'}}}}"
    )
    house.parts = replace(house.parts, settings=house.parts.settings.model_copy(update={"local_only": True}))
    house.alarm()

    house.run()

    assert [row.target for row in rows_of(house.parts.database, MessageRow)] == ["webhook:here"]


def test_no_secret_and_no_address_stands_in_a_log_or_in_what_is_kept(
    house: House, mails: Mails, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = "Another-Passw0rd"
    keep_secret(house.parts.settings, "messages:smtp", wrong)
    house.tell(by_mail(mails))
    house.alarm()

    house.run()

    kept = rows_of(house.parts.database, DeliveryRow)[0].detail
    said = "".join(capfd.readouterr())
    assert kept == "the mail server refused (535)"
    assert mails.taken == []
    assert wrong not in said + kept
    assert "ann@example.com" not in said


def test_a_mail_server_whose_certificate_nobody_vouches_for_is_sent_nothing(
    house: House, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    house.tell(by_mail(mails))
    house.alarm()

    house.run()

    assert mails.taken == []
    assert "SSLCertVerificationError" in rows_of(house.parts.database, DeliveryRow)[0].detail


def test_a_file_with_a_mistake_makes_the_job_wait(house: House) -> None:
    house.tell("webhooks: {chat: {url: ftp://example.com}}")

    with pytest.raises(Unavailable, match="webhooks.chat.url"):
        house.run()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("webhooks: {chat: {url: 'http://hooks.example.com/x'}}", "needs an https address"),
        ("webhooks: {chat: {url: 'https://u:p@hooks.example.com/x'}}", "must not be in the url"),
        ("webhooks: {chat: {url: 'https://hooks.example.com/x', local: true}}", "private address"),
        ("webhooks: {smtp: {url: 'https://hooks.example.com/x'}}", "cannot be called"),
        ("mail: {leads: {to: [a@example.com]}}", "needs `smtp`"),
        ("smtp: {host: mail.example.com, from: a@example.com, security: none}", "in clear"),
        ("smtp: {host: 'a b', from: a@example.com}", "smtp.host"),
        ("smtp: {host: m, from: 'a@example.com\\nBcc: b@c.de'}", "an e-mail address"),
        ("smtp: {host: m, from: a@b.de}\nmail: {x: {to: ['Ann <a@b.de>']}}", "an e-mail address"),
        ("smtp: {host: m, from: a@b.de}\nmail: {x: {to: [a@b.de], wants: [gossip]}}", "mail.x.wants"),
        ("webhooks: {chat: {url: 'https://a.example/x', secret: s}}", "webhooks.chat.secret: there is no such key"),
        ("webhooks: {chat: {ulr: 'https://a.example/x'}}", "Did you mean `url`?"),
        ("webhooks: [", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "messages.yaml").write_text(text)

    with pytest.raises(Invalid, match=re.escape(words)):
        load_messages(Settings(home=tmp_path))


def test_the_commands_list_try_and_keep_a_secret(house: House, hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDCASE_HOME", str(house.home))
    house.tell(f"webhooks: {{chat: {{url: '{hooks.url}', local: true}}}}")
    run = CliRunner()

    unsigned = run.invoke(app, ["messages", "test", "webhook:chat"])
    kept = run.invoke(app, ["messages", "key", "chat", "--json"], input=f"{SECRET}\n")
    tried = run.invoke(app, ["messages", "test", "webhook:chat", "--json"])
    listed = run.invoke(app, ["messages", "list", "--json"])
    unknown = run.invoke(app, ["messages", "key", "nobody"], input="x\n")

    assert (unsigned.exit_code, kept.exit_code, tried.exit_code, unknown.exit_code) == (1, 0, 0, 1)
    assert json.loads(tried.stdout)["said"] == "answered 204"
    assert json.loads(listed.stdout)["targets"][0]["secret"] is True
    assert SECRET not in "".join((kept.output, tried.output, listed.output))
    assert json.loads(hooks.bodies[0])["about"] == "test"


def test_the_doctor_sees_a_file_with_a_mistake_and_a_missing_secret(house: House) -> None:
    answers = []
    for text in ("webhooks: {chat: {url: 1}}", "webhooks: {chat: {url: 'https://a.example/x'}}", ""):
        house.tell(text)
        checks = examine(house.parts.settings, house.parts.database, LabelStudio("http://127.0.0.1:9", "0" * 40))
        answers += [(c.ok, c.detail) for c in checks if c.name == "messages.yaml"]

    assert [ok for ok, _ in answers] == [False, False, True]
    assert answers[1][1] == "chat has no secret"
