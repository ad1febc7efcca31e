# core/store: what this room compiles, and its unit tests (tests/store).
libcore_la_SOURCES += \
    core/store/memory.c \
    core/store/request.c core/store/request-private.h \
    core/store/store.c core/store/store-private.h

check_PROGRAMS += tests/store/test-store
TESTS += tests/store/test-store
tests_store_test_store_SOURCES = tests/store/test-store.c
tests_store_test_store_CPPFLAGS = $(CORE_CPPFLAGS)
tests_store_test_store_LDADD = $(CORE_TEST_LDADD)
