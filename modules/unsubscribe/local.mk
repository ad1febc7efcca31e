# modules/unsubscribe: the module, and its tests (tests/modules/unsubscribe).
unsubscribe_pure_sources = modules/unsubscribe/fields.c modules/unsubscribe/form.c \
    modules/unsubscribe/identity.c modules/unsubscribe/page.c modules/unsubscribe/unsubscribe.h
UNSUBSCRIBE_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -I$(top_srcdir)/modules/tracking -DGETTEXT_PACKAGE=\"relais\"

module_LTLIBRARIES += modules/unsubscribe/unsubscribe.la
modules_unsubscribe_unsubscribe_la_SOURCES = modules/unsubscribe/unsubscribe.c \
    modules/unsubscribe/act.c modules/unsubscribe/answer.c modules/unsubscribe/config.c \
    modules/unsubscribe/mail.c modules/unsubscribe/seal.c modules/tracking/life.c modules/tracking/life.h \
    modules/tracking/repeats.c modules/tracking/repeats.h \
    $(unsubscribe_pure_sources)
modules_unsubscribe_unsubscribe_la_CPPFLAGS = $(UNSUBSCRIBE_CPPFLAGS)
modules_unsubscribe_unsubscribe_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_unsubscribe_unsubscribe_la_LIBADD = librelais.la $(GLIB_LIBS)

# What is pure is tested by compiling it; what it is as a module, through the harness.
check_PROGRAMS += tests/modules/unsubscribe/test-parts tests/modules/unsubscribe/test-unsubscribe
TESTS += tests/modules/unsubscribe/test-parts tests/modules/unsubscribe/test-unsubscribe
tests_modules_unsubscribe_test_parts_SOURCES = tests/modules/unsubscribe/test-parts.c \
    tests/module/catalogue.h $(unsubscribe_pure_sources)
tests_modules_unsubscribe_test_parts_CPPFLAGS = -DRELAIS_STATIC \
    -I$(top_srcdir)/modules/unsubscribe -I$(top_srcdir)/tests/module $(UNSUBSCRIBE_CPPFLAGS)
tests_modules_unsubscribe_test_parts_LDADD = librelais.la $(GLIB_LIBS)
tests_modules_unsubscribe_test_unsubscribe_SOURCES = tests/modules/unsubscribe/test-unsubscribe.c
tests_modules_unsubscribe_test_unsubscribe_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_unsubscribe_test_unsubscribe_LDADD = librelais.la $(GLIB_LIBS)
