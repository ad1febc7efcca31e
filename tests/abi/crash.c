/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A module that ends the process as soon as it is mapped.
 */
#include <stdlib.h>

static __attribute__ ((constructor)) void
crash (void)
{
    abort ();
}
