# tests/fuzz: a fuzz target a parser. Linked with our own driver, which replays the corpus and runs a
# bounded number of mutations (make check); with libFuzzer instead after configure --enable-fuzzers
# CC=clang. tests/fuzz/run runs either for longer.
check_LTLIBRARIES += tests/fuzz/libfuzz.la
tests_fuzz_libfuzz_la_SOURCES = tests/fuzz/quiet.c tests/fuzz/fuzz.h
tests_fuzz_libfuzz_la_CPPFLAGS = $(CORE_CPPFLAGS)
if !FUZZERS
tests_fuzz_libfuzz_la_SOURCES += tests/fuzz/driver.c
TESTS += $(FUZZ_TARGETS)
endif
FUZZ_LDADD = tests/fuzz/libfuzz.la $(CORE_TEST_LDADD)
FUZZ_LDFLAGS = $(AM_LDFLAGS) $(RELAIS_FUZZ_LD)
EXTRA_DIST += tests/fuzz/corpus

FUZZ_TARGETS = \
    tests/fuzz/address tests/fuzz/command tests/fuzz/framing tests/fuzz/plain tests/fuzz/proxy tests/fuzz/reply
check_PROGRAMS += $(FUZZ_TARGETS)
tests_fuzz_address_SOURCES = tests/fuzz/address.c
tests_fuzz_address_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_address_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_address_LDADD = $(FUZZ_LDADD)
tests_fuzz_command_SOURCES = tests/fuzz/command.c
tests_fuzz_command_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_command_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_command_LDADD = $(FUZZ_LDADD)
tests_fuzz_framing_SOURCES = tests/fuzz/framing.c
tests_fuzz_framing_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_framing_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_framing_LDADD = $(FUZZ_LDADD)
tests_fuzz_plain_SOURCES = tests/fuzz/plain.c
tests_fuzz_plain_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_plain_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_plain_LDADD = $(FUZZ_LDADD)
tests_fuzz_proxy_SOURCES = tests/fuzz/proxy.c
tests_fuzz_proxy_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_proxy_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_proxy_LDADD = $(FUZZ_LDADD)
tests_fuzz_reply_SOURCES = tests/fuzz/reply.c
tests_fuzz_reply_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_reply_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_reply_LDADD = $(FUZZ_LDADD)
