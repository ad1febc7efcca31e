# man: written by hand, but for the options of relais.conf(5), which tests/conf compares with the
# schema (RELAIS_REGENERATE=1 writes them anew).
dist_man_MANS += man/relaisd.8 man/relaisctl.1 man/relais.conf.5 man/relais-inspect.1
