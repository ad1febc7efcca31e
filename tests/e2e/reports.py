# SPDX-License-Identifier: GPL-3.0-or-later
"""What others send about our mail, for the end-to-end tests and fault loops: reports of a failed delivery (RFC 3464) and
complaints (RFC 5965)."""


def dsn(recipient, status="5.1.1", action="failed", text="550 5.1.1 no such user here", original=b""):
    head = ("From: Mail Delivery System <MAILER-DAEMON@mx.rcpt.test>\r\nTo: x\r\nSubject: Undelivered Mail Returned to Sender\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n"
            "--b\r\nContent-Type: text/plain\r\n\r\nI could not deliver it.\r\n"
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.rcpt.test\r\n\r\n"
            "Final-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\nDiagnostic-Code: smtp; %s\r\n\r\n"
            % (recipient, action, status, text)).encode()
    part = b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + original + b"\r\n" if original else b""
    return head + part + b"--b--\r\n"


def arf(original, kind="abuse"):
    return ("From: feedback@arf.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n"
            "--b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n"
            "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: %s\r\nUser-Agent: Arf/1\r\nVersion: 1\r\n\r\n"
            "--b\r\nContent-Type: message/rfc822\r\n\r\n" % kind).encode() + original + b"\r\n--b--\r\n"
