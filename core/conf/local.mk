# core/conf: what this room compiles, and its unit tests (tests/conf).
libcore_la_SOURCES += \
    core/conf/check.c \
    core/conf/conf-private.h \
    core/conf/config.c core/conf/config-private.h \
    core/conf/declare.c \
    core/conf/dump.c \
    core/conf/files.c \
    core/conf/limits.h \
    core/conf/kept-file.c core/conf/kept-file-private.h \
    core/conf/quiet.c core/conf/quiet-private.h \
    core/conf/line.c core/conf/line-private.h \
    core/conf/merge.c \
    core/conf/nearest.c core/conf/nearest-private.h \
    core/conf/net.c core/conf/net-private.h \
    core/conf/origin.c core/conf/origin-private.h \
    core/conf/read.c \
    core/conf/schema.c core/conf/schema-private.h \
    core/conf/value.c core/conf/value-private.h

check_PROGRAMS += tests/conf/test-conf
TESTS += tests/conf/test-conf
tests_conf_test_conf_SOURCES = tests/conf/test-conf.c
tests_conf_test_conf_CPPFLAGS = $(CORE_CPPFLAGS)
tests_conf_test_conf_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/conf/test-origin
TESTS += tests/conf/test-origin
tests_conf_test_origin_SOURCES = tests/conf/test-origin.c
tests_conf_test_origin_CPPFLAGS = $(CORE_CPPFLAGS)
tests_conf_test_origin_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/conf/test-net
TESTS += tests/conf/test-net
tests_conf_test_net_SOURCES = tests/conf/test-net.c
tests_conf_test_net_CPPFLAGS = $(CORE_CPPFLAGS)
tests_conf_test_net_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/conf/test-merge
TESTS += tests/conf/test-merge
tests_conf_test_merge_SOURCES = tests/conf/test-merge.c
tests_conf_test_merge_CPPFLAGS = $(CORE_CPPFLAGS)
tests_conf_test_merge_LDADD = $(CORE_TEST_LDADD)

check_PROGRAMS += tests/conf/test-quiet
TESTS += tests/conf/test-quiet
tests_conf_test_quiet_SOURCES = tests/conf/test-quiet.c
tests_conf_test_quiet_CPPFLAGS = $(CORE_CPPFLAGS)
tests_conf_test_quiet_LDADD = $(CORE_TEST_LDADD)
