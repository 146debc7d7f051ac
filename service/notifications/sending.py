"""Sends one message to one target: mail by SMTP, or a signed request to a webhook.

In: a message and a target. Out: one line about the result, or an error of ours that says why it failed. Secrets and
answers of servers are never logged, and no redirect is followed. A message that is sent again keeps its id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import httpx

from labeling.adapters.tls import tls_context
from labeling.errors import Conflict, Unavailable
from service.notifications.targets import Mailbox, SmtpIn, Target, Webhook

TIMEOUT_S = 5.0
SIGNATURE = "X-Hardcase-Signature"
ID = "X-Hardcase-Id"


def deliver(target: Target, secret: str, key: str, subject: str, body: Mapping[str, Any], now: datetime) -> str:
    """Send it; returns one line about the result.

    Raises
    ------
    Conflict
        A webhook has no secret to sign with yet.
    Unavailable
        The target did not accept it.
    """
    if isinstance(target.to, Mailbox):
        return _mail(target.to, secret, key, subject, body, now)
    return _post(target.to, secret, key, subject, body, now)


def signature_of(secret: str, at: int, body: bytes) -> str:
    """The value of the header: the time, and the HMAC-SHA256 of the time, a dot and the body.

    >>> signature_of("secret", 0, b"{}")[:11]
    't=0,v1=4bbe'
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _post(to: Webhook, secret: str, key: str, subject: str, body: Mapping[str, Any], now: datetime) -> str:
    if not secret:
        raise Conflict(f"The webhook {to.name} has no secret to sign with. Run `hardcase messages key {to.name}`.")
    facts = {name: value for name, value in body.items() if name != "html"}
    content = json.dumps({"id": _id(key), "subject": subject, **facts}, ensure_ascii=False).encode()
    at = int(now.timestamp())
    headers = {"Content-Type": "application/json", ID: _id(key), SIGNATURE: signature_of(secret, at, content)}
    trusted = tls_context(trust_env=False)
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=trusted) as client,
            client.stream("POST", to.url, content=content, headers=headers) as answer,
        ):
            status = answer.status_code  # its body is not read, and may never end
    except httpx.HTTPError as error:
        raise Unavailable(f"not reached ({type(error).__name__})") from error
    if not 200 <= status < 300:
        raise Unavailable(f"answered {status}")
    return f"answered {status}"


def _mail(to: Mailbox, secret: str, key: str, subject: str, body: Mapping[str, Any], now: datetime) -> str:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, to.server.sender, to.address
    message["Date"], message["Message-ID"] = format_datetime(now), f"<{_id(key)}@hardcase.invalid>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(str(body["text"]))
    message.add_alternative(str(body["html"]), subtype="html")
    try:
        server = _connected(to.server, secret)
        try:
            server.send_message(message)
        finally:
            _quit(server)
    except smtplib.SMTPResponseException as error:
        raise Unavailable(f"the mail server refused ({error.smtp_code})") from error
    except smtplib.SMTPRecipientsRefused as error:
        raise Unavailable("the mail server refused the recipient") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"the mail server was not reached ({type(error).__name__})") from error
    return "taken by the mail server"


def _connected(server: SmtpIn, password: str) -> smtplib.SMTP:
    secure = ssl.create_default_context()
    if server.security == "tls":
        made: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=secure)
    else:
        made = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    try:
        if server.security == "starttls":
            made.starttls(context=secure)
        if server.user:
            made.login(server.user, password)
    except (smtplib.SMTPException, OSError):
        made.close()
        raise
    return made


def _quit(server: smtplib.SMTP) -> None:
    """The answer to QUIT does not matter: the mail was accepted or refused before it."""
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()


def _id(key: str) -> str:
    """The same for the same occasion and target, and neither can be read from it."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
