# tests/bench: what measures. Built by make, run by hand and by the benchmark.
noinst_PROGRAMS += tests/bench/relais-load
tests_bench_relais_load_SOURCES = tests/bench/relais-load.c tests/bench/load-options.c \
    tests/bench/load-figures.c tests/bench/load-message.c tests/bench/load-wire.c \
    tests/bench/load-wire.h tests/bench/load-inject.c tests/bench/load-idle.c \
    tests/bench/load-http.c tests/bench/load-sink.c tests/bench/load.h
tests_bench_relais_load_CPPFLAGS = -I$(top_builddir) $(OPENSSL_CFLAGS)
tests_bench_relais_load_LDADD = $(OPENSSL_LIBS) -lpthread

# A module for one of the rows; -rpath makes libtool build a shared object of what is not installed.
noinst_LTLIBRARIES += tests/bench/bench-stuck.la
tests_bench_bench_stuck_la_SOURCES = tests/bench/bench-stuck.c
tests_bench_bench_stuck_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_bench_bench_stuck_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS) -rpath /nowhere
tests_bench_bench_stuck_la_LIBADD = librelais.la $(GLIB_LIBS)
