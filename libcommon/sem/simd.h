/*
 * simd.h: named operations on vectors of lanes, and on floating-point numbers.
 *
 * To the rewriter these are opaque (EXPR_SIMD nodes, as `paddb(x, y)`); what they compute is known
 * to eval alone. Values are 128, 256 or 512 bits wide, those of the scalar floating-point
 * operations 16, 32 or 64; mask registers have a bit for each lane. The same name serves SSE and
 * AVX forms. Floating-point numbers are rounded to nearest and a NaN result is the quiet NaN of the
 * first NaN argument, as x86 does by default.
 */
#ifndef SIMD_H
#define SIMD_H

#include "sem/eval.h"

/*
 * NAME, "name", bits of a lane, function in simd.c or simd_float.c. LANE functions map lanes of the
 * arguments to the lane of the result; WHOLE functions see 128 bits of each argument at a time.
 */
/* clang-format off */
#define SIMD_INT_OPS(LANE, WHOLE) \
	LANE(PADDB, "paddb", 8, add) LANE(PADDW, "paddw", 16, add) \
	LANE(PADDD, "paddd", 32, add) LANE(PADDQ, "paddq", 64, add) \
	LANE(PSUBB, "psubb", 8, sub) LANE(PSUBW, "psubw", 16, sub) \
	LANE(PSUBD, "psubd", 32, sub) LANE(PSUBQ, "psubq", 64, sub) \
	LANE(PADDSB, "paddsb", 8, adds) LANE(PADDSW, "paddsw", 16, adds) \
	LANE(PADDUSB, "paddusb", 8, addus) LANE(PADDUSW, "paddusw", 16, addus) \
	LANE(PSUBSB, "psubsb", 8, subs) LANE(PSUBSW, "psubsw", 16, subs) \
	LANE(PSUBUSB, "psubusb", 8, subus) LANE(PSUBUSW, "psubusw", 16, subus) \
	LANE(PMULLW, "pmullw", 16, mull) LANE(PMULLD, "pmulld", 32, mull) \
	LANE(PMULHW, "pmulhw", 16, mulh) LANE(PMULHUW, "pmulhuw", 16, mulhu) \
	LANE(PMULHRSW, "pmulhrsw", 16, mulhrs) \
	LANE(PMULUDQ, "pmuludq", 64, muludq) LANE(PMULDQ, "pmuldq", 64, muldq) \
	LANE(PMADDWD, "pmaddwd", 32, maddwd) LANE(PMADDUBSW, "pmaddubsw", 16, maddubs) \
	LANE(PAVGB, "pavgb", 8, avg) LANE(PAVGW, "pavgw", 16, avg) \
	LANE(PMINUB, "pminub", 8, minu) LANE(PMINUW, "pminuw", 16, minu) \
	LANE(PMINUD, "pminud", 32, minu) LANE(PMINUQ, "pminuq", 64, minu) \
	LANE(PMAXUB, "pmaxub", 8, maxu) \
	LANE(PMAXUW, "pmaxuw", 16, maxu) LANE(PMAXUD, "pmaxud", 32, maxu) \
	LANE(PMAXUQ, "pmaxuq", 64, maxu) \
	LANE(PMINSB, "pminsb", 8, mins) LANE(PMINSW, "pminsw", 16, mins) \
	LANE(PMINSD, "pminsd", 32, mins) LANE(PMINSQ, "pminsq", 64, mins) \
	LANE(PMAXSB, "pmaxsb", 8, maxs) \
	LANE(PMAXSW, "pmaxsw", 16, maxs) LANE(PMAXSD, "pmaxsd", 32, maxs) \
	LANE(PMAXSQ, "pmaxsq", 64, maxs) \
	LANE(PCMPEQB, "pcmpeqb", 8, cmpeq) LANE(PCMPEQW, "pcmpeqw", 16, cmpeq) \
	LANE(PCMPEQD, "pcmpeqd", 32, cmpeq) LANE(PCMPEQQ, "pcmpeqq", 64, cmpeq) \
	LANE(PCMPGTB, "pcmpgtb", 8, cmpgt) LANE(PCMPGTW, "pcmpgtw", 16, cmpgt) \
	LANE(PCMPGTD, "pcmpgtd", 32, cmpgt) LANE(PCMPGTQ, "pcmpgtq", 64, cmpgt) \
	LANE(PCMPGTUB, "pcmpgtub", 8, cmpgtu) LANE(PCMPGTUW, "pcmpgtuw", 16, cmpgtu) \
	LANE(PCMPGTUD, "pcmpgtud", 32, cmpgtu) LANE(PCMPGTUQ, "pcmpgtuq", 64, cmpgtu) \
	LANE(PSIGNB, "psignb", 8, sign) LANE(PSIGNW, "psignw", 16, sign) \
	LANE(PSIGND, "psignd", 32, sign) \
	LANE(PABSB, "pabsb", 8, abs) LANE(PABSW, "pabsw", 16, abs) LANE(PABSD, "pabsd", 32, abs) \
	LANE(PABSQ, "pabsq", 64, abs) LANE(PMULLQ, "pmullq", 64, mull) \
	LANE(PSADBW, "psadbw", 64, sad) \
	LANE(PSLLVD, "psllvd", 32, sll) LANE(PSLLVQ, "psllvq", 64, sll) \
	LANE(PSRLVD, "psrlvd", 32, srl) LANE(PSRLVQ, "psrlvq", 64, srl) \
	LANE(PSRAVD, "psravd", 32, sra) LANE(PSRAVQ, "psravq", 64, sra) \
	LANE(PSLLVW, "psllvw", 16, sll) LANE(PSRLVW, "psrlvw", 16, srl) \
	LANE(PSRAVW, "psravw", 16, sra) \
	LANE(PROLVD, "prolvd", 32, rol) LANE(PROLVQ, "prolvq", 64, rol) \
	LANE(PRORVD, "prorvd", 32, ror) LANE(PRORVQ, "prorvq", 64, ror) \
	LANE(PSHLDVW, "pshldvw", 16, shld) LANE(PSHLDVD, "pshldvd", 32, shld) \
	LANE(PSHLDVQ, "pshldvq", 64, shld) \
	LANE(PSHRDVW, "pshrdvw", 16, shrd) LANE(PSHRDVD, "pshrdvd", 32, shrd) \
	LANE(PSHRDVQ, "pshrdvq", 64, shrd) \
	LANE(POPCNTB, "popcntb", 8, popcnt) LANE(POPCNTW, "popcntw", 16, popcnt) \
	LANE(POPCNTD, "popcntd", 32, popcnt) LANE(POPCNTQ, "popcntq", 64, popcnt) \
	LANE(PLZCNTD, "plzcntd", 32, lzcnt) LANE(PLZCNTQ, "plzcntq", 64, lzcnt) \
	LANE(PDPBUSD, "pdpbusd", 32, dpbusd) LANE(PDPBUSDS, "pdpbusds", 32, dpbusds) \
	LANE(PDPWSSD, "pdpwssd", 32, dpwssd) LANE(PDPWSSDS, "pdpwssds", 32, dpwssds) \
	LANE(PMADD52LUQ, "pmadd52luq", 64, madd52lu) LANE(PMADD52HUQ, "pmadd52huq", 64, madd52hu) \
	LANE(PMULTISHIFTQB, "pmultishiftqb", 64, multishift) \
	LANE(PBLENDVB, "pblendvb", 8, blendv) LANE(BLENDVPS, "blendvps", 32, blendv) \
	LANE(BLENDVPD, "blendvpd", 64, blendv) \
	WHOLE(PSLLW, "psllw", 16, shift_all) WHOLE(PSLLD, "pslld", 32, shift_all) \
	WHOLE(PSLLQ, "psllq", 64, shift_all) \
	WHOLE(PSRLW, "psrlw", 16, shift_all) WHOLE(PSRLD, "psrld", 32, shift_all) \
	WHOLE(PSRLQ, "psrlq", 64, shift_all) \
	WHOLE(PSRAW, "psraw", 16, shift_all) WHOLE(PSRAD, "psrad", 32, shift_all) \
	WHOLE(PSRAQ, "psraq", 64, shift_all) \
	WHOLE(SELECTB, "selectb", 8, select_lanes) WHOLE(SELECTW, "selectw", 16, select_lanes) \
	WHOLE(SELECTD, "selectd", 32, select_lanes) WHOLE(SELECTQ, "selectq", 64, select_lanes) \
	WHOLE(PMOVB2M, "pmovb2m", 8, to_mask) WHOLE(PMOVW2M, "pmovw2m", 16, to_mask) \
	WHOLE(PMOVD2M, "pmovd2m", 32, to_mask) WHOLE(PMOVQ2M, "pmovq2m", 64, to_mask) \
	WHOLE(PMOVM2B, "pmovm2b", 8, from_mask) WHOLE(PMOVM2W, "pmovm2w", 16, from_mask) \
	WHOLE(PMOVM2D, "pmovm2d", 32, from_mask) WHOLE(PMOVM2Q, "pmovm2q", 64, from_mask) \
	WHOLE(PERMB, "permb", 8, permute) WHOLE(PERMW, "permw", 16, permute) \
	WHOLE(PERMD, "permd", 32, permute) WHOLE(PERMQ, "permq", 64, permute) \
	WHOLE(PERM2B, "perm2b", 8, permute) WHOLE(PERM2W, "perm2w", 16, permute) \
	WHOLE(PERM2D, "perm2d", 32, permute) WHOLE(PERM2Q, "perm2q", 64, permute) \
	WHOLE(PERMILPS, "permilps", 32, permute_four) \
	WHOLE(PERMILPD, "permilpd", 64, permute_four) \
	WHOLE(AESENC, "aesenc", 8, aes) WHOLE(AESENCLAST, "aesenclast", 8, aes) \
	WHOLE(AESDEC, "aesdec", 8, aes) WHOLE(AESDECLAST, "aesdeclast", 8, aes) \
	WHOLE(AESIMC, "aesimc", 8, aes) \
	WHOLE(AESKEYGENASSIST, "aeskeygenassist", 32, aes_key) \
	WHOLE(PCLMULQDQ, "pclmulqdq", 64, clmul) \
	WHOLE(SHA1MSG1, "sha1msg1", 32, sha) WHOLE(SHA1MSG2, "sha1msg2", 32, sha) \
	WHOLE(SHA1NEXTE, "sha1nexte", 32, sha) WHOLE(SHA1RNDS4, "sha1rnds4", 32, sha) \
	WHOLE(SHA256MSG1, "sha256msg1", 32, sha) WHOLE(SHA256MSG2, "sha256msg2", 32, sha) \
	WHOLE(SHA256RNDS2, "sha256rnds2", 32, sha) WHOLE(CRC32, "crc32", 32, crc32) \
	WHOLE(MPSADBW, "mpsadbw", 16, sads) WHOLE(PHMINPOSUW, "phminposuw", 16, minpos) \
	WHOLE(COMPRESSB, "compressb", 8, compress) WHOLE(COMPRESSW, "compressw", 16, compress) \
	WHOLE(COMPRESSD, "compressd", 32, compress) WHOLE(COMPRESSQ, "compressq", 64, compress) \
	WHOLE(EXPANDB, "expandb", 8, expand) WHOLE(EXPANDW, "expandw", 16, expand) \
	WHOLE(EXPANDD, "expandd", 32, expand) WHOLE(EXPANDQ, "expandq", 64, expand) \
	WHOLE(PACKSSWB, "packsswb", 16, pack) WHOLE(PACKSSDW, "packssdw", 32, pack) \
	WHOLE(PACKUSWB, "packuswb", 16, pack) WHOLE(PACKUSDW, "packusdw", 32, pack) \
	WHOLE(PHADDW, "phaddw", 16, horizontal) WHOLE(PHADDD, "phaddd", 32, horizontal) \
	WHOLE(PHADDSW, "phaddsw", 16, horizontal) \
	WHOLE(PHSUBW, "phsubw", 16, horizontal) WHOLE(PHSUBD, "phsubd", 32, horizontal) \
	WHOLE(PHSUBSW, "phsubsw", 16, horizontal) \
	WHOLE(PSHUFB, "pshufb", 8, shuffle)
