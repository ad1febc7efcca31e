# core/control: what this room compiles, and its unit tests (tests/control).
libcore_la_SOURCES += \
    core/control/access.c core/control/access-private.h \
    core/control/arguments.c \
    core/control/call.c core/control/call-private.h \
    core/control/client.c core/control/client-private.h \
    core/control/control-private.h \
    core/control/registry.c \
    core/control/render.c core/control/render-private.h \
    core/control/server.c \
    core/control/wire.c core/control/wire-private.h

check_PROGRAMS += tests/control/test-control
TESTS += tests/control/test-control
tests_control_test_control_SOURCES = tests/control/test-control.c
tests_control_test_control_CPPFLAGS = $(CORE_CPPFLAGS)
tests_control_test_control_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/control/test-access
TESTS += tests/control/test-access
tests_control_test_access_SOURCES = tests/control/test-access.c
tests_control_test_access_CPPFLAGS = $(CORE_CPPFLAGS)
tests_control_test_access_LDADD = $(CORE_TEST_LDADD)
