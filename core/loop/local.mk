# core/loop: what this room compiles, and its unit tests (tests/loop).
libcore_la_SOURCES += \
    core/loop/clock.c core/loop/clock-private.h \
    core/loop/clock-virtual.c core/loop/clock-virtual-private.h \
    core/loop/descriptors.c core/loop/descriptors-private.h \
    core/loop/loop.c core/loop/loop-private.h \
    core/loop/memory.c core/loop/memory-private.h \
    core/loop/thread.c core/loop/thread-private.h \
    core/loop/ticker.c core/loop/ticker-private.h \
    core/loop/timer.c core/loop/timer-private.h \
    core/loop/pool.c core/loop/pool-private.h

check_PROGRAMS += tests/loop/test-loop tests/loop/test-thread
TESTS += tests/loop/test-loop tests/loop/test-thread
tests_loop_test_thread_SOURCES = tests/loop/test-thread.c
tests_loop_test_thread_CPPFLAGS = $(CORE_CPPFLAGS)
tests_loop_test_thread_LDADD = $(CORE_TEST_LDADD)
tests_loop_test_loop_SOURCES = tests/loop/test-loop.c
tests_loop_test_loop_CPPFLAGS = $(CORE_CPPFLAGS)
tests_loop_test_loop_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/loop/test-descriptors
TESTS += tests/loop/test-descriptors
tests_loop_test_descriptors_SOURCES = tests/loop/test-descriptors.c
tests_loop_test_descriptors_CPPFLAGS = $(CORE_CPPFLAGS)
tests_loop_test_descriptors_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/loop/test-memory
TESTS += tests/loop/test-memory
tests_loop_test_memory_SOURCES = tests/loop/test-memory.c
tests_loop_test_memory_CPPFLAGS = $(CORE_CPPFLAGS)
tests_loop_test_memory_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/loop/test-clock
TESTS += tests/loop/test-clock
tests_loop_test_clock_SOURCES = tests/loop/test-clock.c
tests_loop_test_clock_CPPFLAGS = $(CORE_CPPFLAGS)
tests_loop_test_clock_LDADD = $(CORE_TEST_LDADD)
