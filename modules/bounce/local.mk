# modules/bounce: the module, and its tests (tests/modules/bounce).
bounce_rule_sources = modules/bounce/codes.c modules/bounce/codes.h modules/bounce/reasons.c modules/bounce/reasons.h \
    modules/bounce/rule.c modules/bounce/rule.h modules/bounce/verdict.c modules/bounce/verdict.h \
    modules/bounce/words.c modules/bounce/words.h $(replies_sources) $(replies_offline_sources)
bounce_offline_sources = modules/bounce/lint.c modules/bounce/offline.c modules/bounce/offline.h
bounce_link_sources = modules/bounce/claim.c modules/bounce/finding.c modules/bounce/link.c modules/bounce/link.h \
    modules/bounce/link-config.c modules/bounce/outgoing.c modules/bounce/returned.c

module_LTLIBRARIES += modules/bounce/bounce.la
modules_bounce_bounce_la_SOURCES = modules/bounce/bounce.h modules/bounce/module.c modules/bounce/result.c \
    $(bounce_rule_sources) $(bounce_offline_sources) $(bounce_link_sources) $(bounce_report_sources) $(bounce_parse_sources)
modules_bounce_bounce_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(REPLIES_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
modules_bounce_bounce_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_bounce_bounce_la_LIBADD = librelais.la $(GLIB_LIBS) $(REPLIES_LIBS)

# What is pure is tested by compiling it, with configurations that the core's own reader reads; what it is as a module,
# through the harness; what the shipped rules make of replies, by relaisctl.
check_PROGRAMS += tests/modules/bounce/test-rules tests/modules/bounce/test-result
TESTS += tests/modules/bounce/test-rules tests/modules/bounce/test-result tests/modules/bounce/test-replies.py
tests_modules_bounce_test_rules_SOURCES = tests/modules/bounce/test-rules.c modules/bounce/lint.c \
    modules/bounce/offline.h $(bounce_rule_sources)
bounce_test_cppflags = -DRELAIS_STATIC -I$(top_srcdir)/modules/bounce $(REPLIES_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
tests_modules_bounce_test_rules_CPPFLAGS = $(CORE_CPPFLAGS) $(bounce_test_cppflags)
tests_modules_bounce_test_rules_LDADD = $(CORE_TEST_LDADD) $(REPLIES_LIBS)
tests_modules_bounce_test_result_SOURCES = tests/modules/bounce/test-result.c
tests_modules_bounce_test_result_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_bounce_test_result_LDADD = librelais.la $(GLIB_LIBS)
EXTRA_DIST += tests/modules/bounce/confusion.py tests/modules/bounce/replies-families.tsv \
    tests/modules/bounce/replies-providers.tsv tests/modules/bounce/test-replies.py

# Returned mail, through the harness.
check_PROGRAMS += tests/modules/bounce/test-link
TESTS += tests/modules/bounce/test-link
tests_modules_bounce_test_link_SOURCES = tests/modules/bounce/test-link.c
tests_modules_bounce_test_link_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_bounce_test_link_LDADD = librelais.la $(GLIB_LIBS)
