# modules/milter: the module, and its tests (tests/modules/milter).
milter_pure_sources = modules/milter/header-edits.c modules/milter/header-edits.h modules/milter/wire.c \
    modules/milter/wire.h

module_LTLIBRARIES += modules/milter/milter.la
modules_milter_milter_la_SOURCES = modules/milter/answers.c modules/milter/ask.c modules/milter/call.c \
    modules/milter/call.h modules/milter/macros.c modules/milter/message.c modules/milter/milter.h \
    modules/milter/module.c modules/milter/reverse.c modules/milter/reverse.h \
    modules/milter/rewrite.c modules/milter/session.c modules/milter/steps.c \
    $(milter_pure_sources)
modules_milter_milter_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
modules_milter_milter_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_milter_milter_la_LIBADD = librelais.la $(GLIB_LIBS)

# What is pure is tested by compiling it; what it is as a module, through the harness, and with milters of others by
# tests/e2e/quick-milter.py, full-milter.py, full-rspamd.py and full-clamav.py.
check_PROGRAMS += tests/modules/milter/test-milter tests/modules/milter/test-wire
TESTS += tests/modules/milter/test-milter tests/modules/milter/test-wire
tests_modules_milter_test_wire_SOURCES = tests/modules/milter/test-wire.c $(milter_pure_sources)
tests_modules_milter_test_wire_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/milter $(RELAIS_MODULE_CPPFLAGS)
tests_modules_milter_test_wire_LDADD = librelais.la $(GLIB_LIBS)
tests_modules_milter_test_milter_SOURCES = tests/modules/milter/test-milter.c
tests_modules_milter_test_milter_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_milter_test_milter_LDADD = librelais.la $(GLIB_LIBS)
