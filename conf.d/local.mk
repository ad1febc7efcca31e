# conf.d: what is shipped. Lines that change something are commented out, but for lists of facts; tests/conf uncomments
# and checks it.
shipped_conf = conf.d/00-relais.conf conf.d/bounce.conf conf.d/bounce-rules.conf conf.d/click-redirector.conf \
    conf.d/dkim.conf conf.d/dmarc.conf conf.d/dnsbl-monitor.conf conf.d/milter.conf conf.d/open-tracker.conf \
    conf.d/spf-check.conf conf.d/store-gdbm.conf conf.d/throttle.conf conf.d/throttle-providers.conf conf.d/unsubscribe.conf
vendorconf_DATA += $(shipped_conf)
EXTRA_DIST += $(shipped_conf)
