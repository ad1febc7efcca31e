# modules/calls: commands of relaisctl that wait for the DNS, what the modules spf-check and dmarc share, compiled into
# both.
calls_sources = modules/calls/published.c modules/calls/published.h modules/calls/waiting.c modules/calls/waiting.h
CALLS_CPPFLAGS = -I$(top_srcdir)/modules/calls

check_PROGRAMS += tests/modules/calls/test-waiting
TESTS += tests/modules/calls/test-waiting
tests_modules_calls_test_waiting_SOURCES = tests/modules/calls/test-waiting.c modules/calls/waiting.c \
    modules/calls/waiting.h
tests_modules_calls_test_waiting_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(CALLS_CPPFLAGS)
tests_modules_calls_test_waiting_LDADD = $(GLIB_LIBS)
