/* SPDX-License-Identifier: MIT
 *
 * The one place where the ABI's number stands. configure.ac reads it from here and feeds the
 * soname, the symbol map's node, the module directory, relais.pc and the packages.
 *
 * RELAIS_API_MAJOR is compared exactly, RELAIS_API_MINOR is the newest symbol node of the library.
 * While the major is 0 nothing is frozen: a module built against another 0.M is refused.
 */
#pragma once

#define RELAIS_API_MAJOR 0
#define RELAIS_API_MINOR 1

/* The product's version; unrelated to the ABI's. */
#define RELAIS_VERSION "0.1.0"
