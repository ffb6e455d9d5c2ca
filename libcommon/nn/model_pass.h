/*
 * model_pass.h: what model.c needs of model_pass.c: the memory of the passes.
 */
#ifndef MODEL_PASS_H
#define MODEL_PASS_H

struct model;
struct model_acts;

/* Room for activations, empty: it grows with the batches. */
struct model_acts *model_pass_new(void);
/* Frees the rounded weights. */
void model_pass_unround(struct model *m);
/* Frees m->acts with all that is in it. */
void model_pass_free(struct model *m);

#endif
