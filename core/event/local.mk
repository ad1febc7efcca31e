# core/event: what this room compiles, and its unit tests (tests/event).
libcore_la_SOURCES += \
    core/event/files.c core/event/files-private.h \
    core/event/line.c \
    core/event/log.c core/event/event-private.h

check_PROGRAMS += tests/event/test-event
TESTS += tests/event/test-event
tests_event_test_event_SOURCES = tests/event/test-event.c
tests_event_test_event_CPPFLAGS = $(CORE_CPPFLAGS)
tests_event_test_event_LDADD = $(CORE_TEST_LDADD)
