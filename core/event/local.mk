# core/event: what this room compiles, and its unit tests (tests/event).
libcore_la_SOURCES += \
    core/event/campaigns.c core/event/campaigns-private.h \
    core/event/cursor.c core/event/cursor-private.h \
    core/event/deliveries.c \
    core/event/files.c core/event/files-private.h \
    core/event/index.c core/event/index-line.c core/event/index-private.h \
    core/event/line.c \
    core/event/member.c core/event/member-private.h \
    core/event/log.c core/event/event-private.h \
    core/event/run.c

check_PROGRAMS += tests/event/test-event
TESTS += tests/event/test-event
tests_event_test_event_SOURCES = tests/event/test-event.c
tests_event_test_event_CPPFLAGS = $(CORE_CPPFLAGS)
tests_event_test_event_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/event/test-campaigns
TESTS += tests/event/test-campaigns
tests_event_test_campaigns_SOURCES = tests/event/test-campaigns.c
tests_event_test_campaigns_CPPFLAGS = $(CORE_CPPFLAGS)
tests_event_test_campaigns_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/event/test-index
TESTS += tests/event/test-index
tests_event_test_index_SOURCES = tests/event/test-index.c
tests_event_test_index_CPPFLAGS = $(CORE_CPPFLAGS)
tests_event_test_index_LDADD = $(CORE_TEST_LDADD)
