/*
 * field_table.h: short forms for writing field tables, for the .c files of formats.
 *
 *	F(struct tokens, unit, FIELD_TEXT, REQ, "strand, block or function")
 */
#ifndef FIELD_TABLE_H
#define FIELD_TABLE_H

#include "stream/field.h"

#define REQ FIELD_REQUIRED
#define OPT 0

/* The key is the member's name. */
#define F(type, member, kind, flags, doc)                                             \
	{                                                                             \
		FIELD_KEY(#member), kind, flags, offsetof(type, member), 0, NULL, doc \
	}
#define F_SIZED(type, member, n, flags, doc)                                                 \
	{                                                                                    \
		FIELD_KEY(#member), FIELD_BYTES, flags, offsetof(type, member), n, NULL, doc \
	}
#define F_SUB(type, member, kind, flags, sub, doc)                                   \
	{                                                                            \
		FIELD_KEY(#member), kind, flags, offsetof(type, member), 0, sub, doc \
	}

#define FIELDS(name, type, table)                          \
	{                                                  \
		name, sizeof(type), table, COUNT_OF(table) \
	}

#endif
