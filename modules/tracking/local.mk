# modules/tracking: what the modules open-tracker and click-redirector share, compiled into both; life.c into unsubscribe, too.
tracking_who_sources = modules/tracking/agents.c modules/tracking/rules.c modules/tracking/who.c \
    modules/tracking/who.h
tracking_sources = $(tracking_who_sources) modules/tracking/answer.c modules/tracking/config.c \
    modules/tracking/hits.c modules/tracking/identity.c modules/tracking/life.c modules/tracking/life.h \
    modules/tracking/mode.c modules/tracking/repeats.c modules/tracking/repeats.h modules/tracking/show.c \
    modules/tracking/tracking.h
TRACKING_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -I$(top_srcdir)/modules/tracking -DGETTEXT_PACKAGE=\"relais\" \
    -DTRACKING_RULES_FILE=\"$(datadir)/relais/tracking-rules\"

relaisdatadir = $(datadir)/relais
dist_relaisdata_DATA = modules/tracking/tracking-rules

check_PROGRAMS += tests/modules/tracking/test-who
TESTS += tests/modules/tracking/test-who
tests_modules_tracking_test_who_SOURCES = tests/modules/tracking/test-who.c $(tracking_who_sources)
tests_modules_tracking_test_who_CPPFLAGS = -I$(top_srcdir)/modules/tracking $(GLIB_CFLAGS) \
    -DGETTEXT_PACKAGE=\"relais\"
tests_modules_tracking_test_who_LDADD = $(GLIB_LIBS)

check_PROGRAMS += tests/modules/tracking/test-repeats
TESTS += tests/modules/tracking/test-repeats
tests_modules_tracking_test_repeats_SOURCES = tests/modules/tracking/test-repeats.c \
    modules/tracking/repeats.c modules/tracking/repeats.h
tests_modules_tracking_test_repeats_CPPFLAGS = -I$(top_srcdir)/modules/tracking $(GLIB_CFLAGS)
tests_modules_tracking_test_repeats_LDADD = $(GLIB_LIBS)

# Both modules, through the harness.
check_PROGRAMS += tests/modules/tracking/test-modules
TESTS += tests/modules/tracking/test-modules
tests_modules_tracking_test_modules_SOURCES = tests/modules/tracking/test-modules.c
tests_modules_tracking_test_modules_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_tracking_test_modules_LDADD = librelais.la $(GLIB_LIBS)

# What a token says.
check_PROGRAMS += tests/modules/tracking/test-identity
TESTS += tests/modules/tracking/test-identity
tests_modules_tracking_test_identity_SOURCES = tests/modules/tracking/test-identity.c \
    modules/tracking/identity.c
tests_modules_tracking_test_identity_CPPFLAGS = $(TRACKING_CPPFLAGS)
tests_modules_tracking_test_identity_LDADD = librelais.la $(GLIB_LIBS)
