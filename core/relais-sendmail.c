/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * sendmail: see core/sendmail.c. A process of its own with one thread.
 */
#include "mains-private.h"

int
main (int argc, char **argv)
{
    return relais_sendmail_main (argc, argv);
}
