# modules/throttle/rules.mk: the rules of replies, and the commands that need no daemon, which the module
# (modules/throttle/local.mk) compiles in; their tests (tests/modules/throttle).
throttle_rules_sources = modules/throttle/rule.c modules/throttle/rule.h modules/throttle/rules.c \
    modules/throttle/rules.h $(replies_sources)
throttle_lint_sources = modules/throttle/lint.c $(replies_offline_sources)
throttle_offline_sources = modules/throttle/offline.c modules/throttle/offline.h $(throttle_lint_sources)
THROTTLE_RULES_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/throttle $(REPLIES_CPPFLAGS) \
    -DGETTEXT_PACKAGE=\"relais\"

# The configurations that they are tested with are read by the core's own reader, without a module around.
throttle_conf_sources = tests/modules/throttle/conf.c tests/modules/throttle/conf.h
check_PROGRAMS += tests/modules/throttle/test-rules tests/modules/throttle/test-offline \
    tests/modules/throttle/test-providers
TESTS += tests/modules/throttle/test-rules tests/modules/throttle/test-offline \
    tests/modules/throttle/test-providers tests/modules/throttle/test-commands.py
tests_modules_throttle_test_rules_SOURCES = tests/modules/throttle/test-rules.c $(throttle_conf_sources) \
    $(throttle_rules_sources)
tests_modules_throttle_test_rules_CPPFLAGS = $(CORE_CPPFLAGS) $(THROTTLE_RULES_CPPFLAGS)
tests_modules_throttle_test_rules_LDADD = $(CORE_TEST_LDADD) $(REPLIES_LIBS)
tests_modules_throttle_test_offline_SOURCES = tests/modules/throttle/test-offline.c \
    $(throttle_conf_sources) $(throttle_rules_sources) $(throttle_lint_sources)
tests_modules_throttle_test_offline_CPPFLAGS = $(CORE_CPPFLAGS) $(THROTTLE_RULES_CPPFLAGS)
tests_modules_throttle_test_offline_LDADD = $(CORE_TEST_LDADD) $(REPLIES_LIBS)
tests_modules_throttle_test_providers_SOURCES = tests/modules/throttle/test-providers.c \
    $(throttle_conf_sources) $(throttle_rules_sources) $(throttle_lint_sources)
tests_modules_throttle_test_providers_CPPFLAGS = $(CORE_CPPFLAGS) $(THROTTLE_RULES_CPPFLAGS)
tests_modules_throttle_test_providers_LDADD = $(CORE_TEST_LDADD) $(REPLIES_LIBS)
EXTRA_DIST += tests/modules/throttle/mistakes tests/modules/throttle/test-commands.py \
    tests/modules/throttle/replies-google.tsv tests/modules/throttle/replies-microsoft.tsv \
    tests/modules/throttle/replies-orange.tsv tests/modules/throttle/replies-others.tsv \
    tests/modules/throttle/replies-yahoo.tsv
