/*
 * survey.h: what can only be said of functions when all of them are known: which never return, and
 * which are parts that the compiler moved away from another function.
 */
#ifndef SURVEY_H
#define SURVEY_H

#include "code/functions.h"

/*
 * Looks at the branches of all functions. Sets func.no_return; sets FUNC_PART and func.owner, the
 * function a part belongs to, and takes FUNC_PART away where it was a mistake. The lengths of
 * instructions are kept in functions.len: they cost half of the work of whoever comes next.
 */
void survey_functions(struct functions *fs, const struct elf *f);

#endif
