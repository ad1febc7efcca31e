/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relais-inspect: what a module is. Everything is in the library.
 */
#include "mains-private.h"

int
main (int argc, char **argv)
{
    return relais_inspect_main (argc, argv);
}
