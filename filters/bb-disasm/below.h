/*
 * below.h: a file by a name that is not to be trusted, as those in thin archives: only a regular
 * file below a folder, with no symbolic link on the way.
 */
#ifndef BELOW_H
#define BELOW_H

#include "base/base.h"

/*
 * Opens the file `name` below the folder that `beside` is in. Nothing that is no regular file is
 * opened. A file descriptor to read from, or -1 with the reason.
 */
int below_open(const char *beside, const char *name, struct err *e) MUST_CHECK;

#endif
