# data: what authors of modules get besides headers and library: relais.pc, the macro for their configure.ac (m4), and the templates of
# `relaisctl module new`. All of it is under the MIT licence.
dist_aclocal_DATA += m4/relais.m4
pkgconfig_DATA += core/relais.pc

skeletondir = $(datadir)/relais/skeleton
skeletondebiandir = $(skeletondir)/debian
skeletonsourcedir = $(skeletondebiandir)/source
dist_skeleton_DATA = data/skeleton/Makefile.am data/skeleton/README data/skeleton/configure.ac \
    data/skeleton/module.c data/skeleton/module.conf data/skeleton/test-module.c
dist_skeletondebian_DATA = data/skeleton/debian/changelog data/skeleton/debian/control \
    data/skeleton/debian/copyright data/skeleton/debian/rules
dist_skeletonsource_DATA = data/skeleton/debian/source/format

.PHONY: install-skeleton
install-skeleton: install-dist_skeletonDATA install-dist_skeletondebianDATA install-dist_skeletonsourceDATA
