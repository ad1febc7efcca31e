# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provoked reply means. The cause is known, for we made it: whom it is about, the reason's name in Relais'
list, whether the address is to be suppressed. `a|b` where two readings are both right, or the words leave both open."""

# cause: scope, reason, suppress. Permanence follows in permanence ().
CAUSES = {
    "unknown-user": ("recipient", "no-such-user", "yes"),
    "user-disabled": ("recipient", "mailbox-disabled", "yes"),
    "user-moved": ("recipient", "moved", "yes"),
    "bad-recipient-syntax": ("recipient|local", "bad-address", "either"),
    "unknown-domain": ("domain|recipient", "no-such-domain|no-such-user", "yes"),
    "null-mx": ("domain|recipient", "no-mail-domain", "yes"),
    "relaying-denied": ("domain|policy|ip", "relaying-denied|no-ptr", "no"),
    "quota": ("quota", "mailbox-full", "no"),
    "recipient-restricted": ("policy|recipient", "restricted|policy", "no"),
    "recipient-temporary": ("recipient|local|network|policy", "mailbox-unavailable", "no"),
    "too-big": ("content|policy", "too-large", "no"),
    "too-many-recipients": ("policy", "rate-limited", "no"),
    "content": ("content|policy", "spam-content|policy", "no"),
    "malformed-message": ("content|policy", "malformed", "no"),
    "virus": ("content|policy", "virus|policy|spam-content", "no"),
    "loop": ("content|policy|network|local|domain", "loop", "no"),
    "blocklisted-ip": ("ip|policy", "blocklisted|reputation", "no"),
    "blocklisted-sender": ("ip|policy", "blocklisted", "no"),
    "blocklisted-content": ("content|ip|policy", "blocklisted", "no"),
    "access-denied-client": ("ip|policy", "blocklisted|reputation|policy", "no"),
    "no-ptr": ("ip|policy|auth", "no-ptr", "no"),
    "bad-helo": ("policy|ip|local", "helo|policy", "no"),
    "helo-syntax": ("policy|ip|local|network", "helo|protocol-error", "no"),
    "early-talker": ("policy|ip|local|network", "protocol-error|policy", "no"),
    "sender-refused": ("policy|ip", "sender-refused|blocklisted|reputation|policy", "no"),
    "sender-domain": ("policy|ip|auth|local|network", "sender-refused", "no"),
    "sender-syntax": ("policy|local|network", "sender-refused|protocol-error", "no"),
    "spf": ("auth", "spf", "no"),
    "dmarc": ("auth", "dmarc", "no"),
    "greylisting": ("policy|ip", "greylisted", "no"),
    "rate-limit": ("policy|ip", "rate-limited", "no"),
    "too-many-connections": ("policy|ip", "rate-limited", "no"),
    "too-many-errors": ("policy|ip|local", "rate-limited", "no"),
    "server-trouble": ("network|local|policy|domain|recipient", "server-trouble|mailbox-unavailable", "no"),
    "lookup-failure": ("network|domain|local|policy", "dns-failure|server-trouble|sender-refused|no-such-domain", "no"),
    "disk-low": ("network|local|domain|policy", "server-trouble", "no"),
    "time-out": ("network|policy|local", "timeout|connection-failed", "no"),
    "tls-required": ("policy|network|local", "tls-required|policy", "no"),
    "tls-trouble": ("network|local|policy", "tls-required", "no"),
    "login-required": ("policy|local", "login-required|policy", "no"),
    "bad-login": ("policy|local|auth", "login-required", "no"),
    "protocol": ("local|network|policy", "protocol-error|helo|unknown", "no"),
    "line-too-long": ("local|network|policy|content", "protocol-error|malformed|too-large", "no"),
    "no-8bit": ("content|policy|local", "malformed", "no"),
    "no-utf8": ("content|policy|local|network|recipient", "malformed", "no"),
    "callout": ("network|domain|policy|recipient", "connection-failed|sender-refused|mailbox-unavailable", "no"),
    "connection": ("network|domain", "connection-failed", "no"),
    "no-telling": ("recipient|domain|policy", "no-such-user", "either"),
    "refused": ("policy|ip", "policy|unknown|reputation", "no"),
}
ABOUT_US = {"blocklisted-ip", "access-denied-client", "no-ptr", "bad-helo", "sender-refused", "sender-domain", "spf",
            "dmarc", "early-talker", "blocklisted-sender", "blocklisted-content", "refused", "sender-syntax", "bad-login",
            "login-required", "tls-required", "tls-trouble"}
PASSES = {"quota", "greylisting", "rate-limit", "too-many-connections", "too-many-errors", "server-trouble", "lookup-failure",
          "disk-low", "time-out", "recipient-temporary", "connection"}
EITHER = {"no-telling", "helo-syntax", "relaying-denied", "too-many-recipients", "loop", "protocol", "line-too-long", "no-8bit", "no-utf8",
          "recipient-restricted", "content"}


def permanence(cause, code):
    """What deferred is temporary, whatever we know of the cause: the server may yet change its mind. What was
    refused for our sake is either: another day, another address, the same letter is taken."""
    if code < 500 or cause in PASSES:
        return "temporary"
    return "permanent|temporary" if cause in ABOUT_US or cause in EITHER else "permanent"


def expected(cause, code):
    scope, reason, suppress = CAUSES[cause]
    if code < 500 and suppress == "yes":
        suppress = "either"
    return scope, permanence(cause, code), reason, suppress
