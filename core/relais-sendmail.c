/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * sendmail: see core/sendmail.c.
 */
#include "mains-private.h"

int
main (int argc, char **argv)
{
    return relais_sendmail_main (argc, argv);
}
