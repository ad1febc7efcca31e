# core/smtp: what this room compiles, and its unit tests (tests/smtp).

# The sending side.
libcore_la_SOURCES += \
    core/smtp/reply.c core/smtp/reply-private.h \
    core/smtp/dotstuff.c core/smtp/dotstuff-private.h \
    core/smtp/client.c core/smtp/client-private.h core/smtp/client-state-private.h \
    core/smtp/caps.c core/smtp/caps-private.h \
    core/smtp/client-auth.c core/smtp/credentials.c core/smtp/credentials-private.h \
    core/smtp/client-session.c core/smtp/client-transaction.c core/smtp/client-body.c

check_PROGRAMS += tests/smtp/test-reply
TESTS += tests/smtp/test-reply
tests_smtp_test_reply_SOURCES = tests/smtp/test-reply.c
tests_smtp_test_reply_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_reply_LDADD = $(CORE_TEST_LDADD)

CLIENT_TESTS = tests/smtp/test-client tests/smtp/test-client-stall tests/smtp/test-client-tls tests/smtp/test-client-body \
    tests/smtp/test-client-lmtp tests/smtp/test-client-auth tests/smtp/test-client-chunk
check_PROGRAMS += $(CLIENT_TESTS)
TESTS += $(CLIENT_TESTS)
tests_smtp_test_client_SOURCES = tests/smtp/test-client.c tests/smtp/client-peer.c tests/smtp/client-peer.h
tests_smtp_test_client_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_client_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_client_stall_SOURCES = tests/smtp/test-client-stall.c tests/smtp/client-peer.c tests/smtp/client-peer.h
tests_smtp_test_client_stall_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_client_stall_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_client_tls_SOURCES = tests/smtp/test-client-tls.c tests/smtp/client-peer.c tests/smtp/client-peer.h
tests_smtp_test_client_tls_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_client_tls_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_client_body_SOURCES = tests/smtp/test-client-body.c tests/smtp/client-peer.c tests/smtp/client-peer.h
tests_smtp_test_client_body_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_client_body_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_client_lmtp_SOURCES = tests/smtp/test-client-lmtp.c tests/smtp/client-peer.c tests/smtp/client-peer.h
tests_smtp_test_client_lmtp_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_client_lmtp_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_client_auth_SOURCES = tests/smtp/test-client-auth.c tests/smtp/client-peer.c tests/smtp/client-peer.h
tests_smtp_test_client_auth_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_client_auth_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_client_chunk_SOURCES = tests/smtp/test-client-chunk.c tests/smtp/client-peer.c tests/smtp/client-peer.h
tests_smtp_test_client_chunk_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_client_chunk_LDADD = $(CORE_TEST_LDADD)

# MTA-STS. The second test brings its own resolver and HTTP client, so it takes the archive's other members alone.
libcore_la_SOURCES += \
    core/smtp/state-file.c core/smtp/state-file-private.h \
    core/smtp/sts-policy.c core/smtp/sts-policy-private.h \
    core/smtp/sts.c core/smtp/sts-private.h
STS_TESTS = tests/smtp/test-sts-policy tests/smtp/test-sts
check_PROGRAMS += $(STS_TESTS)
TESTS += $(STS_TESTS)
tests_smtp_test_sts_policy_SOURCES = tests/smtp/test-sts-policy.c
tests_smtp_test_sts_policy_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_sts_policy_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_sts_SOURCES = tests/smtp/test-sts.c
tests_smtp_test_sts_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_sts_LDADD = $(CORE_TEST_LDADD)

# The receiving side.
libcore_la_SOURCES += \
    core/smtp/framing.c core/smtp/framing-private.h \
    core/smtp/command.c core/smtp/command-private.h \
    core/smtp/proxy.c core/smtp/proxy-private.h \
    core/smtp/xclient.c core/smtp/xclient-private.h \
    core/smtp/users.c core/smtp/users-private.h core/smtp/users-commands.c \
    core/smtp/auth.c core/smtp/auth-private.h \
    core/smtp/sasl.c core/smtp/sasl-private.h \
    core/smtp/scram.c core/smtp/scram-private.h \
    core/smtp/clients.c core/smtp/clients-private.h \
    core/smtp/server.c core/smtp/server-private.h \
    core/smtp/server-settings.c core/smtp/server-settings-private.h \
    core/smtp/session.c core/smtp/session-private.h \
    core/smtp/session-commands.c core/smtp/session-mail.c core/smtp/session-data.c core/smtp/session-chunks.c \
    core/smtp/session-tls.c core/smtp/session-auth.c core/smtp/session-xclient.c

check_PROGRAMS += tests/smtp/test-framing
TESTS += tests/smtp/test-framing
tests_smtp_test_framing_SOURCES = tests/smtp/test-framing.c
tests_smtp_test_framing_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_framing_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-command
TESTS += tests/smtp/test-command
tests_smtp_test_command_SOURCES = tests/smtp/test-command.c
tests_smtp_test_command_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_command_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server
TESTS += tests/smtp/test-server
tests_smtp_test_server_SOURCES = tests/smtp/test-server.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-rights
TESTS += tests/smtp/test-server-rights
tests_smtp_test_server_rights_SOURCES = tests/smtp/test-server-rights.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_rights_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_rights_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-chunks
TESTS += tests/smtp/test-server-chunks
tests_smtp_test_server_chunks_SOURCES = tests/smtp/test-server-chunks.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_chunks_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_chunks_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-envelope
TESTS += tests/smtp/test-server-envelope
tests_smtp_test_server_envelope_SOURCES = tests/smtp/test-server-envelope.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_envelope_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_envelope_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-auth
TESTS += tests/smtp/test-server-auth
tests_smtp_test_server_auth_SOURCES = tests/smtp/test-server-auth.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_auth_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_auth_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-clients
TESTS += tests/smtp/test-clients
tests_smtp_test_clients_SOURCES = tests/smtp/test-clients.c
tests_smtp_test_clients_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_clients_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-floods
TESTS += tests/smtp/test-server-floods
tests_smtp_test_server_floods_SOURCES = tests/smtp/test-server-floods.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_floods_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_floods_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-xclient
TESTS += tests/smtp/test-server-xclient
tests_smtp_test_server_xclient_SOURCES = tests/smtp/test-server-xclient.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_xclient_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_xclient_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-tls
TESTS += tests/smtp/test-server-tls
tests_smtp_test_server_tls_SOURCES = tests/smtp/test-server-tls.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_tls_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_tls_LDADD = $(CORE_TEST_LDADD)

# Brings its own module host, so it takes the archive's other members alone.
check_PROGRAMS += tests/smtp/test-server-hooks
TESTS += tests/smtp/test-server-hooks
tests_smtp_test_server_hooks_SOURCES = tests/smtp/test-server-hooks.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_hooks_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_server_hooks_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-server-suppress
TESTS += tests/smtp/test-server-suppress
tests_smtp_test_server_suppress_SOURCES = tests/smtp/test-server-suppress.c tests/smtp/server-bed.c tests/smtp/server-bed.h $(FAKE_SUPPRESSION)
tests_smtp_test_server_suppress_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/queue
tests_smtp_test_server_suppress_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/smtp/test-users
TESTS += tests/smtp/test-users
tests_smtp_test_users_SOURCES = tests/smtp/test-users.c
tests_smtp_test_users_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_users_LDADD = $(CORE_TEST_LDADD)
tests_smtp_test_users_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=crypt_rn -Wl,--wrap=read
