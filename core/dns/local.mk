# core/dns: what this room compiles, and its unit tests (tests/dns).
libcore_la_SOURCES += \
    core/dns/accessors.c \
    core/dns/absences.c core/dns/absences-private.h \
    core/dns/answer.c core/dns/answer-private.h \
    core/dns/dane.c core/dns/dane-private.h \
    core/dns/dns.c core/dns/dns-private.h core/dns/resolver-private.h \
    core/dns/late.c core/dns/late-private.h \
    core/dns/mail.c \
    core/dns/ptr-check.c core/dns/ptr-check-private.h \
    core/dns/targets.c core/dns/targets-private.h \
    core/dns/ubevent.c core/dns/ubevent-private.h \
    core/dns/validation.c

check_PROGRAMS += tests/dns/test-dns tests/dns/test-mail tests/dns/test-answer tests/dns/test-dane
TESTS += tests/dns/test-dns tests/dns/test-mail tests/dns/test-answer tests/dns/test-dane
tests_dns_test_dns_SOURCES = tests/dns/test-dns.c tests/dns/server.c tests/dns/server.h
tests_dns_test_dns_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests
tests_dns_test_dns_LDADD = $(CORE_TEST_LDADD)
tests_dns_test_mail_SOURCES = tests/dns/test-mail.c tests/dns/server.c tests/dns/server.h
tests_dns_test_mail_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests
tests_dns_test_mail_LDADD = $(CORE_TEST_LDADD)
tests_dns_test_answer_SOURCES = tests/dns/test-answer.c
tests_dns_test_answer_CPPFLAGS = $(CORE_CPPFLAGS)
tests_dns_test_answer_LDADD = $(CORE_TEST_LDADD)
tests_dns_test_dane_SOURCES = tests/dns/test-dane.c
tests_dns_test_dane_CPPFLAGS = $(CORE_CPPFLAGS)
tests_dns_test_dane_LDADD = $(CORE_TEST_LDADD)

# The same kind of server for the lab.
TESTS += tests/dns/test-scripted-dns.py
EXTRA_DIST += tests/dns/scripted-dns.py tests/dns/test-scripted-dns.py
