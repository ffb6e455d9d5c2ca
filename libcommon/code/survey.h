/*
 * survey.h: what can only be said of functions when all of them are known: which never return, and
 * which are parts that the compiler moved away from another function.
 */
#ifndef SURVEY_H
#define SURVEY_H

#include "base/par.h"
#include "code/functions.h"

/* Who does the work. */
struct survey_crew {
	struct insn_decoder *const *d; /* one for each thread */
	struct par *par;               /* NULL: the caller alone */
};

/*
 * Looks at the branches of all functions, and has those in gaps found. Sets func.scan and
 * func.ninsns; sets func.no_return; sets FUNC_PART and func.owner, the function a part belongs to,
 * and takes FUNC_PART away where it was a mistake.
 */
void survey_functions(struct functions *fs, const struct elf *f, const struct survey_crew *crew);

#endif
