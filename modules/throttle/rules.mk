# modules/throttle/rules.mk: the rules of replies, which the module compiles in, and their tests
# (tests/modules/throttle). The module itself is modules/throttle/local.mk.
throttle_rules_sources = modules/throttle/rule.c modules/throttle/rule.h modules/throttle/rules.c \
    modules/throttle/rules-private.h
THROTTLE_RULES_CPPFLAGS = -I$(top_srcdir)/modules/throttle $(PCRE2_CFLAGS) -DGETTEXT_PACKAGE=\"relais\"

check_PROGRAMS += tests/modules/throttle/test-rules
TESTS += tests/modules/throttle/test-rules
tests_modules_throttle_test_rules_SOURCES = tests/modules/throttle/test-rules.c $(throttle_rules_sources)
tests_modules_throttle_test_rules_CPPFLAGS = -DRELAIS_STATIC $(CORE_CPPFLAGS) $(THROTTLE_RULES_CPPFLAGS)
tests_modules_throttle_test_rules_LDADD = $(CORE_TEST_LDADD) $(PCRE2_LIBS)
