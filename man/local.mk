# man: written by hand, but for the options of relais.conf(5), which tests/conf compares with the
# schema (RELAIS_REGENERATE=1 writes them anew), and for relais-api(3), which is made of the headers' comments.
dist_man_MANS += man/relaisd.8 man/relaisctl.1 man/relais.conf.5 man/relais-inspect.1 man/relais-sendmail.1 \
    man/relais-module.7 man/relais-module-tutorial.7
nodist_man_MANS += man/relais-api.3
EXTRA_DIST += man/reference.py
CLEANFILES += man/relais-api.3
man/relais-api.3: $(srcdir)/man/reference.py $(relaisinclude_HEADERS)
	$(AM_V_GEN)$(MKDIR_P) man && (cd $(srcdir) && $(PYTHON) man/reference.py $(relaisinclude_HEADERS)) >$@.new && mv $@.new $@
