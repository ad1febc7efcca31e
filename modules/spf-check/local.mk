# modules/spf-check: the evaluator, the module around it, and their tests (tests/modules/spf-check).
spf_sources = modules/spf-check/eval.c modules/spf-check/eval.h modules/spf-check/lookups.c \
    modules/spf-check/macro.c modules/spf-check/name.c modules/spf-check/names.c modules/spf-check/record.c \
    modules/spf-check/spf.h modules/spf-check/trace.c

spf_check_tree = tests/modules/spf-check/tree.c tests/modules/spf-check/tree.h

module_LTLIBRARIES += modules/spf-check/spf-check.la
modules_spf_check_spf_check_la_SOURCES = modules/spf-check/check.c modules/spf-check/command.c \
    modules/spf-check/config.c modules/spf-check/guard.c modules/spf-check/inspect.c modules/spf-check/propose.c \
    modules/spf-check/report.c modules/spf-check/sources.c modules/spf-check/spf-check.c \
    modules/spf-check/spf-check.h modules/spf-check/wire.c modules/spf-check/wire.h $(calls_sources) $(spf_sources)
modules_spf_check_spf_check_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) $(CALLS_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
modules_spf_check_spf_check_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_spf_check_spf_check_la_LIBADD = librelais.la $(GLIB_LIBS)

# evaluator = libspf2: the library in a program of its own, beside the module.
spf2_sources = modules/spf-check/helper/spf2.c modules/spf-check/helper/spf2.h modules/spf-check/wire.c \
    modules/spf-check/wire.h
SPF2_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS) -I$(top_srcdir)/modules/spf-check -I$(top_srcdir)/modules/spf-check/helper
if LIBSPF2
spfhelperdir = $(moduledir)
spfhelper_PROGRAMS = modules/spf-check/spf-check-libspf2
modules_spf_check_spf_check_libspf2_SOURCES = modules/spf-check/helper/main.c $(spf2_sources) $(spf_sources)
modules_spf_check_spf_check_libspf2_CPPFLAGS = $(SPF2_CPPFLAGS)
modules_spf_check_spf_check_libspf2_LDADD = librelais.la $(GLIB_LIBS) $(SPF2_LIBS)

check_PROGRAMS += tests/modules/spf-check/oracle
tests_modules_spf_check_oracle_SOURCES = tests/modules/spf-check/oracle.c $(spf_lines_sources) $(spf2_sources) \
    $(spf_sources)
tests_modules_spf_check_oracle_CPPFLAGS = $(SPF2_CPPFLAGS)
tests_modules_spf_check_oracle_LDADD = $(GLIB_LIBS) $(SPF2_LIBS)

check_PROGRAMS += tests/modules/spf-check/test-libspf2
TESTS += tests/modules/spf-check/test-libspf2
tests_modules_spf_check_test_libspf2_SOURCES = tests/modules/spf-check/test-libspf2.c $(spf_check_tree)
tests_modules_spf_check_test_libspf2_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_spf_check_test_libspf2_LDADD = librelais.la $(GLIB_LIBS)
endif
TESTS += tests/modules/spf-check/test-oracle.py

# The evaluator alone, by cases and by its parts.
check_PROGRAMS += tests/modules/spf-check/evaluate tests/modules/spf-check/test-spf
TESTS += tests/modules/spf-check/test-spf tests/modules/spf-check/test-suite.py
spf_zone_sources = tests/modules/spf-check/zone.c tests/modules/spf-check/zone.h
spf_lines_sources = tests/modules/spf-check/lines.c tests/modules/spf-check/lines.h $(spf_zone_sources)
tests_modules_spf_check_evaluate_SOURCES = tests/modules/spf-check/evaluate.c $(spf_lines_sources) $(spf_sources)
tests_modules_spf_check_evaluate_CPPFLAGS = -I$(top_srcdir)/modules/spf-check $(GLIB_CFLAGS)
tests_modules_spf_check_evaluate_LDADD = $(GLIB_LIBS)
tests_modules_spf_check_test_spf_SOURCES = tests/modules/spf-check/test-spf.c $(spf_zone_sources) $(spf_sources) \
    modules/spf-check/wire.c modules/spf-check/wire.h
tests_modules_spf_check_test_spf_CPPFLAGS = -I$(top_srcdir)/modules/spf-check $(GLIB_CFLAGS)
tests_modules_spf_check_test_spf_LDADD = $(GLIB_LIBS)

# The module, through the harness.
check_PROGRAMS += tests/modules/spf-check/test-module
TESTS += tests/modules/spf-check/test-module
tests_modules_spf_check_test_module_SOURCES = tests/modules/spf-check/test-module.c $(spf_check_tree)
tests_modules_spf_check_test_module_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_spf_check_test_module_LDADD = librelais.la $(GLIB_LIBS)
check_PROGRAMS += tests/modules/spf-check/test-inspect
TESTS += tests/modules/spf-check/test-inspect
tests_modules_spf_check_test_inspect_SOURCES = tests/modules/spf-check/test-inspect.c
tests_modules_spf_check_test_inspect_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_modules_spf_check_test_inspect_LDADD = librelais.la $(GLIB_LIBS)
EXTRA_DIST += tests/modules/spf-check/cases.yml tests/modules/spf-check/suite.py \
    tests/modules/spf-check/test-oracle.py tests/modules/spf-check/test-suite.py tests/modules/spf-check/zonedns.py
