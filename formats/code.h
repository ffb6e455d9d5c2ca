/*
 * code.h: what function and sequence share: bytes of instructions and their lengths.
 */
#ifndef CODE_H
#define CODE_H

#include "stream/field.h"

/* The lengths must be 1 to 15 and add up to the number of bytes. 0 or -1. */
int code_check(const struct u8s *code, const struct u8s *len, struct err *e);
/* The architecture name must not be empty, labels need no check. 0 or -1. */
int code_check_arch(const char *arch, struct err *e);
/* At least one random one-byte or longer instruction (bytes need not decode). */
void code_sample(struct u8s *code, struct u8s *len, struct arena *a, struct rng *r);
/* n values as registers have: small, negative, and any. */
struct u64s code_sample_values(size_t n, struct arena *a, struct rng *r);

#endif
