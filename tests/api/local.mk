# tests/api: the public API as modules use it, through the harness; and modules for tests with the daemon.
noinst_LTLIBRARIES += tests/api/puppet.la tests/api/second.la
api_puppet_ldflags = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
tests_api_puppet_la_SOURCES = tests/api/puppet.c
tests_api_puppet_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -DPUPPET_NAME=\"puppet\"
tests_api_puppet_la_LDFLAGS = $(api_puppet_ldflags)
tests_api_puppet_la_LIBADD = librelais.la $(GLIB_LIBS)
tests_api_second_la_SOURCES = tests/api/puppet.c
tests_api_second_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -DPUPPET_NAME=\"second\" \
    -DPUPPET_REQUIRES=\"puppet\"
tests_api_second_la_LDFLAGS = $(api_puppet_ldflags)
tests_api_second_la_LIBADD = librelais.la $(GLIB_LIBS)

check_PROGRAMS += tests/api/test-api
TESTS += tests/api/test-api
tests_api_test_api_SOURCES = tests/api/test-api.c tests/api/stage.c tests/api/stage.h \
    tests/api/ask.c \
    tests/api/channel.c \
    tests/api/counter.c \
    tests/api/cursor.c \
    tests/api/edit.c \
    tests/api/intake.c \
    tests/api/job.c \
    tests/api/queue.c \
    tests/api/service.c
tests_api_test_api_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -I$(srcdir)/tests/api
tests_api_test_api_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
tests_api_test_api_LDADD = $(LIBRELAIS_LDADD)
