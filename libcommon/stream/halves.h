/*
 * halves.h: columns of small numbers as half-bytes: lengths of instructions, sizes of blocks,
 * distances. man 5 bb-stream, "halves" and "numbers".
 *
 * halves: numbers from 1 to 15, two to a byte, the first in the low half; behind an odd number of
 * them comes a half of 0. numbers: each in groups of three bits, the lowest first, a half-byte for
 * each group, whose highest bit says that another one follows; behind an odd number of halves comes
 * one of 8, a group that says that another one follows where none does.
 */
#ifndef HALVES_H
#define HALVES_H

#include "stream/field.h"

/* Bytes that a column of n numbers may need, and what is written behind it. */
static inline size_t halves_room(size_t n)
{
	return 6 * n + 24;
}

/* Write the CBOR byte string of the column to where halves_room are; return its end. */
uint8_t *halves_put(uint8_t *to, const struct u8s *v);
uint8_t *halves_put_numbers(uint8_t *to, const struct u32s *v);
/* Ascending numbers, by the differences: the first item from 0, each other from the one before. */
uint8_t *halves_put_steps(uint8_t *to, const struct u32s *v);
/* Signed numbers: 0, -1, 1, -2 ... are 0, 1, 2, 3 ... */
uint8_t *halves_put_signed(uint8_t *to, const struct i32s *v);

/* The column in n bytes at p; memory from the arena, at most 8 bytes for each. 0, or -1: damaged.
 */
void halves_get(const uint8_t *p, size_t n, struct u8s *v, struct arena *a);
int halves_get_numbers(const uint8_t *p, size_t n, struct u32s *v, struct arena *a) MUST_CHECK;
int halves_get_steps(const uint8_t *p, size_t n, struct u32s *v, struct arena *a) MUST_CHECK;
int halves_get_signed(const uint8_t *p, size_t n, struct i32s *v, struct arena *a) MUST_CHECK;

#endif
