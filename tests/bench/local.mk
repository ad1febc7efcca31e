# tests/bench: what measures. Built by make, run by hand and by the benchmark.
noinst_PROGRAMS += tests/bench/relais-load
tests_bench_relais_load_SOURCES = tests/bench/relais-load.c tests/bench/load-options.c \
    tests/bench/load-figures.c tests/bench/load-message.c tests/bench/load-wire.c \
    tests/bench/load-wire.h tests/bench/load-inject.c tests/bench/load-idle.c \
    tests/bench/load-sink.c tests/bench/load.h
tests_bench_relais_load_CPPFLAGS = -I$(top_builddir) $(OPENSSL_CFLAGS)
tests_bench_relais_load_LDADD = $(OPENSSL_LIBS) -lpthread
