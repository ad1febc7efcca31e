# modules/throttle: the arithmetic of it, the module around it, and their tests (tests/modules/throttle). The rules of
# replies and the commands that need no daemon are in rules.mk.
throttle_pure_sources = modules/throttle/bucket.c modules/throttle/bucket.h modules/throttle/limit.c \
    modules/throttle/limit.h modules/throttle/warmup.c modules/throttle/warmup.h modules/throttle/window.c \
    modules/throttle/window.h
throttle_pure_cppflags = -DRELAIS_STATIC -DGETTEXT_PACKAGE=\"relais\" -I$(top_srcdir)/modules/throttle \
    $(RELAIS_MODULE_CPPFLAGS)

module_LTLIBRARIES += modules/throttle/throttle.la
modules_throttle_throttle_la_SOURCES = modules/throttle/ask.c modules/throttle/codec.c modules/throttle/lane.c \
    modules/throttle/learn.c modules/throttle/module.c modules/throttle/reply.c modules/throttle/settings.c \
    modules/throttle/settings.h modules/throttle/show.c modules/throttle/state.c modules/throttle/throttle.h \
    $(throttle_pure_sources) $(throttle_rules_sources) $(throttle_offline_sources)
modules_throttle_throttle_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(REPLIES_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
modules_throttle_throttle_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_throttle_throttle_la_LIBADD = librelais.la $(GLIB_LIBS) $(REPLIES_LIBS)

# What is pure is tested by compiling it; what it is as a module, through the harness.
check_PROGRAMS += tests/modules/throttle/test-rates tests/modules/throttle/test-warmup \
    tests/modules/throttle/test-limits tests/modules/throttle/test-learning tests/modules/throttle/test-state
TESTS += tests/modules/throttle/test-rates tests/modules/throttle/test-warmup \
    tests/modules/throttle/test-limits tests/modules/throttle/test-learning tests/modules/throttle/test-state
tests_modules_throttle_test_rates_SOURCES = tests/modules/throttle/test-rates.c $(throttle_pure_sources)
tests_modules_throttle_test_rates_CPPFLAGS = $(throttle_pure_cppflags)
tests_modules_throttle_test_rates_LDADD = $(GLIB_LIBS)
tests_modules_throttle_test_warmup_SOURCES = tests/modules/throttle/test-warmup.c $(throttle_pure_sources)
tests_modules_throttle_test_warmup_CPPFLAGS = $(throttle_pure_cppflags)
tests_modules_throttle_test_warmup_LDADD = $(GLIB_LIBS)
throttle_harness_sources = tests/modules/throttle/harness.c tests/modules/throttle/harness.h
tests_modules_throttle_test_limits_SOURCES = tests/modules/throttle/test-limits.c $(throttle_harness_sources)
tests_modules_throttle_test_limits_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_throttle_test_limits_LDADD = librelais.la $(GLIB_LIBS)
tests_modules_throttle_test_learning_SOURCES = tests/modules/throttle/test-learning.c $(throttle_harness_sources)
tests_modules_throttle_test_learning_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_throttle_test_learning_LDADD = librelais.la $(GLIB_LIBS)
tests_modules_throttle_test_state_SOURCES = tests/modules/throttle/test-state.c $(throttle_harness_sources)
tests_modules_throttle_test_state_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_throttle_test_state_LDADD = librelais.la $(GLIB_LIBS)
