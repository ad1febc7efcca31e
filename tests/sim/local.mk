# tests/sim: the simulated internet. Built by make, run by tests/sim/run and the end-to-end tests.
noinst_PROGRAMS += tests/sim/relais-internet
tests_sim_relais_internet_SOURCES = tests/sim/relais-internet.c tests/sim/scenario.c tests/sim/limit.c \
    tests/sim/ideal.c tests/sim/clock.c tests/sim/peer.c tests/sim/inject.c tests/sim/report.c \
    tests/sim/internet.h
tests_sim_relais_internet_CPPFLAGS = $(CORE_CPPFLAGS)
tests_sim_relais_internet_LDADD = $(GLIB_LIBS)
