# modules/spf-check: the evaluator, and its tests (tests/modules/spf-check).
spf_sources = modules/spf-check/eval.c modules/spf-check/eval-private.h modules/spf-check/lookups.c \
    modules/spf-check/macro.c modules/spf-check/name.c modules/spf-check/names.c modules/spf-check/record.c \
    modules/spf-check/spf.h modules/spf-check/trace.c

check_PROGRAMS += tests/modules/spf-check/evaluate
TESTS += tests/modules/spf-check/test-suite.py
spf_zone_sources = tests/modules/spf-check/zone.c tests/modules/spf-check/zone.h
spf_lines_sources = tests/modules/spf-check/lines.c tests/modules/spf-check/lines.h $(spf_zone_sources)
tests_modules_spf_check_evaluate_SOURCES = tests/modules/spf-check/evaluate.c $(spf_lines_sources) $(spf_sources)
tests_modules_spf_check_evaluate_CPPFLAGS = -I$(top_srcdir)/modules/spf-check $(GLIB_CFLAGS)
tests_modules_spf_check_evaluate_LDADD = $(GLIB_LIBS)
EXTRA_DIST += tests/modules/spf-check/cases.yml tests/modules/spf-check/suite.py \
    tests/modules/spf-check/test-suite.py
