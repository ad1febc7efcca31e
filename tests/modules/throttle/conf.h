/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configurations for tests of the rules, read as the daemon reads them but without the module around them.
 */
#pragma once

#include "conf/conf-private.h"

/* Of a file of that text, or of the files of a directory. Fails the test if there is an error. */
RelaisConfig *test_conf_of_text (const char *text);
RelaisConfig *test_conf_of_dir (const char *dir);
/* conf.d of the source tree. */
RelaisConfig *test_conf_shipped (void);
