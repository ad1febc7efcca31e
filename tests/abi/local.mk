# tests/abi: that the ABI is what the headers say and only grows, and what outsiders make of it. The loader's tests stand
# in core/module/local.mk; header-policy and recipient-callout are projects of their own, which tests/e2e/*-abi.py
# build against an installed copy.
ABI_PROJECTS = \
    tests/abi/header-policy/Makefile.am tests/abi/header-policy/configure.ac \
    tests/abi/header-policy/header-policy.c tests/abi/header-policy/header-policy.conf \
    tests/abi/header-policy/test-header-policy.c \
    tests/abi/recipient-callout/Makefile.am tests/abi/recipient-callout/configure.ac \
    tests/abi/recipient-callout/recipient-callout.c tests/abi/recipient-callout/recipient-callout.conf \
    tests/abi/recipient-callout/test-recipient-callout.c
EXTRA_DIST += $(ABI_PROJECTS) tests/abi/grow.py tests/abi/symbols.py tests/abi/installed.py tests/abi/public.py

TESTS += tests/abi/test-layout.py tests/abi/test-abidiff.py tests/abi/test-inspect.py tests/abi/test-manual.py tests/abi/test-cxx.py
EXTRA_DIST += tests/abi/test-layout.py tests/abi/layout.c tests/abi/test-abidiff.py tests/abi/baseline.xml tests/abi/ledger \
    tests/abi/test-inspect.py tests/abi/test-manual.py tests/abi/test-cxx.py tests/abi/guest.cc
check_LTLIBRARIES += tests/abi/crash.la
tests_abi_crash_la_SOURCES = tests/abi/crash.c
tests_abi_crash_la_LDFLAGS = $(abi_fixture_flags)

# The rules of 1.x: validator and loader once more, with headers that call themselves 1.2, and modules built with those
# of 1.0 to 1.3 (grow.py). In this build nothing but these two files and the test looks into a descriptor.
ABI_ONE_STAMPS = tests/abi/1.0/stamp tests/abi/1.1/stamp tests/abi/1.2/stamp tests/abi/1.3/stamp
CLEANFILES += $(ABI_ONE_STAMPS)
$(ABI_ONE_STAMPS): $(srcdir)/tests/abi/grow.py $(relaisinclude_HEADERS)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && dir=$(@D) && \
	$(PYTHON) $(srcdir)/tests/abi/grow.py $(srcdir)/include/relais $(@D) $${dir##*.} && touch $@
clean-local: clean-abi
.PHONY: clean-abi
clean-abi:
	rm -rf tests/abi/1.0 tests/abi/1.1 tests/abi/1.2 tests/abi/1.3

check_PROGRAMS += tests/abi/test-one
TESTS += tests/abi/test-one
tests_abi_test_one_SOURCES = tests/abi/test-one.c tests/abi/place.c tests/abi/place.h core/module/check.c core/module/load.c
tests_abi_test_one_CPPFLAGS = -Itests/abi/1.2 $(CORE_CPPFLAGS)
tests_abi_test_one_LDADD = $(CORE_TEST_LDADD)
$(tests_abi_test_one_OBJECTS): tests/abi/1.2/stamp

check_LTLIBRARIES += tests/abi/one-0.la tests/abi/one-1.la tests/abi/one-2.la tests/abi/one-3.la \
    tests/abi/one-3-uses.la tests/abi/one-3-op.la tests/abi/one-3-needs.la tests/abi/two.la
abi_one_cppflags = $(RELAIS_MODULE_CPPFLAGS) -DFIXTURE_MAJOR=RELAIS_API_MAJOR -DFIXTURE_SYMBOL=relais_module_1
tests_abi_one_0_la_SOURCES = tests/abi/fixture-one.c
tests_abi_one_0_la_CPPFLAGS = -Itests/abi/1.0 $(abi_one_cppflags) -DFIXTURE_NAME=\"one-0\" -DFIXTURE_REQUIRED=0
tests_abi_one_0_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_one_0_la_OBJECTS): tests/abi/1.0/stamp
tests_abi_one_1_la_SOURCES = tests/abi/fixture-one.c
tests_abi_one_1_la_CPPFLAGS = -Itests/abi/1.1 $(abi_one_cppflags) -DFIXTURE_NAME=\"one-1\" -DFIXTURE_REQUIRED=1 -DFIXTURE_USES
tests_abi_one_1_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_one_1_la_OBJECTS): tests/abi/1.1/stamp
tests_abi_one_2_la_SOURCES = tests/abi/fixture-one.c
tests_abi_one_2_la_CPPFLAGS = -Itests/abi/1.2 $(abi_one_cppflags) -DFIXTURE_NAME=\"one-2\" -DFIXTURE_REQUIRED=2 -DFIXTURE_USES
tests_abi_one_2_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_one_2_la_OBJECTS): tests/abi/1.2/stamp
tests_abi_one_3_la_SOURCES = tests/abi/fixture-one.c
tests_abi_one_3_la_CPPFLAGS = -Itests/abi/1.3 $(abi_one_cppflags) -DFIXTURE_NAME=\"one-3\" -DFIXTURE_REQUIRED=0
tests_abi_one_3_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_one_3_la_OBJECTS): tests/abi/1.3/stamp
tests_abi_one_3_uses_la_SOURCES = tests/abi/fixture-one.c
tests_abi_one_3_uses_la_CPPFLAGS = -Itests/abi/1.3 $(abi_one_cppflags) -DFIXTURE_NAME=\"one-3-uses\" -DFIXTURE_REQUIRED=0 -DFIXTURE_USES
tests_abi_one_3_uses_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_one_3_uses_la_OBJECTS): tests/abi/1.3/stamp
tests_abi_one_3_op_la_SOURCES = tests/abi/fixture-one.c
tests_abi_one_3_op_la_CPPFLAGS = -Itests/abi/1.3 $(abi_one_cppflags) -DFIXTURE_NAME=\"one-3-op\" -DFIXTURE_REQUIRED=0 -DFIXTURE_USES_OP
tests_abi_one_3_op_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_one_3_op_la_OBJECTS): tests/abi/1.3/stamp
tests_abi_one_3_needs_la_SOURCES = tests/abi/fixture-one.c
tests_abi_one_3_needs_la_CPPFLAGS = -Itests/abi/1.3 $(abi_one_cppflags) -DFIXTURE_NAME=\"one-3-needs\" -DFIXTURE_REQUIRED=3
tests_abi_one_3_needs_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_one_3_needs_la_OBJECTS): tests/abi/1.3/stamp
tests_abi_two_la_SOURCES = tests/abi/fixture-one.c
tests_abi_two_la_CPPFLAGS = -Itests/abi/1.0 $(RELAIS_MODULE_CPPFLAGS) -DFIXTURE_MAJOR=2 -DFIXTURE_SYMBOL=relais_module_2 \
    -DFIXTURE_NAME=\"two\" -DFIXTURE_REQUIRED=0
tests_abi_two_la_LDFLAGS = $(abi_fixture_flags)
$(tests_abi_two_la_OBJECTS): tests/abi/1.0/stamp
