# data/systemd: units, the user, the directories. Installed with configure --with-systemd.
EXTRA_DIST += data/systemd/relais.service.in data/systemd/relais.socket data/systemd/relais-submission.socket \
    data/systemd/relais.sysusers data/systemd/relais.tmpfiles.in
systemd_made = data/systemd/relais.service data/systemd/relais.tmpfiles
CLEANFILES += $(systemd_made)

$(systemd_made): Makefile
	$(AM_V_GEN)$(MKDIR_P) data/systemd && sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
	    -e 's|@spooldir[@]|$(localstatedir)/spool/relais|g' -e 's|@statedir[@]|$(localstatedir)/lib/relais|g' \
	    -e 's|@logdir[@]|$(localstatedir)/log/relais|g' -e 's|@rundir[@]|$(runstatedir)/relais|g' \
	    $(srcdir)/$@.in > $@
data/systemd/relais.service: $(srcdir)/data/systemd/relais.service.in
data/systemd/relais.tmpfiles: $(srcdir)/data/systemd/relais.tmpfiles.in

TESTS += tests/packages/test-units.py
EXTRA_DIST += tests/packages/test-units.py
check_DATA += $(systemd_made)

if SYSTEMD
systemdunitdir = $(with_systemd)
nodist_systemdunit_DATA = data/systemd/relais.service
dist_systemdunit_DATA = data/systemd/relais.socket data/systemd/relais-submission.socket
all-local: $(systemd_made)

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(prefix)/lib/sysusers.d' '$(DESTDIR)$(prefix)/lib/tmpfiles.d'
	$(INSTALL_DATA) $(srcdir)/data/systemd/relais.sysusers '$(DESTDIR)$(prefix)/lib/sysusers.d/relais.conf'
	$(INSTALL_DATA) data/systemd/relais.tmpfiles '$(DESTDIR)$(prefix)/lib/tmpfiles.d/relais.conf'

uninstall-hook:
	rm -f '$(DESTDIR)$(prefix)/lib/sysusers.d/relais.conf' '$(DESTDIR)$(prefix)/lib/tmpfiles.d/relais.conf'
endif
