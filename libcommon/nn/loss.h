/*
 * loss.h: losses of vectors that were made apart (siamese training), with their gradients.
 *
 * Vectors are host arrays; they are few (one per sequence), so this is plain code.
 */
#ifndef LOSS_H
#define LOSS_H

#include "base/base.h"

/* The cosine of two vectors of h numbers; 0 if one of them is zero. */
double loss_cosine(size_t h, const float *a, const float *b);

/*
 * scale (cos(a,b) - want)^2, want +1 for alike and -1 for not (BinBert, section 6.2.1).
 * The gradients are added to da and db.
 */
double loss_cosine_mse(
	size_t h, const float *a, const float *b, double want, double scale, float *da, float *db);

/*
 * PyTorch's CosineEmbeddingLoss times scale (Trex, arXiv 2012.08680, section IV): 1 - cos(a,b) of
 * what is alike, max(0, cos(a,b) - margin) of what is not. The gradients are added to da and db.
 */
double loss_cosine_margin(size_t h, const float *a, const float *b, bool alike, double margin,
	double scale, float *da, float *db);

/*
 * InfoNCE in the batch (van den Oord et al., arXiv 1807.03748): for each vector that has another of
 * its group, the mean over those of -log softmax over all others of cos/temperature, averaged over
 * such vectors. x[n,h], group[n]; the gradient is added to dx[n,h].
 */
double loss_infonce(
	size_t n, size_t h, const float *x, const uint32_t *group, double temperature, float *dx);

/* Area under the ROC curve of n scores, of which `yes[i]` should be high; ties count half. */
double loss_auc(size_t n, const float *score, const uint8_t *yes);

#endif
