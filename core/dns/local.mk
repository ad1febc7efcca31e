# core/dns: what this room compiles, and its unit tests (tests/dns).
libcore_la_SOURCES += \
    core/dns/answer.c core/dns/answer-private.h \
    core/dns/dns.c core/dns/dns-private.h core/dns/resolver-private.h \
    core/dns/mail.c \
    core/dns/targets.c core/dns/targets-private.h \
    core/dns/ubevent.c core/dns/ubevent-private.h

check_PROGRAMS += tests/dns/test-dns
TESTS += tests/dns/test-dns
tests_dns_test_dns_SOURCES = tests/dns/test-dns.c tests/dns/server.c tests/dns/server.h
tests_dns_test_dns_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests
tests_dns_test_dns_LDADD = $(CORE_TEST_LDADD)
