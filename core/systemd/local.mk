# core/systemd: units, the user, the directories. Installed with configure --with-systemd.
EXTRA_DIST += core/systemd/relais.service.in core/systemd/relais.socket core/systemd/relais-submission.socket \
    core/systemd/relais.sysusers core/systemd/relais.tmpfiles.in
systemd_made = core/systemd/relais.service core/systemd/relais.tmpfiles
CLEANFILES += $(systemd_made)

$(systemd_made): Makefile
	$(AM_V_GEN)$(MKDIR_P) core/systemd && sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@bindir[@]|$(bindir)|g' \
	    -e 's|@spooldir[@]|$(localstatedir)/spool/relais|g' -e 's|@statedir[@]|$(localstatedir)/lib/relais|g' \
	    -e 's|@logdir[@]|$(localstatedir)/log/relais|g' -e 's|@rundir[@]|$(runstatedir)/relais|g' \
	    $(srcdir)/$@.in > $@
core/systemd/relais.service: $(srcdir)/core/systemd/relais.service.in
core/systemd/relais.tmpfiles: $(srcdir)/core/systemd/relais.tmpfiles.in

TESTS += tests/packages/test-units.py
EXTRA_DIST += tests/packages/test-units.py
check_DATA += $(systemd_made)

if SYSTEMD
systemdunitdir = $(with_systemd)
nodist_systemdunit_DATA = core/systemd/relais.service
dist_systemdunit_DATA = core/systemd/relais.socket core/systemd/relais-submission.socket
all-local: $(systemd_made)

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(prefix)/lib/sysusers.d' '$(DESTDIR)$(prefix)/lib/tmpfiles.d'
	$(INSTALL_DATA) $(srcdir)/core/systemd/relais.sysusers '$(DESTDIR)$(prefix)/lib/sysusers.d/relais.conf'
	$(INSTALL_DATA) core/systemd/relais.tmpfiles '$(DESTDIR)$(prefix)/lib/tmpfiles.d/relais.conf'

uninstall-hook:
	rm -f '$(DESTDIR)$(prefix)/lib/sysusers.d/relais.conf' '$(DESTDIR)$(prefix)/lib/tmpfiles.d/relais.conf'
endif
