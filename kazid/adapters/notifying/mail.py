"""A mail by SMTP: one message, its Message-ID made of the notification's id, so that a repetition is seen as one.

The standard library's client runs in a thread of its own with a timeout on every step; a server that drips is left
behind at the deadline, and while it holds its thread nothing else is sent to it.
"""

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

import anyio
import anyio.to_thread

from kazid.adapters.notifying.references import References, SecretMissing
from kazid.core.notice_text import printable, subject, text
from kazid.core.receiver import Message
from kazid.ports.notifying import Delivered, Delivery, Undelivered

STEP_S = 15.0
DEADLINE_S = 60.0


class Mail:
    """One mailbox, or several, by one server. `security`: `tls`, `starttls` or `none`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: str,
        sender: str,
        recipients: Sequence[str],
        user: str | None,
        password: str | None,
        host_name: str,
        references: References,
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._sender = sender
        self._recipients = list(recipients)
        self._user = user
        self._password = password
        self._host_name = host_name
        self._references = references
        self._thread = anyio.CapacityLimiter(1)

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        """See the port. Taken when the server took it for anybody; who was refused is the server's to tell."""
        mail = self._mail(message, receiver)
        try:
            with anyio.fail_after(DEADLINE_S):
                await anyio.to_thread.run_sync(self._send, mail, abandon_on_cancel=True, limiter=self._thread)
        except TimeoutError as error:
            return Undelivered(
                f"{self._host}: timed out: {error}" if str(error) else f"{self._host}: timed out"
            )
        except SecretMissing as error:
            return Undelivered(str(error))
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            return Undelivered(printable(f"{self._host}: {type(error).__name__}: {error}")[:300])
        return Delivered()

    def _mail(self, message: Message, receiver: str) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Subject"] = subject(message)
        mail["Date"] = formatdate(message.at_wall_s)
        mail["Message-ID"] = f"<{message.id}@{self._host_name}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Kazid-Receiver"] = printable(receiver)
        mail.set_content(text(message))
        return mail

    def _send(self, mail: EmailMessage) -> None:
        password = None if self._password is None else self._references.value(self._password)
        trust = None if self._security == "none" else ssl.create_default_context()
        with self._connection(trust) as server:
            if self._security == "starttls":
                server.starttls(context=trust)
            if self._user is not None and password is not None:
                server.login(self._user, password)
            server.send_message(mail)

    def _connection(self, trust: ssl.SSLContext | None) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=STEP_S, context=trust)
        return smtplib.SMTP(self._host, self._port, timeout=STEP_S)
