/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisd: the daemon. Everything is in the library.
 */
#include "mains-private.h"

int
main (int argc, char **argv)
{
    return relais_daemon_main (argc, argv);
}
