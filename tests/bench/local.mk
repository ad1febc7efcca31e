# tests/bench: what measures. Built by make, run by hand and by the benchmark.
noinst_PROGRAMS += tests/bench/relais-load
tests_bench_relais_load_SOURCES = tests/bench/relais-load.c tests/bench/load-inject.c \
    tests/bench/load-sink.c tests/bench/load.h
tests_bench_relais_load_CPPFLAGS = -I$(top_builddir)
tests_bench_relais_load_LDADD = -lpthread
