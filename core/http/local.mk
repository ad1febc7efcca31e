# core/http: what this room compiles, and its unit tests (tests/http).
libcore_la_SOURCES += \
    core/http/backend.c core/http/backend-private.h \
    core/http/connection.c core/http/connection-private.h \
    core/http/exchange.c \
    core/http/forwarded.c core/http/forwarded-private.h \
    core/http/front.c core/http/front-private.h \
    core/http/head.c core/http/head-private.h \
    core/http/request.c core/http/request-private.h \
    core/http/server.c core/http/server-private.h \
    core/http/settings.c core/http/settings-private.h \
    core/http/curl.c core/http/curl-private.h \
    core/http/fetch.c core/http/fetch-private.h \
    core/http/fetch-module.c \
    core/http/fetch-url.c core/http/fetch-url-private.h \
    core/http/tracking.c core/http/tracking-private.h core/http/tracking-state-private.h \
    core/http/tracking-probes.c \
    core/http/tracking-check.c core/http/tracking-check-private.h \
    core/http/tracking-commands.c \
    core/http/transfer.c core/http/transfer-private.h

http_bed = tests/http/bed.c tests/http/bed.h
http_cases = tests/http/cases.c tests/http/cases.h
HTTP_TESTS = tests/http/test-forwarded tests/http/test-front tests/http/test-head tests/http/test-http-limits \
    tests/http/test-http-server tests/http/test-routes tests/http/test-smuggle
check_PROGRAMS += $(HTTP_TESTS)
TESTS += $(HTTP_TESTS)
tests_http_test_forwarded_SOURCES = tests/http/test-forwarded.c
tests_http_test_forwarded_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_forwarded_LDADD = $(CORE_TEST_LDADD)
tests_http_test_front_SOURCES = tests/http/test-front.c $(http_bed)
tests_http_test_front_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_front_LDADD = $(CORE_TEST_LDADD)
tests_http_test_head_SOURCES = tests/http/test-head.c $(http_cases)
tests_http_test_head_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_head_LDADD = $(CORE_TEST_LDADD)
tests_http_test_http_limits_SOURCES = tests/http/test-http-limits.c $(http_bed)
tests_http_test_http_limits_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_http_limits_LDADD = $(CORE_TEST_LDADD)
tests_http_test_http_server_SOURCES = tests/http/test-http-server.c $(http_bed)
tests_http_test_http_server_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_http_server_LDADD = $(CORE_TEST_LDADD)
tests_http_test_routes_SOURCES = tests/http/test-routes.c $(http_bed)
tests_http_test_routes_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_routes_LDADD = $(CORE_TEST_LDADD)
tests_http_test_smuggle_SOURCES = tests/http/test-smuggle.c $(http_bed) $(http_cases)
tests_http_test_smuggle_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_smuggle_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/http/test-fetch-url tests/http/test-fetch tests/http/test-fetch-cancel \
    tests/http/test-fetch-refused
TESTS += tests/http/test-fetch-url tests/http/test-fetch tests/http/test-fetch-cancel \
    tests/http/test-fetch-refused
tests_http_test_fetch_url_SOURCES = tests/http/test-fetch-url.c
tests_http_test_fetch_url_CPPFLAGS = $(CORE_CPPFLAGS)
tests_http_test_fetch_url_LDADD = $(CORE_TEST_LDADD)
fetch_bed = tests/http/fetch-bed.c tests/http/fetch-bed.h tests/http/peer.c tests/http/peer.h \
    tests/dns/server.c tests/dns/server.h
tests_http_test_fetch_SOURCES = tests/http/test-fetch.c $(fetch_bed)
tests_http_test_fetch_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests
tests_http_test_fetch_LDADD = $(CORE_TEST_LDADD)
tests_http_test_fetch_cancel_SOURCES = tests/http/test-fetch-cancel.c $(fetch_bed)
tests_http_test_fetch_cancel_CPPFLAGS = $(tests_http_test_fetch_CPPFLAGS)
tests_http_test_fetch_cancel_LDADD = $(CORE_TEST_LDADD)
tests_http_test_fetch_refused_SOURCES = tests/http/test-fetch-refused.c $(fetch_bed)
tests_http_test_fetch_refused_CPPFLAGS = $(tests_http_test_fetch_CPPFLAGS)
tests_http_test_fetch_refused_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/http/test-tracking
TESTS += tests/http/test-tracking
tests_http_test_tracking_SOURCES = tests/http/test-tracking.c tests/http/peer.c tests/http/peer.h \
    tests/dns/server.c tests/dns/server.h
tests_http_test_tracking_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests
tests_http_test_tracking_LDADD = $(CORE_TEST_LDADD)
