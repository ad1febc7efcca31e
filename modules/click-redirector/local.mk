# modules/click-redirector: what it knows of links, and its tests (tests/modules/click-redirector).
click_redirector_sources = modules/click-redirector/links.c modules/click-redirector/links.h \
    modules/click-redirector/plain.c modules/click-redirector/plain.h \
    modules/click-redirector/url.c modules/click-redirector/url.h

module_LTLIBRARIES += modules/click-redirector/click-redirector.la
modules_click_redirector_click_redirector_la_SOURCES = modules/click-redirector/click-redirector.c \
    modules/click-redirector/click.h modules/click-redirector/kills.c modules/click-redirector/kills.h \
    modules/click-redirector/rewrite.c $(click_redirector_sources) $(tracking_sources)
modules_click_redirector_click_redirector_la_CPPFLAGS = $(TRACKING_CPPFLAGS) $(IDN2_CFLAGS)
modules_click_redirector_click_redirector_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_click_redirector_click_redirector_la_LIBADD = librelais.la $(GLIB_LIBS) $(IDN2_LIBS)

click_redirector_test_cppflags = -I$(top_srcdir)/modules/click-redirector $(GLIB_CFLAGS) $(IDN2_CFLAGS)

check_PROGRAMS += tests/modules/click-redirector/test-url
TESTS += tests/modules/click-redirector/test-url
tests_modules_click_redirector_test_url_SOURCES = tests/modules/click-redirector/test-url.c \
    tests/modules/click-redirector/url-table.h $(click_redirector_sources)
tests_modules_click_redirector_test_url_CPPFLAGS = $(click_redirector_test_cppflags)
tests_modules_click_redirector_test_url_LDADD = $(GLIB_LIBS) $(IDN2_LIBS)

# What tests/e2e/quick-urls.py compares with a browser.
noinst_PROGRAMS += tests/modules/click-redirector/url
tests_modules_click_redirector_url_SOURCES = tests/modules/click-redirector/url.c \
    tests/modules/click-redirector/url-table.h modules/click-redirector/url.c \
    modules/click-redirector/url.h
tests_modules_click_redirector_url_CPPFLAGS = $(click_redirector_test_cppflags)
tests_modules_click_redirector_url_LDADD = $(GLIB_LIBS) $(IDN2_LIBS)