#define SIMD_FLOAT_OPS(LANE, WHOLE) \
	LANE(ADDSS, "addss", 32, fadd) LANE(ADDSD, "addsd", 64, fadd) \
	LANE(ADDPS, "addps", 32, fadd) LANE(ADDPD, "addpd", 64, fadd) \
	LANE(SUBSS, "subss", 32, fsub) LANE(SUBSD, "subsd", 64, fsub) \
	LANE(SUBPS, "subps", 32, fsub) LANE(SUBPD, "subpd", 64, fsub) \
	LANE(MULSS, "mulss", 32, fmul) LANE(MULSD, "mulsd", 64, fmul) \
	LANE(MULPS, "mulps", 32, fmul) LANE(MULPD, "mulpd", 64, fmul) \
	LANE(DIVSS, "divss", 32, fdiv) LANE(DIVSD, "divsd", 64, fdiv) \
	LANE(DIVPS, "divps", 32, fdiv) LANE(DIVPD, "divpd", 64, fdiv) \
	LANE(MINSS, "minss", 32, fmin_x86) LANE(MINSD, "minsd", 64, fmin_x86) \
	LANE(MINPS, "minps", 32, fmin_x86) LANE(MINPD, "minpd", 64, fmin_x86) \
	LANE(MAXSS, "maxss", 32, fmax_x86) LANE(MAXSD, "maxsd", 64, fmax_x86) \
	LANE(MAXPS, "maxps", 32, fmax_x86) LANE(MAXPD, "maxpd", 64, fmax_x86) \
	LANE(SQRTSS, "sqrtss", 32, fsqrt) LANE(SQRTSD, "sqrtsd", 64, fsqrt) \
	LANE(SQRTPS, "sqrtps", 32, fsqrt) LANE(SQRTPD, "sqrtpd", 64, fsqrt) \
	LANE(CMPSS, "cmpss", 32, fcmp) LANE(CMPSD, "cmpsd", 64, fcmp) \
	LANE(CMPPS, "cmpps", 32, fcmp) LANE(CMPPD, "cmppd", 64, fcmp) \
	LANE(ROUNDSS, "roundss", 32, fround) LANE(ROUNDSD, "roundsd", 64, fround) \
	LANE(ROUNDPS, "roundps", 32, fround) LANE(ROUNDPD, "roundpd", 64, fround) \
	LANE(FMADDSS, "fmaddss", 32, fmadd) LANE(FMADDSD, "fmaddsd", 64, fmadd) \
	LANE(FMADDPS, "fmaddps", 32, fmadd) LANE(FMADDPD, "fmaddpd", 64, fmadd) \
	LANE(FMSUBSS, "fmsubss", 32, fmsub) LANE(FMSUBSD, "fmsubsd", 64, fmsub) \
	LANE(FMSUBPS, "fmsubps", 32, fmsub) LANE(FMSUBPD, "fmsubpd", 64, fmsub) \
	LANE(FNMADDSS, "fnmaddss", 32, fnmadd) LANE(FNMADDSD, "fnmaddsd", 64, fnmadd) \
	LANE(FNMADDPS, "fnmaddps", 32, fnmadd) LANE(FNMADDPD, "fnmaddpd", 64, fnmadd) \
	LANE(FNMSUBSS, "fnmsubss", 32, fnmsub) LANE(FNMSUBSD, "fnmsubsd", 64, fnmsub) \
	LANE(FNMSUBPS, "fnmsubps", 32, fnmsub) LANE(FNMSUBPD, "fnmsubpd", 64, fnmsub) \
	WHOLE(FMADDSUBPS, "fmaddsubps", 32, falternate) \
	WHOLE(FMADDSUBPD, "fmaddsubpd", 64, falternate) \
	WHOLE(FMSUBADDPS, "fmsubaddps", 32, falternate) \
	WHOLE(FMSUBADDPD, "fmsubaddpd", 64, falternate) \
	WHOLE(HADDPS, "haddps", 32, fhorizontal) WHOLE(HADDPD, "haddpd", 64, fhorizontal) \
	WHOLE(HSUBPS, "hsubps", 32, fhorizontal) WHOLE(HSUBPD, "hsubpd", 64, fhorizontal) \
	WHOLE(ADDSUBPS, "addsubps", 32, faddsub) WHOLE(ADDSUBPD, "addsubpd", 64, faddsub) \
	WHOLE(LTSS, "ltss", 32, forder) WHOLE(LTSD, "ltsd", 64, forder) \
	WHOLE(LESS, "less", 32, forder) WHOLE(LESD, "lesd", 64, forder) \
	WHOLE(EQSS, "eqss", 32, forder) WHOLE(EQSD, "eqsd", 64, forder) \
	WHOLE(UNORDSS, "unordss", 32, forder) WHOLE(UNORDSD, "unordsd", 64, forder) \
	WHOLE(CVTSI2SS, "cvtsi2ss", 32, from_int) WHOLE(CVTSI2SD, "cvtsi2sd", 64, from_int) \
	WHOLE(CVTSS2SI, "cvtss2si", 32, to_int) WHOLE(CVTSD2SI, "cvtsd2si", 64, to_int) \
	WHOLE(CVTTSS2SI, "cvttss2si", 32, to_int) WHOLE(CVTTSD2SI, "cvttsd2si", 64, to_int) \
	WHOLE(CVTUSI2SS, "cvtusi2ss", 32, from_uint) WHOLE(CVTUSI2SD, "cvtusi2sd", 64, from_uint) \
	WHOLE(CVTSS2USI, "cvtss2usi", 32, to_uint) WHOLE(CVTSD2USI, "cvtsd2usi", 64, to_uint) \
	WHOLE(CVTTSS2USI, "cvttss2usi", 32, to_uint) WHOLE(CVTTSD2USI, "cvttsd2usi", 64, to_uint) \
	WHOLE(CVTPH2PS, "cvtph2ps", 32, from_half) WHOLE(CVTPS2PH, "cvtps2ph", 16, to_half) \
	WHOLE(CVTSS2SD, "cvtss2sd", 64, resize) WHOLE(CVTSD2SS, "cvtsd2ss", 32, resize) \
	LANE(CVTDQ2PS, "cvtdq2ps", 32, lane_from_int) LANE(CVTPS2DQ, "cvtps2dq", 32, lane_to_int) \
	LANE(CVTTPS2DQ, "cvttps2dq", 32, lane_trunc_int)
/* clang-format on */
#define SIMD_OPS(LANE, WHOLE) SIMD_INT_OPS(LANE, WHOLE) SIMD_FLOAT_OPS(LANE, WHOLE)

#define SIMD_ENUM(name, text, bits, fn) SIMD_##name,
enum simd_op { SIMD_OPS(SIMD_ENUM, SIMD_ENUM) SIMD_COUNT };
#undef SIMD_ENUM
_Static_assert(SIMD_COUNT < 1024, "handlers keep something else above ten bits");

/* "paddb"; static text; NULL for a number that is no operation. */
const char *simd_name(unsigned op);
/* Applies operation op: the arguments are as wide as the result but where the operation says so. */
void simd_apply(
	unsigned op, unsigned width, const struct eval_arg *arg, unsigned nargs, uint64_t *out);

#endif
