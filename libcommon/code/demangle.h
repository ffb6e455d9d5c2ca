/*
 * demangle.h: linkage names of C++, Rust and D as people write them, by libiberty, as nm -C does.
 */
#ifndef DEMANGLE_BB_H
#define DEMANGLE_BB_H

#include "base/arena.h"

enum { DEMANGLE_MAX = 64 << 10 }; /* bytes; names that would become longer stay as they are */

/*
 * The name demangled, in the arena, without the hash of Rust; or `name` itself if it is not mangled
 * or not worth the risk: a short hostile name can stand for a text of any length. Always UTF-8 if
 * the name is.
 */
const char *demangle_name(struct arena *a, const char *name);

#endif
