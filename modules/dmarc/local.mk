# modules/dmarc: the module, and its tests (tests/modules/dmarc).
dmarc_pure_sources = modules/dmarc/dmarc.h modules/dmarc/policy.c modules/dmarc/record.c \
    modules/dmarc/walk.c

module_LTLIBRARIES += modules/dmarc/dmarc.la
modules_dmarc_dmarc_la_SOURCES = modules/dmarc/answers.c modules/dmarc/check.c modules/dmarc/dmarc.c \
    modules/dmarc/inspect.c $(calls_sources) $(dmarc_pure_sources)
modules_dmarc_dmarc_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(CALLS_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
modules_dmarc_dmarc_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_dmarc_dmarc_la_LIBADD = librelais.la $(GLIB_LIBS)

# What is pure is tested by compiling it; what it is as a module, through the harness.
check_PROGRAMS += tests/modules/dmarc/test-dmarc tests/modules/dmarc/test-check tests/modules/dmarc/test-inspect
TESTS += tests/modules/dmarc/test-dmarc tests/modules/dmarc/test-check tests/modules/dmarc/test-inspect
tests_modules_dmarc_test_dmarc_SOURCES = tests/modules/dmarc/test-dmarc.c $(dmarc_pure_sources)
tests_modules_dmarc_test_dmarc_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/dmarc \
    $(modules_dmarc_dmarc_la_CPPFLAGS)
tests_modules_dmarc_test_dmarc_LDADD = librelais.la $(GLIB_LIBS)
tests_modules_dmarc_test_check_SOURCES = tests/modules/dmarc/test-check.c
tests_modules_dmarc_test_check_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_dmarc_test_check_LDADD = librelais.la $(GLIB_LIBS)
tests_modules_dmarc_test_inspect_SOURCES = tests/modules/dmarc/test-inspect.c
tests_modules_dmarc_test_inspect_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_dmarc_test_inspect_LDADD = librelais.la $(GLIB_LIBS)
