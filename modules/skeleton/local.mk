# modules/skeleton: the templates of `relaisctl module new`, a module to begin with, and what else authors of modules get
# besides headers and library: relais.pc and the macro for their configure.ac (m4). All of it is under the MIT licence.
dist_aclocal_DATA += m4/relais.m4
pkgconfig_DATA += core/relais.pc

skeletondir = $(datadir)/relais/skeleton
skeletondebiandir = $(skeletondir)/debian
skeletonsourcedir = $(skeletondebiandir)/source
dist_skeleton_DATA = modules/skeleton/Makefile.am modules/skeleton/README modules/skeleton/configure.ac \
    modules/skeleton/module.c modules/skeleton/module.conf modules/skeleton/test-module.c
dist_skeletondebian_DATA = modules/skeleton/debian/changelog modules/skeleton/debian/control \
    modules/skeleton/debian/copyright modules/skeleton/debian/rules
dist_skeletonsource_DATA = modules/skeleton/debian/source/format

.PHONY: install-skeleton
install-skeleton: install-dist_skeletonDATA install-dist_skeletondebianDATA install-dist_skeletonsourceDATA
