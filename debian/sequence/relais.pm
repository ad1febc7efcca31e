# SPDX-License-Identifier: MIT
# debhelper's sequence for packages of modules for Relais: dh_relais before dh_installdeb takes the scripts.
use warnings;
use strict;
use Debian::Debhelper::Dh_Lib;

insert_before('dh_installdeb', 'dh_relais');

1;
