/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * relaisctl: see core/ctl.c.
 */
#include "mains-private.h"

int
main (int argc, char **argv)
{
    return relais_ctl_main (argc, argv);
}
