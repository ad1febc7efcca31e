# modules/throttle: the arithmetic of it, the module around it, and their tests (tests/modules/throttle).
throttle_pure_sources = modules/throttle/bucket.c modules/throttle/bucket.h modules/throttle/limit.c \
    modules/throttle/limit.h modules/throttle/warmup.c modules/throttle/warmup.h modules/throttle/window.c \
    modules/throttle/window.h
throttle_pure_cppflags = -DRELAIS_STATIC -DGETTEXT_PACKAGE=\"relais\" -I$(top_srcdir)/modules/throttle \
    $(RELAIS_MODULE_CPPFLAGS)

# What is pure is tested by compiling it.
check_PROGRAMS += tests/modules/throttle/test-rates tests/modules/throttle/test-warmup
TESTS += tests/modules/throttle/test-rates tests/modules/throttle/test-warmup
tests_modules_throttle_test_rates_SOURCES = tests/modules/throttle/test-rates.c $(throttle_pure_sources)
tests_modules_throttle_test_rates_CPPFLAGS = $(throttle_pure_cppflags)
tests_modules_throttle_test_rates_LDADD = $(GLIB_LIBS)
tests_modules_throttle_test_warmup_SOURCES = tests/modules/throttle/test-warmup.c $(throttle_pure_sources)
tests_modules_throttle_test_warmup_CPPFLAGS = $(throttle_pure_cppflags)
tests_modules_throttle_test_warmup_LDADD = $(GLIB_LIBS)
