/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The core's own options: one table, from which the parser, --check, --dump and the manual are fed.
 * Limits that a peer can reach stand in limits.h. Constant data only.
 */
#include "config.h"

#include "conf/schema-private.h"

#include "conf/limits.h"

#include <glib/gi18n-lib.h>

static const RelaisOption options[] = {
    /* [relais] */
    {"relais", "hostname", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL,
     N_ ("Full name of this machine, used in the banner, EHLO, Received and reports. The system's "
         "host name unless set.")},
    {"relais", "authserv_id", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL,
     N_ ("Name under which results of SPF, DKIM and DMARC are told on in Authentication-Results; "
         "such "
         "fields that come in under it are removed. The same for all machines of one "
         "administration. "
         "hostname unless set.")},
    {"relais", "user", RELAIS_OPTION_STRING, 0, "relais", 0, 0, NULL,
     N_ ("User that the daemon becomes when it is started as root.")},
    {"relais", "group", RELAIS_OPTION_STRING, 0, "relais", 0, 0, NULL,
     N_ ("Group that the daemon becomes when it is started as root.")},
    {"relais", "control_group", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL,
     N_ ("Group whose members may do all that relaisctl does, as root and the daemon's user may: "
         "read and change the queue, stop the daemon, and send, by sendmail or inject, in the name "
         "of every tenant. None: nobody else.")},
    {"relais", "spool_dir", RELAIS_OPTION_PATH, RELAIS_OPTION_WRITTEN, RELAIS_SPOOL_DIR, 0, 0, NULL,
     N_ ("Where accepted mail is kept. A local file system that keeps what was synced.")},
    {"relais", "run_dir", RELAIS_OPTION_PATH, RELAIS_OPTION_WRITTEN, RELAIS_RUN_DIR, 0, 0, NULL,
     N_ ("Where the control socket is made.")},
    {"relais", "state_dir", RELAIS_OPTION_PATH, RELAIS_OPTION_WRITTEN, RELAIS_STATE_DIR, 0, 0, NULL,
     N_ ("Where what must survive a restart is kept besides mail: the keys of tokens, and what "
         "modules store.")},
    {"relais", "log_dir", RELAIS_OPTION_PATH, RELAIS_OPTION_WRITTEN, RELAIS_LOG_DIR, 0, 0, NULL,
     N_ ("Where the event log is written.")},
    {"relais", "users_file", RELAIS_OPTION_PATH, 0, RELAIS_USERS_FILE, 0, 0, NULL,
     N_ ("Users that may log in to send; written by `relaisctl user add`.")},
    {"relais", "confine", RELAIS_OPTION_ENUM, 0, "full", 0, 0, "full|required|basic|off",
     N_ ("How far the kernel keeps the daemon from what it does not need. full: it opens files "
         "where "
         "this configuration has some, and those of the system that it reads; system calls that no "
         "mail server needs are refused; what the kernel cannot do is left out, and told. "
         "required: "
         "the same, or it does not start. basic: system calls alone. off: neither. relaisctl "
         "status "
         "shows what is in force.")},
    {"relais", "postmaster", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Address to which mail for postmaster@ and abuse@ of our own domains is forwarded.")},
    {"relais", "watchdog", RELAIS_OPTION_DURATION, 0, "30s", 0, G_MAXINT64 / 2, NULL,
     N_ ("Time after which the daemon ends itself, to be started again, where the main loop or a "
         "module's callback gave no sign of life, unless the callback declared a longer deadline; "
         "at least 500ms, or 0 for never.")},
    {"relais", "certificate_interval", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "1m",
     G_USEC_PER_SEC, G_MAXINT64, NULL,
     N_ ("How often it is looked whether certificates of listeners have changed; they are then "
         "read "
         "anew.")},
    {"relais", "workers", RELAIS_OPTION_INT, 0, "0", 0, 256, NULL,
     N_ ("Threads that rewrite and sign mail; 0 for one a processor.")},

    /* [spool] */
    {"spool", "segment_size", RELAIS_OPTION_SIZE, 0, "64M", 1 << 20, 1 << 30, NULL,
     N_ ("Size of one segment file.")},
    {"spool", "hot_memory", RELAIS_OPTION_SIZE, 0, "256M", 0, G_MAXINT64, NULL,
     N_ ("Memory for messages that wait for their first attempt; at most an eighth of what the "
         "daemon may use.")},
    {"spool", "receive_memory", RELAIS_OPTION_SIZE, 0, "256M", 1 << 20, G_MAXINT64, NULL,
     N_ ("Memory for messages that are being received, at most an eighth of what the daemon may "
         "use; beyond it clients wait, then get 452.")},
    {"spool", "threads", RELAIS_OPTION_INT, 0, "4", 1, 64, NULL,
     N_ ("Threads that write and read back message bodies; mostly they wait for the disk.")},
    {"spool", "min_free", RELAIS_OPTION_SIZE, 0, "0", 0, G_MAXINT64, NULL,
     N_ ("Free disk space below which no mail is accepted; 0 for the smaller of 10 % and 2 GiB.")},
    {"spool", "min_free_inodes", RELAIS_OPTION_INT, 0, "5000", 0, G_MAXINT64, NULL,
     N_ ("Free inodes below which no mail is accepted, where the file system counts them.")},

    /* [tokens]: links, pixels and the like */
    {"tokens", "rotate", RELAIS_OPTION_DURATION, 0, "90d", 0, G_MAXINT64, NULL,
     N_ ("Age of the newest key at which another one is made; 0 for never. None is made while 64 "
         "are "
         "kept.")},
    {"tokens", "keep", RELAIS_OPTION_DURATION, 0, "1100d",
     G_GINT64_CONSTANT (366) * 24 * 3600 * G_USEC_PER_SEC, G_MAXINT64, NULL,
     N_ ("How long a key opens what it sealed after another one took its place; links that are "
         "out die with it.")},

    /* [listener NAME] */
    {"listener", "address", RELAIS_OPTION_LIST, 0, "127.0.0.1", 0, 0, NULL,
     N_ ("Addresses to listen on; \"::\" and \"0.0.0.0\" are all.")},
    {"listener", "port", RELAIS_OPTION_INT, 0, "25", 0, 65535, NULL,
     N_ ("Port to listen on; 0 for any free one.")},
    {"listener", "tls", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "starttls", 0, 0,
     "none|starttls|required|implicit",
     N_ ("none: no STARTTLS; starttls: offered where a certificate is set; required: no mail "
         "without it; implicit: TLS from the first octet on (port 465).")},
    {"listener", "tls_profile", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "modern", 0, 0,
     "modern|compatible",
     N_ ("modern: TLS 1.3, and 1.2 with ECDHE and AEAD; compatible: also ECDHE with CBC, for port "
         "25, where old senders else go on in clear. Older versions and RSA key exchange, which "
         "put the key at risk, are never offered.")},
    {"listener", "certificate", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("PEM file with the certificate and its chain.")},
    {"listener", "key", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("PEM file with the certificate's private key.")},
    {"listener", "certificates", RELAIS_OPTION_LIST,
     RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Further PEM files, each with a certificate, its chain and its key, for clients that name "
         "a host that it is for.")},
    {"listener", "auth", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "tls", 0, 0, "no|tls|yes",
     N_ ("Whether AUTH is offered: no, under TLS only, or also in clear.")},
    {"listener", "trusted_nets", RELAIS_OPTION_LIST,
     RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Networks whose clients may relay without AUTH, as the listener's tenant.")},
    {"listener", "tenant", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Tenant of clients that relay without AUTH, and of users that have none of their own.")},
    {"listener", "class", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "auto", 0, 0,
     "auto|transactional|bulk",
     N_ ("Class of the mail taken in here; auto: by user, header or list fields.")},
    {"listener", "class_header", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Whether the client may choose the class by X-Relais-Class.")},
    {"listener", "bare_newline", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "refuse", 0, 0,
     "refuse|normalize",
     N_ ("What a CR or LF alone means in message data: refusal, or a line end of its own.")},
    {"listener", "missing_headers", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "fix", 0, 0,
     "fix|reject|pass", N_ ("Submitted mail without Date or Message-ID.")},
    {"listener", "duplicate_headers", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "reject", 0, 0,
     "reject|pass", N_ ("Submitted mail with two of a field that may stand once.")},
    {"listener", "proxy", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "no", 0, 0, NULL,
     N_ ("Every connection begins with a PROXY header (version 1 or 2) from proxy_nets, "
         "before TLS.")},
    {"listener", "proxy_nets", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE,
     "127.0.0.0/8", 0, 0, NULL, N_ ("Networks whose PROXY header is believed.")},
    {"listener", "xclient_nets", RELAIS_OPTION_LIST,
     RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Networks whose hosts may say by XCLIENT for which client they speak, and as which "
         "user.")},

    /* [source NAME] */
    {"source", "address4", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL,
     N_ ("IPv4 address to send from; the system's choice unless set.")},
    {"source", "address6", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL,
     N_ ("IPv6 address to send from; the system's choice unless set.")},
    {"source", "helo", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL,
     N_ ("EHLO name, which should be the address's PTR name; [relais] hostname unless set.")},
    {"source", "pool", RELAIS_OPTION_STRING, 0, "default", 0, 0, NULL,
     N_ ("Pool of sources that it belongs to.")},
    {"source", "weight", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1", 0, 1000, NULL,
     N_ ("Share among the sources of the pool.")},

    /* [provider NAME] */
    {"provider", "mx", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL, 0,
     0, NULL,
     N_ ("Suffixes of MX host names: a domain all of whose MX hosts end so belongs to this "
         "provider.")},
    {"provider", "families", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "default", 0, 0,
     "default|ipv6-first|ipv4-first|ipv6|ipv4",
     N_ ("Addresses of its MX hosts that are tried; default: as [queue] says.")},
    {"provider", "tls", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "default", 0, 0,
     "default|none|opportunistic|require|verify",
     N_ ("STARTTLS towards its MX hosts; default: as [queue] says.")},
    {"provider", "tls_names", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL,
     N_ ("With tls = verify: names of which the peer's certificate must bear one, .example.org for "
         "any below it; the MX host's own name unless set.")},

    /* [destination NAME] */
    {"destination", "domains", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL,
     N_ ("Recipient domains whose MX hosts it is about: example.org, *.example.org, or * for all; "
         "NAME unless set. The closest one counts. Static routes have their own options.")},
    {"destination", "tls", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "default", 0, 0,
     "default|none|opportunistic|require|verify",
     N_ ("STARTTLS towards these MX hosts; require: no mail in clear; verify: no mail but to a "
         "host whose certificate is good; default: as the provider or [queue] says.")},
    {"destination", "tls_names", RELAIS_OPTION_LIST,
     RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("With tls = verify: names of which the peer's certificate must bear one, .example.org for "
         "any below it; the MX host's own name unless set.")},

    /* [route NAME] */
    {"route", "host", RELAIS_OPTION_STRING, RELAIS_OPTION_REQUIRED | RELAIS_OPTION_RELOADABLE, NULL,
     0, 0, NULL,
     N_ ("Next hop: a host name, an address, or unix:/PATH for a socket of this machine.")},
    {"route", "port", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "25", 1, 65535, NULL,
     N_ ("Port of the next hop.")},
    {"route", "protocol", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "smtp", 0, 0, "smtp|lmtp",
     N_ ("What the next hop speaks; lmtp: an answer for each recipient of a message (RFC 2033).")},
    {"route", "tls", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "opportunistic", 0, 0,
     "none|opportunistic|require|verify",
     N_ ("STARTTLS towards the next hop. With opportunistic or require, and no tls_certificate, "
         "TLSA records of the host that DNSSEC vouches for count as those of MX hosts do, unless "
         "dane in [tls-policy] is off.")},
    {"route", "tls_names", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL,
     N_ ("With tls = verify: names of which the peer's certificate must bear one, .example.org for "
         "any below it; the next hop's own name unless set.")},
    {"route", "tls_certificate", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("PEM file with the certificate and its chain that the next hop is shown if it asks for "
         "one.")},
    {"route", "tls_key", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("PEM file with that certificate's private key.")},
    {"route", "tls_start", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "starttls", 0, 0,
     "starttls|connect",
     N_ ("When TLS begins: by STARTTLS, or at once (as on port 465), which requires it.")},
    {"route", "auth_file", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("File with the name and, on a second line, the password to log in with at the next hop. "
         "It must belong to the daemon's user, with mode 0600.")},
    {"route", "auth_in_clear", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "no", 0, 0, NULL,
     N_ ("Log in also without TLS, where everybody on the way can read the password.")},
    {"route", "domains", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL,
     0, 0, NULL,
     N_ ("Recipient domains that go this way: example.org, *.example.org, or * for all.")},
    {"route", "connections", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "50", 1, 10000, NULL,
     N_ ("Connections at once to the next hop, from one source.")},
    {"route", "messages_per_connection", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1000", 1,
     1000000, NULL, N_ ("Messages over one connection.")},

    /* [domain NAME] */
    {"domain", "inbound", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Route for mail that arrives for this domain of ours; none: only postmaster, abuse and "
         "claimed addresses.")},
    {"domain", "tracking", RELAIS_OPTION_STRING, 0, NULL, 0, 0, NULL,
     N_ ("Where links and pixels in mail from this domain, and from those below it, point to: "
         "https://HOST, with :PORT if it is another. HOST must lead to the tracker listener. Mail "
         "goes out untracked while the host's last check failed.")},

    /* [tenant NAME] */
    {"tenant", "domains", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE, NULL,
     0, 0, NULL,
     N_ ("Domains that it may use in MAIL FROM and From; *.example.org for all below.")},
    {"tenant", "weight", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1", 1, 1000, NULL,
     N_ ("Share of the turns against other tenants.")},
    {"tenant", "pool", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, "default", 0, 0, NULL,
     N_ ("Pool of sources that its mail goes out from.")},

    /* [class NAME]: transactional, bulk */
    {"class", "retry", RELAIS_OPTION_DURATIONS, RELAIS_OPTION_RELOADABLE, "5m 10m 20m 30m 1h 2h 4h",
     1000, G_MAXINT64, NULL,
     N_ ("Waits between attempts; the last one repeats. Each is spread by up to a tenth. "
         "[class transactional] has 1m 2m 5m 10m 15m 30m 1h unless set.")},
    {"class", "lifetime", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "5d", 1000, G_MAXINT64,
     NULL,
     N_ ("Age at which mail that could not be delivered is returned; 2d for [class "
         "transactional] unless set.")},
    {"class", "bounce_lifetime", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "0", 0,
     G_MAXINT64, NULL,
     N_ ("The same for mail from the null sender, such as reports of failures, which nobody is "
         "told of when it is given up; 0 for lifetime.")},
    {"class", "delay_notice", RELAIS_OPTION_DURATIONS, RELAIS_OPTION_RELOADABLE, "0", 0, G_MAXINT64,
     NULL,
     N_ ("Ages at which the sender is told that mail is late, once each, the first seven of them; "
         "0 for never.")},
    {"class", "quiet_hours", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL,
     N_ ("When mail of the class does not go out, as in 22:00-07:00 or mon-fri 22:00-07:00 sat sun "
         "00:00-24:00: days stand before the spans that begin on them. It waits, which is no "
         "attempt; its age goes on.")},
    {"class", "quiet_zone", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Time zone of quiet_hours, as in Europe/Paris. The machine's unless set.")},
    {"class", "quiet_spread", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "10m", 0,
     24 * G_TIME_SPAN_HOUR, NULL,
     N_ ("Time after the end of quiet hours over which destinations are begun with, each at its "
         "own moment.")},

    /* [queue] */
    {"queue", "connections", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "10", 1, 10000, NULL,
     N_ ("Connections at once from one source to one site.")},
    {"queue", "first_connections", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "2", 1, 10000, NULL,
     N_ ("Connections a lane begins with; each success adds one up to connections.")},
    {"queue", "messages_per_connection", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "100", 1,
     1000000, NULL, N_ ("Messages over one connection.")},
    {"queue", "recipients_per_transaction", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "100", 1,
     1000, NULL, N_ ("Recipients of one message in one transaction.")},
    {"queue", "connections_total", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1000", 1, 100000,
     NULL, N_ ("Outgoing connections of the whole daemon.")},
    {"queue", "idle_time", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "2s", 0,
     300 * G_USEC_PER_SEC, NULL, N_ ("How long an idle connection is kept for the next message.")},
    {"queue", "sleep_first", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "1m", 1000,
     G_MAXINT64, NULL,
     N_ ("How long a route sleeps after all of its hosts could not be reached; doubles to "
         "sleep_last.")},
    {"queue", "sleep_last", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "30m", 1000,
     G_MAXINT64, NULL, N_ ("The longest such sleep.")},
    {"queue", "families", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "ipv6-first", 0, 0,
     "ipv6-first|ipv4-first|ipv6|ipv4",
     N_ ("Addresses of a host that are tried: both families, one of them first, or one alone. A "
         "source that has one family only uses that.")},
    {"queue", "connect_timeout", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "30s",
     100 * 1000, 600 * G_USEC_PER_SEC, NULL, N_ ("Time to connect to one address.")},
    {"queue", "reply_timeout", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "10m", 1000 * 1000,
     600 * G_USEC_PER_SEC, NULL,
     N_ ("Longest that a peer may take for any one step: its greeting, a handshake, a reply, "
         "64 KiB of a body. What RFC 5321 section 4.5.3.2 names (2 to 10 minutes) is in force "
         "where it is less.")},
    {"queue", "fallback_time", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "5s", 100 * 1000,
     600 * G_USEC_PER_SEC, NULL,
     N_ ("The same while the host has an address of the other family to be tried next. What could "
         "not be reached is tried last for ten minutes.")},
    {"queue", "smtp_port", RELAIS_OPTION_INT, 0, "25", 1, 65535, NULL,
     N_ ("Port that MX hosts are spoken to on; other than 25 for laboratories only.")},
    {"queue", "tls", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "opportunistic", 0, 0,
     "none|opportunistic|require", N_ ("STARTTLS towards MX hosts.")},
    {"queue", "tls_sessions", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1000", 0, 100000, NULL,
     N_ ("TLS sessions kept to be resumed by the next connection to the same host; 0 for none.")},
    {"queue", "chunking", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Send messages by BDAT (RFC 3030) to hosts that offer it, which saves a wait.")},
    {"queue", "pass_long_lines", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "no", 0, 0, NULL,
     N_ ("Send signed or encrypted parts with lines over 998 octets as they are, instead of "
         "returning the message.")},

    /* [tls-policy]: what recipients' domains publish */
    {"tls-policy", "dane", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Heed TLSA records of MX hosts (DANE, RFC 7672) where DNSSEC vouches for them; needs a "
         "resolver that "
         "validates: own recursion, or a trust_anchor in [dns].")},
    {"tls-policy", "mta_sts", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Heed MTA-STS policies of recipients' domains (RFC 8461), fetched by HTTPS and kept over "
         "restarts.")},
    {"tls-policy", "report_contact", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0, 0,
     NULL,
     N_ ("Address that daily TLS reports (RFC 8460) come from, of a tenant's domain to be signed; "
         "set, sessions are "
         "counted and domains that ask for reports get them.")},
    {"tls-policy", "report_organization", RELAIS_OPTION_STRING, RELAIS_OPTION_RELOADABLE, NULL, 0,
     0, NULL, N_ ("Name of the sender in those reports; the hostname unless set.")},
    {"tls-policy", "mta_sts_port", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "443", 1, 65535,
     NULL, N_ ("Port that policies are fetched from; other than 443 for laboratories only.")},

    /* [dns] */
    {"dns", "server", RELAIS_OPTION_LIST, 0, NULL, 0, 0, NULL,
     N_ ("Resolvers to forward to, ADDRESS or ADDRESS@PORT; own recursion unless set.")},
    {"dns", "timeout", RELAIS_OPTION_DURATION, 0, "5s", 100 * 1000, 60 * G_USEC_PER_SEC, NULL,
     N_ ("Time for one query, retries included.")},
    {"dns", "trust_anchor", RELAIS_OPTION_PATH, 0, NULL, 0, 0, NULL,
     N_ ("File with the DNSSEC trust anchor.")},
    {"dns", "cache", RELAIS_OPTION_SIZE, 0, "32M", 1 << 20, G_MAXINT64, NULL,
     N_ ("Memory for answers.")},
    {"dns", "max_queries", RELAIS_OPTION_INT, 0, "1000", 1, 100000, NULL,
     N_ ("Queries under way at once; more wait.")},
    {"dns", "allow", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT, NULL, 0, 0, NULL,
     N_ ("Private or loopback networks that MX hosts may lie in; others there are refused.")},

    /* [http NAME] */
    {"http", "kind", RELAIS_OPTION_ENUM, 0, "tracker", 0, 0, "tracker|api",
     N_ ("Whom it is for: tracker for mail programs that open mail and follow links; api for "
         "programs of ours.")},
    {"http", "address", RELAIS_OPTION_LIST, 0, "127.0.0.1", 0, 0, NULL,
     N_ ("Addresses to listen on; \"::\" and \"0.0.0.0\" are all.")},
    {"http", "port", RELAIS_OPTION_INT, 0, "80", 0, 65535, NULL,
     N_ ("Port to listen on; 0 for any free one.")},
    {"http", "certificate", RELAIS_OPTION_PATH, 0, NULL, 0, 0, NULL,
     N_ ("PEM file with the certificate and its chain. Set, the listener speaks HTTPS alone.")},
    {"http", "key", RELAIS_OPTION_PATH, 0, NULL, 0, 0, NULL,
     N_ ("PEM file with the certificate's private key.")},
    {"http", "trusted_proxies", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT, NULL, 0, 0, NULL,
     N_ ("Networks of reverse proxies whose Forwarded, X-Forwarded-For and X-Forwarded-Proto are "
         "believed, and for which connections_per_address does not hold.")},
    {"http", "connections", RELAIS_OPTION_INT, 0, "2000", 1, 1000000, NULL,
     N_ ("Connections at once; more are turned away with 503.")},
    {"http", "connections_per_address", RELAIS_OPTION_INT, 0, "100", 1, 1000000, NULL,
     N_ ("Connections at once of one client address; of IPv6 of one /64.")},
    {"http", "request_timeout", RELAIS_OPTION_DURATION, 0, "20s", 1000, G_MAXINT64, NULL,
     N_ ("Time for a whole request, from its first octet; then for the client to take each 64 KiB "
         "of the answer.")},
    {"http", "idle_timeout", RELAIS_OPTION_DURATION, 0, "30s", 1000, G_MAXINT64, NULL,
     N_ ("Time for the first octet of a request, on a new connection and after each answer.")},
    {"http", "max_head", RELAIS_OPTION_SIZE, 0, "16K", 1024, 65536, NULL,
     N_ ("Octets of a request's head, with the target: a rewritten link may be long.")},
    /* [http-client]: webhooks, policies, checks of tracking hosts */
    {"http-client", "ca_file", RELAIS_OPTION_PATH, 0, NULL, 0, 0, NULL,
     N_ ("PEM file with the authorities that are trusted, instead of the system's.")},
    {"http-client", "allow", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT, NULL, 0, 0, NULL,
     N_ ("Networks that may be fetched from although they are loopback, private or otherwise not "
         "public.")},
    {"http-client", "fetches", RELAIS_OPTION_INT, 0, "32", 1, 1000, NULL,
     N_ ("Requests under way at once; more wait.")},
    {"http-client", "waiting", RELAIS_OPTION_INT, 0, "1024", 0, 100000, NULL,
     N_ ("Requests that wait; more are refused.")},

    /* [suppression], [suppress CLASS]: addresses that get no more mail */
    {"suppression", "at_rcpt", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "reject", 0, 0,
     "reject|accept",
     N_ ("What a recipient that is on the list gets at RCPT: 550 5.7.1, or 250 and then a "
         "suppressed event instead of a delivery.")},
    {"suppress", "enable", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Whether evidence of this class puts addresses on the list; it is counted anyhow, and "
         "what is on the list stays there.")},
    {"suppress", "scope", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "global", 0, 0,
     "global|tenant|campaign",
     N_ ("Whose mail to the address is held back: all, that of the tenant whose mail it was, or "
         "that of the tenant's campaign. Where that is not known, the next wider one.")},
    {"suppress", "threshold", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1", 1, 100, NULL,
     N_ ("How much evidence it takes; of one delivery it counts once.")},
    {"suppress", "days", RELAIS_OPTION_INT, RELAIS_OPTION_RELOADABLE, "1", 1, 100, NULL,
     N_ ("On how many different days (UTC) it must have come.")},
    {"suppress", "window", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "30d", 0,
     G_MAXINT64 / 4, NULL, N_ ("How long a piece of evidence counts; 0 for ever.")},
    {"suppress", "lifetime", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "0", 0,
     G_MAXINT64 / 4, NULL,
     N_ ("How long an address stays on the list after the last evidence; 0 for ever.")},

    /* [tracking] */
    {"tracking", "check_interval", RELAIS_OPTION_DURATION, 0, "5m", G_USEC_PER_SEC, G_MAXINT64,
     NULL, N_ ("How often each tracking host is checked; also once at start.")},
    {"tracking", "retry_interval", RELAIS_OPTION_DURATION, 0, "30s", G_USEC_PER_SEC, G_MAXINT64,
     NULL, N_ ("The same while its last check failed.")},
    {"tracking", "check_timeout", RELAIS_OPTION_DURATION, 0, "10s", 100 * 1000, 60 * G_USEC_PER_SEC,
     NULL, N_ ("Time for each request of a check.")},

    /* [module NAME] */
    {"module", "enable", RELAIS_OPTION_BOOL, 0, "no", 0, 0, NULL,
     N_ ("Whether the module is loaded.")},
    {"module", "on_failure", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "default", 0, 0,
     "default|tempfail|bypass|stop",
     N_ ("What becomes of mail when the module is off after crashes, cannot be loaded or started, "
         "or "
         "gives no answer in time. tempfail: 451 at its hooks, and mail that it should treat waits "
         "in "
         "the queue; bypass: as if it were not there; stop: the daemon does not start, and a "
         "time-out "
         "is answered as the module says. default: tempfail after crashes, else stop.")},

    {"limits", "exempt_nets", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE,
     "127.0.0.0/8 ::1", 0, 0, NULL,
     N_ ("Networks for which no limit of one client or one network holds.")},
#define LIMIT(key, type, value, min, max, doc)                                                     \
    {"limits", key, RELAIS_OPTION_##type, RELAIS_OPTION_RELOADABLE, value, min, max, NULL, doc},
    RELAIS_LIMITS (LIMIT)
#undef LIMIT
#define LIMIT(key, type, value, min, max, doc)                                                     \
    {"limits", key, RELAIS_OPTION_##type, 0, value, min, max, NULL, doc},
        RELAIS_HTTP_LIMITS (LIMIT) RELAIS_MODULE_LIMITS (LIMIT)
#undef LIMIT
};

static const RelaisSectionKind kinds[] = {
    {.kind = "relais"},
    {.kind = "tokens"},
    {.kind = "spool"},
    {.kind = "listener", .has_name = true},
    {.kind = "source", .has_name = true},
    {.kind = "provider", .has_name = true, .comes_and_goes = true},
    {.kind = "destination", .has_name = true, .comes_and_goes = true},
    {.kind = "route", .has_name = true, .comes_and_goes = true},
    {.kind = "domain", .has_name = true, .fold_case = true, .comes_and_goes = true},
    {.kind = "tenant", .has_name = true, .comes_and_goes = true},
    {.kind = "class", .has_name = true, .comes_and_goes = true},
    {.kind = "queue"},
    {.kind = "tls-policy"},
    {.kind = "dns"},
    {.kind = "http", .has_name = true},
    {.kind = "http-client"},
    {.kind = "suppression"},
    {.kind = "suppress", .has_name = true},
    {.kind = "tracking"},
    {.kind = "limits"},
    {.kind = "module", .has_name = true, .comes_and_goes = true},
};

static const RelaisSeed seeds[] = {
    {"listener", "default", true, NULL, NULL},
    {"source", "default", true, NULL, NULL},
    /* A password reset is worth little after an hour, so it is tried sooner and given up sooner. */
    {"class", "transactional", false, "retry", "1m 2m 5m 10m 15m 30m 1h"},
    {"class", "transactional", false, "lifetime", "2d"},
    {"class", "bulk", false, NULL, NULL},
    /* A mistaken verdict heals in a year, and an address that is dead costs one message a year. */
    {"suppress", "hard", false, "lifetime", "365d"},
    /* Some mailboxes refuse for days and live on: a week of it, and not in one outage. */
    {"suppress", "soft", false, "threshold", "5"},
    {"suppress", "soft", false, "days", "3"},
    {"suppress", "soft", false, "lifetime", "90d"},
    {"suppress", "complaint", false, "scope", "tenant"},
    {"suppress", "unsubscribe", false, "scope", "tenant"},
    {"suppress", "manual", false, "scope", "campaign"},
};

const RelaisSeed *
relais_schema_core_seeds (gsize *n)
{
    *n = G_N_ELEMENTS (seeds);
    return seeds;
}

const RelaisOption *
relais_schema_core_options (gsize *n)
{
    *n = G_N_ELEMENTS (options);
    return options;
}

const RelaisSectionKind *
relais_schema_core_kinds (gsize *n)
{
    *n = G_N_ELEMENTS (kinds);
    return kinds;
}
