# tests/fuzz: a fuzz target a parser. Linked with our own driver, which replays the corpus and runs a
# bounded number of mutations (make check); with libFuzzer instead after configure --enable-fuzzers
# CC=clang. tests/fuzz/run runs either for longer; tests/fuzz/coverage tells which lines the seeds reach.
#
# What peers say, and the targets that read it (each names its parsers' files, for tests/fuzz/coverage):
#   commands, path parameters, BDAT's    command            PROXY, XCLIENT          proxy, xclient
#   replies, EHLO's offers               reply, caps        addresses               address
#   DATA and BDAT framing                framing            headers, their text     header, text
#   SASL: PLAIN and LOGIN, SCRAM         plain, scram       MIME, edits, what goes  mime, leaf, outgoing, transfer
#   a server's first SCRAM challenge     caps               links in HTML, URLs     html, url
#   DNS answers, names                   dns                DKIM                    dkim, dkim-key, dkim-signature, dkim-verify
#   SPF, DMARC                           spf-*, dmarc-record  DSN, ARF, bounces     report, bounce-rules, throttle-rules
#   TLSA, MTA-STS, TLSRPT                tlsa, sts, tlsrpt  milters' answers        milter
#   HTTP heads, forwarding, languages    http-head, language  HTML forms            unsubscribe
#   tokens and their keys                token              the control socket      wire
# What is read from files: record, recovery, serial (spool), store-record, suppress-line, suppress-rows, event, crash,
# catalogue, conf, options, descriptor, tracking-rules, throttle-rates.
check_LTLIBRARIES += tests/fuzz/libfuzz.la
tests_fuzz_libfuzz_la_SOURCES = tests/fuzz/quiet.c tests/fuzz/fuzz.h
tests_fuzz_libfuzz_la_CPPFLAGS = $(CORE_CPPFLAGS)
if !FUZZERS
tests_fuzz_libfuzz_la_SOURCES += tests/fuzz/driver.c
TESTS += $(FUZZ_TARGETS)
endif
fuzz_ldadd = tests/fuzz/libfuzz.la $(CORE_TEST_LDADD)
fuzz_ldflags = $(AM_LDFLAGS) $(RELAIS_FUZZ_LD)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/coverage tests/fuzz/quick-changed.py tests/fuzz/run tests/fuzz/targets.py tests/fuzz/unreached tests/fuzz/RESULTS tests/fuzz/RESULTS.coverage

FUZZ_TARGETS = \
    tests/fuzz/address \
    tests/fuzz/bounce-rules \
    tests/fuzz/caps \
    tests/fuzz/catalogue \
    tests/fuzz/command \
    tests/fuzz/conf \
    tests/fuzz/crash \
    tests/fuzz/descriptor \
    tests/fuzz/dkim \
    tests/fuzz/dkim-key \
    tests/fuzz/dkim-signature \
    tests/fuzz/dkim-verify \
    tests/fuzz/dmarc-record \
    tests/fuzz/dns \
    tests/fuzz/event \
    tests/fuzz/framing \
    tests/fuzz/header \
    tests/fuzz/html \
    tests/fuzz/http-head \
    tests/fuzz/language \
    tests/fuzz/leaf \
    tests/fuzz/milter \
    tests/fuzz/mime \
    tests/fuzz/options \
    tests/fuzz/outgoing \
    tests/fuzz/plain \
    tests/fuzz/proxy \
    tests/fuzz/record \
    tests/fuzz/recovery \
    tests/fuzz/reply \
    tests/fuzz/report \
    tests/fuzz/scram \
    tests/fuzz/serial \
    tests/fuzz/spf-macro \
    tests/fuzz/spf-record \
    tests/fuzz/sts \
    tests/fuzz/suppress-line \
    tests/fuzz/suppress-rows \
    tests/fuzz/text \
    tests/fuzz/throttle-rates \
    tests/fuzz/throttle-rules \
    tests/fuzz/tlsa \
    tests/fuzz/tlsrpt \
    tests/fuzz/token \
    tests/fuzz/tracking-rules \
    tests/fuzz/transfer \
    tests/fuzz/unsubscribe \
    tests/fuzz/url \
    tests/fuzz/wire \
    tests/fuzz/xclient
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
tests_fuzz_bounce_rules_SOURCES = tests/fuzz/bounce-rules.c tests/fuzz/shipped.h $(bounce_rule_sources)
tests_fuzz_bounce_rules_CPPFLAGS = $(CORE_CPPFLAGS) $(bounce_test_cppflags)
tests_fuzz_bounce_rules_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_bounce_rules_LDADD = $(fuzz_ldadd) $(REPLIES_LIBS)
tests_fuzz_caps_SOURCES = tests/fuzz/caps.c
tests_fuzz_caps_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_caps_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_caps_LDADD = $(fuzz_ldadd)
tests_fuzz_catalogue_SOURCES = tests/fuzz/catalogue.c
tests_fuzz_catalogue_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_catalogue_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_catalogue_LDADD = $(fuzz_ldadd)
tests_fuzz_command_SOURCES = tests/fuzz/command.c
tests_fuzz_command_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_command_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_command_LDADD = $(fuzz_ldadd)
tests_fuzz_crash_SOURCES = tests/fuzz/crash.c
tests_fuzz_crash_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_crash_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_crash_LDADD = $(fuzz_ldadd)
tests_fuzz_conf_SOURCES = tests/fuzz/conf.c
tests_fuzz_conf_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_conf_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_conf_LDADD = $(fuzz_ldadd)
tests_fuzz_dkim_SOURCES = tests/fuzz/dkim.c modules/dkim/canon.c
tests_fuzz_dkim_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/dkim -I$(top_builddir) $(RELAIS_MODULE_CPPFLAGS) $(OPENSSL_CFLAGS)
tests_fuzz_dkim_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_dkim_LDADD = $(fuzz_ldadd)
tests_fuzz_dkim_key_SOURCES = tests/fuzz/dkim-key.c $(dkim_parsers)
tests_fuzz_dkim_key_CPPFLAGS = $(tests_fuzz_dkim_CPPFLAGS)
tests_fuzz_dkim_key_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_dkim_key_LDADD = $(fuzz_ldadd)
tests_fuzz_dkim_signature_SOURCES = tests/fuzz/dkim-signature.c $(dkim_parsers)
tests_fuzz_dkim_signature_CPPFLAGS = $(tests_fuzz_dkim_CPPFLAGS)
tests_fuzz_dkim_signature_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_dkim_signature_LDADD = $(fuzz_ldadd)
tests_fuzz_dkim_verify_SOURCES = tests/fuzz/dkim-verify.c $(dkim_parsers) modules/dkim/answer.c modules/dkim/canon.c \
    modules/dkim/verify.c
