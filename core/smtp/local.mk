# core/smtp: what this room compiles, and its unit tests (tests/smtp).

# The sending side.
libcore_la_SOURCES += \
    core/smtp/reply.c core/smtp/reply-private.h

check_PROGRAMS += tests/smtp/test-reply
TESTS += tests/smtp/test-reply
tests_smtp_test_reply_SOURCES = tests/smtp/test-reply.c
tests_smtp_test_reply_CPPFLAGS = $(CORE_CPPFLAGS)
tests_smtp_test_reply_LDADD = $(CORE_TEST_LDADD)
