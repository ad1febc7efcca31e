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
fuzz_ldadd = tests/fuzz/libfuzz.la $(CORE_TEST_LDADD)
fuzz_ldflags = $(AM_LDFLAGS) $(RELAIS_FUZZ_LD)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/run tests/fuzz/RESULTS

FUZZ_TARGETS = \
    tests/fuzz/address tests/fuzz/command tests/fuzz/conf tests/fuzz/dkim tests/fuzz/dns tests/fuzz/event tests/fuzz/framing \
    tests/fuzz/header tests/fuzz/html tests/fuzz/http-head tests/fuzz/leaf tests/fuzz/mime tests/fuzz/outgoing tests/fuzz/plain tests/fuzz/proxy tests/fuzz/record tests/fuzz/recovery \
    tests/fuzz/reply tests/fuzz/serial tests/fuzz/tracking-rules tests/fuzz/transfer tests/fuzz/url tests/fuzz/wire
if GDBM
FUZZ_TARGETS += tests/fuzz/store-record
tests_fuzz_store_record_SOURCES = tests/fuzz/store-record.c modules/store-gdbm/record.c
tests_fuzz_store_record_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/store-gdbm -I$(top_builddir) $(RELAIS_MODULE_CPPFLAGS) $(XXHASH_CFLAGS)
tests_fuzz_store_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_store_record_LDADD = $(fuzz_ldadd) $(XXHASH_LIBS)
endif
check_PROGRAMS += $(FUZZ_TARGETS)
tests_fuzz_address_SOURCES = tests/fuzz/address.c
tests_fuzz_address_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_address_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_address_LDADD = $(fuzz_ldadd)
tests_fuzz_command_SOURCES = tests/fuzz/command.c
tests_fuzz_command_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_command_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_command_LDADD = $(fuzz_ldadd)
tests_fuzz_conf_SOURCES = tests/fuzz/conf.c
tests_fuzz_conf_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_conf_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_conf_LDADD = $(fuzz_ldadd)
tests_fuzz_dkim_SOURCES = tests/fuzz/dkim.c modules/dkim/canon.c
tests_fuzz_dkim_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/dkim -I$(top_builddir) $(RELAIS_MODULE_CPPFLAGS) $(OPENSSL_CFLAGS)
tests_fuzz_dkim_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_dkim_LDADD = $(fuzz_ldadd)
tests_fuzz_dns_SOURCES = tests/fuzz/dns.c
tests_fuzz_dns_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_dns_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_dns_LDADD = $(fuzz_ldadd)
tests_fuzz_event_SOURCES = tests/fuzz/event.c
tests_fuzz_event_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_event_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_event_LDADD = $(fuzz_ldadd)
tests_fuzz_framing_SOURCES = tests/fuzz/framing.c
tests_fuzz_framing_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_framing_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_framing_LDADD = $(fuzz_ldadd)
tests_fuzz_header_SOURCES = tests/fuzz/header.c
tests_fuzz_header_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_header_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_header_LDADD = $(fuzz_ldadd)
tests_fuzz_html_SOURCES = tests/fuzz/html.c
tests_fuzz_html_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_html_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_html_LDADD = $(fuzz_ldadd)
tests_fuzz_http_head_SOURCES = tests/fuzz/http-head.c
tests_fuzz_http_head_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_http_head_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_http_head_LDADD = $(fuzz_ldadd)
tests_fuzz_leaf_SOURCES = tests/fuzz/leaf.c $(leaf_check)
tests_fuzz_leaf_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/message
tests_fuzz_leaf_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_leaf_LDADD = $(fuzz_ldadd)
tests_fuzz_mime_SOURCES = tests/fuzz/mime.c
tests_fuzz_mime_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_mime_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_mime_LDADD = $(fuzz_ldadd)
tests_fuzz_outgoing_SOURCES = tests/fuzz/outgoing.c
tests_fuzz_outgoing_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_outgoing_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_outgoing_LDADD = $(fuzz_ldadd)
tests_fuzz_plain_SOURCES = tests/fuzz/plain.c
tests_fuzz_plain_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_plain_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_plain_LDADD = $(fuzz_ldadd)
tests_fuzz_proxy_SOURCES = tests/fuzz/proxy.c
tests_fuzz_proxy_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_proxy_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_proxy_LDADD = $(fuzz_ldadd)
tests_fuzz_record_SOURCES = tests/fuzz/record.c
tests_fuzz_record_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_record_LDADD = $(fuzz_ldadd)
tests_fuzz_recovery_SOURCES = tests/fuzz/recovery.c $(spool_fixture)
tests_fuzz_recovery_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/spool
tests_fuzz_recovery_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_recovery_LDADD = $(fuzz_ldadd)
tests_fuzz_reply_SOURCES = tests/fuzz/reply.c
tests_fuzz_reply_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_reply_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_reply_LDADD = $(fuzz_ldadd)
tests_fuzz_serial_SOURCES = tests/fuzz/serial.c
tests_fuzz_serial_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_serial_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_serial_LDADD = $(fuzz_ldadd)
tests_fuzz_tracking_rules_SOURCES = tests/fuzz/tracking-rules.c $(tracking_who_sources)
tests_fuzz_tracking_rules_CPPFLAGS = -I$(top_srcdir)/modules/tracking $(CORE_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
tests_fuzz_tracking_rules_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_tracking_rules_LDADD = $(fuzz_ldadd)
tests_fuzz_transfer_SOURCES = tests/fuzz/transfer.c
tests_fuzz_transfer_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_transfer_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_transfer_LDADD = $(fuzz_ldadd)
tests_fuzz_url_SOURCES = tests/fuzz/url.c $(click_redirector_sources)
tests_fuzz_url_CPPFLAGS = -I$(top_srcdir)/modules/click-redirector $(CORE_CPPFLAGS)
tests_fuzz_url_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_url_LDADD = $(fuzz_ldadd) $(IDN2_LIBS)
tests_fuzz_wire_SOURCES = tests/fuzz/wire.c
tests_fuzz_wire_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_wire_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_wire_LDADD = $(fuzz_ldadd)