tests_fuzz_dkim_verify_CPPFLAGS = $(tests_fuzz_dkim_CPPFLAGS)
tests_fuzz_dkim_verify_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_dkim_verify_LDADD = $(fuzz_ldadd) $(OPENDKIM_LIBS)
tests_fuzz_dmarc_record_SOURCES = tests/fuzz/dmarc-record.c $(dmarc_pure_sources)
tests_fuzz_dmarc_record_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/dmarc -I$(top_builddir) $(RELAIS_MODULE_CPPFLAGS)
tests_fuzz_dmarc_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_dmarc_record_LDADD = $(fuzz_ldadd)
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
tests_fuzz_text_SOURCES = tests/fuzz/text.c
tests_fuzz_text_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_text_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_text_LDADD = $(fuzz_ldadd)
tests_fuzz_language_SOURCES = tests/fuzz/language.c
tests_fuzz_language_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_language_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_language_LDADD = $(fuzz_ldadd)
tests_fuzz_leaf_SOURCES = tests/fuzz/leaf.c $(leaf_check)
tests_fuzz_leaf_CPPFLAGS = $(CORE_CPPFLAGS) -I$(srcdir)/tests/message
tests_fuzz_leaf_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_leaf_LDADD = $(fuzz_ldadd)
tests_fuzz_milter_SOURCES = tests/fuzz/milter.c $(milter_pure_sources)
tests_fuzz_milter_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/milter -I$(top_builddir) $(RELAIS_MODULE_CPPFLAGS)
tests_fuzz_milter_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_milter_LDADD = $(fuzz_ldadd)
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
tests_fuzz_record_SOURCES = tests/fuzz/record.c tests/fuzz/edits.h
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
tests_fuzz_report_SOURCES = tests/fuzz/report.c $(bounce_report_test_sources)
tests_fuzz_report_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/bounce -I$(top_builddir) $(REPLIES_CPPFLAGS) $(RELAIS_MODULE_CPPFLAGS)
tests_fuzz_report_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_report_LDADD = $(fuzz_ldadd)
tests_fuzz_scram_SOURCES = tests/fuzz/scram.c
tests_fuzz_scram_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_scram_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_scram_LDADD = $(fuzz_ldadd)
tests_fuzz_serial_SOURCES = tests/fuzz/serial.c
tests_fuzz_serial_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_serial_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_serial_LDADD = $(fuzz_ldadd)
tests_fuzz_spf_macro_SOURCES = tests/fuzz/spf-macro.c modules/spf-check/macro.c modules/spf-check/name.c
tests_fuzz_spf_macro_CPPFLAGS = -I$(top_srcdir)/modules/spf-check -I$(top_builddir) $(GLIB_CFLAGS)
tests_fuzz_spf_macro_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_spf_macro_LDADD = $(fuzz_ldadd)
tests_fuzz_spf_record_SOURCES = tests/fuzz/spf-record.c $(spf_sources)
tests_fuzz_spf_record_CPPFLAGS = -I$(top_srcdir)/modules/spf-check -I$(top_builddir) $(GLIB_CFLAGS)
tests_fuzz_spf_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_spf_record_LDADD = $(fuzz_ldadd)
tests_fuzz_throttle_rates_SOURCES = tests/fuzz/throttle-rates.c $(throttle_pure_sources)
tests_fuzz_throttle_rates_CPPFLAGS = $(throttle_pure_cppflags) -I$(top_builddir)
tests_fuzz_throttle_rates_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_throttle_rates_LDADD = $(fuzz_ldadd)
tests_fuzz_throttle_rules_SOURCES = tests/fuzz/throttle-rules.c tests/fuzz/shipped.h $(throttle_rules_sources) $(throttle_lint_sources)
tests_fuzz_throttle_rules_CPPFLAGS = $(CORE_CPPFLAGS) $(THROTTLE_RULES_CPPFLAGS)
tests_fuzz_throttle_rules_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_throttle_rules_LDADD = $(fuzz_ldadd) $(REPLIES_LIBS)
tests_fuzz_tlsa_SOURCES = tests/fuzz/tlsa.c
tests_fuzz_tlsa_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_tlsa_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_tlsa_LDADD = $(fuzz_ldadd)
tests_fuzz_tlsrpt_SOURCES = tests/fuzz/tlsrpt.c
tests_fuzz_tlsrpt_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_tlsrpt_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_tlsrpt_LDADD = $(fuzz_ldadd)
tests_fuzz_token_SOURCES = tests/fuzz/token.c
tests_fuzz_token_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_token_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_token_LDADD = $(fuzz_ldadd)
tests_fuzz_tracking_rules_SOURCES = tests/fuzz/tracking-rules.c $(tracking_who_sources)
tests_fuzz_tracking_rules_CPPFLAGS = -I$(top_srcdir)/modules/tracking $(CORE_CPPFLAGS) -DGETTEXT_PACKAGE=\"relais\"
tests_fuzz_tracking_rules_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_tracking_rules_LDADD = $(fuzz_ldadd)
tests_fuzz_sts_SOURCES = tests/fuzz/sts.c
tests_fuzz_sts_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_sts_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_sts_LDADD = $(fuzz_ldadd)
tests_fuzz_suppress_line_SOURCES = tests/fuzz/suppress-line.c
tests_fuzz_suppress_line_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_suppress_line_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_suppress_line_LDADD = $(fuzz_ldadd)
tests_fuzz_suppress_rows_SOURCES = tests/fuzz/suppress-rows.c
tests_fuzz_suppress_rows_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_suppress_rows_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_suppress_rows_LDADD = $(fuzz_ldadd)
tests_fuzz_transfer_SOURCES = tests/fuzz/transfer.c
tests_fuzz_transfer_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_transfer_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_transfer_LDADD = $(fuzz_ldadd)
tests_fuzz_unsubscribe_SOURCES = tests/fuzz/unsubscribe.c modules/unsubscribe/form.c modules/unsubscribe/identity.c
tests_fuzz_unsubscribe_CPPFLAGS = -DRELAIS_STATIC -I$(top_srcdir)/modules/unsubscribe -I$(top_srcdir)/modules/tracking -I$(top_builddir) $(RELAIS_MODULE_CPPFLAGS)
tests_fuzz_unsubscribe_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_unsubscribe_LDADD = $(fuzz_ldadd)
tests_fuzz_url_SOURCES = tests/fuzz/url.c $(click_redirector_sources)
tests_fuzz_url_CPPFLAGS = -I$(top_srcdir)/modules/click-redirector $(CORE_CPPFLAGS)
tests_fuzz_url_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_url_LDADD = $(fuzz_ldadd) $(IDN2_LIBS)
tests_fuzz_wire_SOURCES = tests/fuzz/wire.c
tests_fuzz_wire_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_wire_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_wire_LDADD = $(fuzz_ldadd)
tests_fuzz_xclient_SOURCES = tests/fuzz/xclient.c
tests_fuzz_xclient_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_xclient_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_xclient_LDADD = $(fuzz_ldadd)
tests_fuzz_descriptor_SOURCES = tests/fuzz/descriptor.c
tests_fuzz_descriptor_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_descriptor_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_descriptor_LDADD = $(fuzz_ldadd)
tests_fuzz_options_SOURCES = tests/fuzz/options.c
tests_fuzz_options_CPPFLAGS = $(CORE_CPPFLAGS)
tests_fuzz_options_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_options_LDADD = $(fuzz_ldadd)
