# tests/e2e: modules that the scripts load.
noinst_LTLIBRARIES += tests/e2e/judge.la
tests_e2e_judge_la_SOURCES = tests/e2e/judge.c
tests_e2e_judge_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_e2e_judge_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS) -rpath /nowhere
tests_e2e_judge_la_LIBADD = librelais.la $(GLIB_LIBS)
noinst_LTLIBRARIES += tests/e2e/courier.la
tests_e2e_courier_la_SOURCES = tests/e2e/courier.c
tests_e2e_courier_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_e2e_courier_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS) -rpath /nowhere
tests_e2e_courier_la_LIBADD = librelais.la $(GLIB_LIBS)
noinst_LTLIBRARIES += tests/e2e/contain.la
tests_e2e_contain_la_SOURCES = tests/e2e/contain.c
tests_e2e_contain_la_CPPFLAGS = $(RELAIS_MODULE_CPPFLAGS)
tests_e2e_contain_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS) -rpath /nowhere
tests_e2e_contain_la_LIBADD = librelais.la $(GLIB_LIBS)
