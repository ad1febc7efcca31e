# SPDX-License-Identifier: MIT
#
# relais.m4: for the configure.ac of a module for the Relais mail transfer agent; see relais-module(7).
# serial 1

# RELAIS_MODULE([API-VERSION])
#
# Finds the installed Relais (librelais-dev) by its relais.pc and checks that it has the API that the module is
# written for: the same major, and a minor that is not older. Wants LT_INIT and a C compiler; call it after them. Sets
# for Makefile.am:
#
#   RELAIS_CFLAGS          headers; for modules and their tests
#   RELAIS_LIBS            library; for both
#   RELAIS_MODULE_CFLAGS   RELAIS_CFLAGS, and no symbol is exported that is not marked
#   RELAIS_MODULE_LDFLAGS  a file NAME.so that has every symbol it needs and exports its descriptor alone
#   RELAIS_API_VERSION     of the installed Relais, as "0.1"
#   relaismoduledir        where NAME.so is installed: relaismodule_LTLIBRARIES
#   relaisconfdir          where the vendor's configuration is: relaisconf_DATA
#   RELAIS_INSPECT         the program relais-inspect; "" where there is none
AC_DEFUN([RELAIS_MODULE], [
AC_REQUIRE([PKG_PROG_PKG_CONFIG])dnl
m4_ifblank([$1], [m4_fatal([RELAIS_MODULE: say which API the module is written for, as in RELAIS_MODULE([0.1])])])dnl
m4_bmatch([$1], [^[0-9]+\.[0-9]+$], [], [m4_fatal([RELAIS_MODULE: expected an API version as 0.1, not $1])])dnl
AS_IF([test -z "$PKG_CONFIG"], [AC_MSG_ERROR([pkg-config is needed to find Relais: install it])])
AC_MSG_CHECKING([for Relais with the module API $1])
AS_IF([AC_RUN_LOG([$PKG_CONFIG --exists --print-errors relais])], [],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([relais.pc was not found. Install librelais-dev; if Relais was installed
under a prefix of its own, add PREFIX/lib/pkgconfig to PKG_CONFIG_PATH.])])
RELAIS_API_VERSION=`$PKG_CONFIG --variable=api_version relais`
relais_major=`expr "X$RELAIS_API_VERSION" : ['X\([0-9][0-9]*\)\.']`
relais_minor=`expr "X$RELAIS_API_VERSION" : ['X[0-9][0-9]*\.\([0-9][0-9]*\)$']`
AS_IF([test -z "$relais_major" || test -z "$relais_minor"],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([relais.pc names no api_version: it is no relais.pc of Relais, or damaged.])])
AC_MSG_RESULT([$RELAIS_API_VERSION])
relais_wanted_major=m4_bregexp([$1], [^\([0-9]+\)\.\([0-9]+\)$], [\1])
relais_wanted_minor=m4_bregexp([$1], [^\([0-9]+\)\.\([0-9]+\)$], [\2])
AS_IF([test "$relais_major" -ne "$relais_wanted_major"],
      [AC_MSG_ERROR([this module is written for the module API $1, and the Relais installed here has
$RELAIS_API_VERSION. Majors do not mix: build it with a Relais of its major, or port it.])])
AS_IF([test "$relais_minor" -lt "$relais_wanted_minor"],
      [AC_MSG_ERROR([this module is written for the module API $1, and the Relais installed here has
$RELAIS_API_VERSION. Upgrade Relais.])])
AS_IF([test "$relais_major" -eq 0 && test "$relais_minor" -ne "$relais_wanted_minor"],
      [AC_MSG_WARN([before 1.0 every minor may change what is there: this module is written for
$1, and is built for $RELAIS_API_VERSION now. See relais-module(7), "What may change".])])

RELAIS_CFLAGS=`$PKG_CONFIG --cflags relais`
RELAIS_LIBS=`$PKG_CONFIG --libs relais`
AS_IF([test -z "$RELAIS_LIBS"],
      [AC_MSG_ERROR([$PKG_CONFIG gives no flags for relais: run "$PKG_CONFIG --libs relais" to see why.])])
AC_ARG_WITH([relais-moduledir],
    [AS_HELP_STRING([--with-relais-moduledir=DIR], [where the module is installed @<:@as relais.pc says@:>@])],
    [relaismoduledir=$withval], [relaismoduledir=`$PKG_CONFIG --variable=moduledir relais`])
AC_ARG_WITH([relais-confdir],
    [AS_HELP_STRING([--with-relais-confdir=DIR], [where its configuration is installed @<:@as relais.pc says@:>@])],
    [relaisconfdir=$withval], [relaisconfdir=`$PKG_CONFIG --variable=confdir relais`])
RELAIS_MODULE_CFLAGS="$RELAIS_CFLAGS -fvisibility=hidden"
RELAIS_MODULE_LDFLAGS="-module -avoid-version -shared -Wl,-z,defs -export-symbols-regex ^relais_module_$relais_major\$\$"
relais_bindir=`$PKG_CONFIG --variable=bindir relais`
AC_PATH_PROG([RELAIS_INSPECT], [relais-inspect], [], [$relais_bindir$PATH_SEPARATOR$PATH])
AC_SUBST([RELAIS_CFLAGS])
AC_SUBST([RELAIS_LIBS])
AC_SUBST([RELAIS_MODULE_CFLAGS])
AC_SUBST([RELAIS_MODULE_LDFLAGS])
AC_SUBST([RELAIS_API_VERSION])
AC_SUBST([relaismoduledir])
AC_SUBST([relaisconfdir])
])
