# core/tls: what this room compiles, and its unit tests (tests/tls).
libcore_la_SOURCES += \
    core/tls/certificates.c core/tls/certificates-private.h \
    core/tls/envelope-token.c core/tls/envelope-token-private.h \
    core/tls/handshakes.c core/tls/handshakes-private.h \
    core/tls/key-ring.c core/tls/key-ring-private.h \
    core/tls/listen.c core/tls/listen-private.h \
    core/tls/ports.c core/tls/ports-private.h \
    core/tls/sessions.c core/tls/sessions-private.h \
    core/tls/tickets.c core/tls/tickets-private.h \
    core/tls/siv.c core/tls/siv-private.h \
    core/tls/tlsa.c core/tls/tlsa-private.h \
    core/tls/terms.c core/tls/terms-private.h \
    core/tls/tls.c core/tls/tls-private.h \
    core/tls/token.c core/tls/token-private.h \
    core/tls/tokens.c core/tls/tokens-private.h \
    core/tls/hub.c core/tls/stream-struct-private.h \
    core/tls/connect.c \
    core/tls/stream-ahead.c \
    core/tls/stream-dane.c \
    core/tls/stream.c core/tls/stream-private.h \
    core/tls/stream-out.c \
    core/tls/stream-tls.c

check_PROGRAMS += tests/tls/test-stream
TESTS += tests/tls/test-stream
tests_tls_test_stream_SOURCES = tests/tls/test-stream.c
tests_tls_test_stream_CPPFLAGS = $(CORE_CPPFLAGS)
tests_tls_test_stream_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/tls/test-tls
TESTS += tests/tls/test-tls
tests_tls_test_tls_SOURCES = tests/tls/test-tls.c
tests_tls_test_tls_CPPFLAGS = $(CORE_CPPFLAGS)
tests_tls_test_tls_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/tls/test-handshakes
TESTS += tests/tls/test-handshakes
tests_tls_test_handshakes_SOURCES = tests/tls/test-handshakes.c
tests_tls_test_handshakes_CPPFLAGS = $(CORE_CPPFLAGS)
tests_tls_test_handshakes_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/tls/test-token
TESTS += tests/tls/test-token
tests_tls_test_token_SOURCES = tests/tls/test-token.c
tests_tls_test_token_CPPFLAGS = $(CORE_CPPFLAGS)
tests_tls_test_token_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/tls/test-envelope-token
TESTS += tests/tls/test-envelope-token
tests_tls_test_envelope_token_SOURCES = tests/tls/test-envelope-token.c
tests_tls_test_envelope_token_CPPFLAGS = $(CORE_CPPFLAGS)
tests_tls_test_envelope_token_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/tls/test-ports
TESTS += tests/tls/test-ports
tests_tls_test_ports_SOURCES = tests/tls/test-ports.c
tests_tls_test_ports_CPPFLAGS = $(CORE_CPPFLAGS)
tests_tls_test_ports_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/tls/test-tlsa
TESTS += tests/tls/test-tlsa
tests_tls_test_tlsa_SOURCES = tests/tls/test-tlsa.c
tests_tls_test_tlsa_CPPFLAGS = $(CORE_CPPFLAGS)
tests_tls_test_tlsa_LDADD = $(CORE_TEST_LDADD)
