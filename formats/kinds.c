/* kinds.c: see kinds.h. */
#include "formats/kinds.h"

#include <string.h>

#include "formats/embedding.h"
#include "formats/function.h"
#include "formats/match.h"
#include "formats/prediction.h"
#include "formats/sequence.h"
#include "formats/tokens.h"

const struct kind *const kinds_all[] = {&function_kind, &sequence_kind, &tokens_kind,
	&embedding_kind, &match_kind, &prediction_kind, NULL};

const struct kind *kinds_find(const char *name)
{
	for (size_t i = 0; kinds_all[i]; i++)
		if (!strcmp(kinds_all[i]->name, name))
			return kinds_all[i];
	return NULL;
}
