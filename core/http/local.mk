# core/http: what this room compiles, and its unit tests (tests/http).
libcore_la_SOURCES += \
    core/http/curl.c core/http/curl-private.h \
    core/http/fetch.c core/http/fetch-private.h \
    core/http/fetch-module.c \
    core/http/fetch-url.c core/http/fetch-url-private.h \
    core/http/tracking.c core/http/tracking-private.h core/http/tracking-state-private.h \
    core/http/tracking-check.c core/http/tracking-check-private.h \
    core/http/tracking-commands.c \
    core/http/transfer.c core/http/transfer-private.h

check_PROGRAMS += tests/http/test-fetch-url tests/http/test-fetch
TESTS += tests/http/test-fetch-url tests/http/test-fetch
tests_http_test_fetch_url_SOURCES = tests/http/test-fetch-url.c
tests_http_test_fetch_url_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_fetch_url_LDADD = $(CORE_TEST_LDADD)
tests_http_test_fetch_SOURCES = tests/http/test-fetch.c tests/http/peer.c tests/http/peer.h \
    tests/dns/server.c tests/dns/server.h
tests_http_test_fetch_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests
tests_http_test_fetch_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/http/test-tracking
TESTS += tests/http/test-tracking
tests_http_test_tracking_SOURCES = tests/http/test-tracking.c tests/http/peer.c tests/http/peer.h \
    tests/dns/server.c tests/dns/server.h
tests_http_test_tracking_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests
tests_http_test_tracking_LDADD = $(CORE_TEST_LDADD)
