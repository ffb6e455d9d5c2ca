/*
 * x86_table.c: which handler gives each mnemonic its meaning, and what of the family it is.
 * A mnemonic without a row is unknown.
 */
#include "sem/simd.h"
#include "sem/x86_ops.h"

/* clang-format off */
static const struct x86_op table[X86_MN_COUNT] = {
	/* moves */
	[X86_MOV] = {x86_int_mov, 0}, [X86_MOVABS] = {x86_int_mov, 0},
	[X86_MOVNTI] = {x86_int_mov, 0}, [X86_MOVBE] = {x86_int_movbe, 0},
	[X86_MOVZX] = {x86_int_movzx, 0}, [X86_MOVSX] = {x86_int_movsx, 0},
	[X86_MOVSXD] = {x86_int_movsx, 0}, [X86_LEA] = {x86_int_lea, 0},
	[X86_XCHG] = {x86_int_xchg, 0}, [X86_BSWAP] = {x86_int_bswap, 0},
	[X86_CBW] = {x86_int_widen, 1}, [X86_CWDE] = {x86_int_widen, 2},
	[X86_CDQE] = {x86_int_widen, 4},
	[X86_CWD] = {x86_int_sign, 2}, [X86_CDQ] = {x86_int_sign, 4}, [X86_CQO] = {x86_int_sign, 8},
	[X86_CMOVO] = {x86_int_cmov, 0}, [X86_CMOVNO] = {x86_int_cmov, 0},
	[X86_CMOVB] = {x86_int_cmov, 0}, [X86_CMOVAE] = {x86_int_cmov, 0},
	[X86_CMOVE] = {x86_int_cmov, 0}, [X86_CMOVNE] = {x86_int_cmov, 0},
	[X86_CMOVBE] = {x86_int_cmov, 0}, [X86_CMOVA] = {x86_int_cmov, 0},
	[X86_CMOVS] = {x86_int_cmov, 0}, [X86_CMOVNS] = {x86_int_cmov, 0},
	[X86_CMOVP] = {x86_int_cmov, 0}, [X86_CMOVNP] = {x86_int_cmov, 0},
	[X86_CMOVL] = {x86_int_cmov, 0}, [X86_CMOVGE] = {x86_int_cmov, 0},
	[X86_CMOVLE] = {x86_int_cmov, 0}, [X86_CMOVG] = {x86_int_cmov, 0},
	[X86_SETO] = {x86_int_setcc, 0}, [X86_SETNO] = {x86_int_setcc, 0},
	[X86_SETB] = {x86_int_setcc, 0}, [X86_SETAE] = {x86_int_setcc, 0},
	[X86_SETE] = {x86_int_setcc, 0}, [X86_SETNE] = {x86_int_setcc, 0},
	[X86_SETBE] = {x86_int_setcc, 0}, [X86_SETA] = {x86_int_setcc, 0},
	[X86_SETS] = {x86_int_setcc, 0}, [X86_SETNS] = {x86_int_setcc, 0},
	[X86_SETP] = {x86_int_setcc, 0}, [X86_SETNP] = {x86_int_setcc, 0},
	[X86_SETL] = {x86_int_setcc, 0}, [X86_SETGE] = {x86_int_setcc, 0},
	[X86_SETLE] = {x86_int_setcc, 0}, [X86_SETG] = {x86_int_setcc, 0},
	/* the stack */
	[X86_PUSH] = {x86_int_push, 0}, [X86_POP] = {x86_int_pop, 0},
	[X86_LEAVE] = {x86_int_leave, 0}, [X86_ENTER] = {x86_int_enter, 0},
	[X86_PUSHF] = {x86_flow_pushf, 2}, [X86_PUSHFD] = {x86_flow_pushf, 4},
	[X86_PUSHFQ] = {x86_flow_pushf, 8},
	[X86_POPF] = {x86_flow_popf, 2}, [X86_POPFD] = {x86_flow_popf, 4},
	[X86_POPFQ] = {x86_flow_popf, 8},
	/* arithmetic and logic */
	[X86_ADD] = {x86_int_add, 0}, [X86_SUB] = {x86_int_sub, 0}, [X86_CMP] = {x86_int_cmp, 0},
	[X86_ADC] = {x86_int_adc, 0}, [X86_SBB] = {x86_int_sbb, 0},
	[X86_ADCX] = {x86_int_adcx, X86_CF}, [X86_ADOX] = {x86_int_adcx, X86_OF},
	[X86_INC] = {x86_int_inc, 0}, [X86_DEC] = {x86_int_inc, 1}, [X86_NEG] = {x86_int_neg, 0},
	[X86_AND] = {x86_int_logic, EXPR_AND}, [X86_OR] = {x86_int_logic, EXPR_OR},
	[X86_XOR] = {x86_int_logic, EXPR_XOR}, [X86_TEST] = {x86_int_test, 0},
	[X86_NOT] = {x86_int_not, 0}, [X86_MUL] = {x86_int_mul, 0}, [X86_IMUL] = {x86_int_imul, 0},
	[X86_MULX] = {x86_int_mulx, 0}, [X86_DIV] = {x86_int_div, 0}, [X86_IDIV] = {x86_int_div, 1},
	[X86_XADD] = {x86_int_xadd, 0}, [X86_CMPXCHG] = {x86_int_cmpxchg, 0},
	[X86_CMPXCHG8B] = {x86_int_cmpxchg_pair, 4}, [X86_CMPXCHG16B] = {x86_int_cmpxchg_pair, 8},
	/* of 32-bit code alone */
	[X86_AAA] = {x86_decimal_ascii, 0}, [X86_AAS] = {x86_decimal_ascii, 1},
	[X86_DAA] = {x86_decimal_packed, 0}, [X86_DAS] = {x86_decimal_packed, 1},
	[X86_AAM] = {x86_decimal_base, 0}, [X86_AAD] = {x86_decimal_base, 1},
	[X86_SALC] = {x86_decimal_salc, 0},
	[X86_PUSHAL] = {x86_decimal_pusha, 4}, [X86_PUSHAW] = {x86_decimal_pusha, 2},
	[X86_POPAL] = {x86_decimal_popa, 4}, [X86_POPAW] = {x86_decimal_popa, 2},
	/* shifts and bits */
	[X86_SHL] = {x86_shift_shift, EXPR_SHL}, [X86_SAL] = {x86_shift_shift, EXPR_SHL},
	[X86_SHR] = {x86_shift_shift, EXPR_LSHR}, [X86_SAR] = {x86_shift_shift, EXPR_ASHR},
	[X86_ROL] = {x86_shift_rotate, EXPR_ROL}, [X86_ROR] = {x86_shift_rotate, EXPR_ROR},
	[X86_RCL] = {x86_shift_rotate_carry, EXPR_ROL},
	[X86_RCR] = {x86_shift_rotate_carry, EXPR_ROR},
	[X86_SHLD] = {x86_shift_double, EXPR_SHL}, [X86_SHRD] = {x86_shift_double, EXPR_LSHR},
	[X86_SHLX] = {x86_shift_no_flags, EXPR_SHL}, [X86_SHRX] = {x86_shift_no_flags, EXPR_LSHR},
	[X86_SARX] = {x86_shift_no_flags, EXPR_ASHR}, [X86_RORX] = {x86_shift_rorx, 0},
	[X86_BT] = {x86_shift_bit_test, 0}, [X86_BTS] = {x86_shift_bit_test, EXPR_OR},
	[X86_BTR] = {x86_shift_bit_test, EXPR_AND}, [X86_BTC] = {x86_shift_bit_test, EXPR_XOR},
	[X86_BSF] = {x86_shift_scan, EXPR_CTZ}, [X86_BSR] = {x86_shift_scan, EXPR_CLZ},
	[X86_TZCNT] = {x86_shift_count, EXPR_CTZ}, [X86_LZCNT] = {x86_shift_count, EXPR_CLZ},
	[X86_POPCNT] = {x86_shift_popcnt, 0}, [X86_ANDN] = {x86_shift_andn, 0},
	[X86_BLSI] = {x86_shift_lowest, 0}, [X86_BLSR] = {x86_shift_lowest, 1},
	[X86_BLSMSK] = {x86_shift_lowest, 2}, [X86_BEXTR] = {x86_shift_bextr, 0},
	[X86_BZHI] = {x86_shift_bzhi, 0},
	[X86_PDEP] = {x86_shift_deposit, EXPR_PDEP}, [X86_PEXT] = {x86_shift_deposit, EXPR_PEXT},
	/* strings */
	[X86_MOVSB] = {x86_string_movs, 1}, [X86_MOVSW] = {x86_string_movs, 2},
	[X86_MOVSQ] = {x86_string_movs, 8},
	[X86_STOSB] = {x86_string_stos, 1}, [X86_STOSW] = {x86_string_stos, 2},
	[X86_STOSD] = {x86_string_stos, 4}, [X86_STOSQ] = {x86_string_stos, 8},
	[X86_LODSB] = {x86_string_lods, 1}, [X86_LODSW] = {x86_string_lods, 2},
	[X86_LODSD] = {x86_string_lods, 4}, [X86_LODSQ] = {x86_string_lods, 8},
	[X86_SCASB] = {x86_string_scas, 1}, [X86_SCASW] = {x86_string_scas, 2},
	[X86_SCASD] = {x86_string_scas, 4}, [X86_SCASQ] = {x86_string_scas, 8},
	[X86_CMPSB] = {x86_string_cmps, 1}, [X86_CMPSW] = {x86_string_cmps, 2},
	[X86_CMPSQ] = {x86_string_cmps, 8}, [X86_XLATB] = {x86_string_xlat, 0},
	/* flow */
	[X86_JMP] = {x86_flow_jmp, 0}, [X86_CALL] = {x86_flow_call, 0}, [X86_RET] = {x86_flow_ret, 0},
	[X86_JO] = {x86_flow_jcc, 0}, [X86_JNO] = {x86_flow_jcc, 0}, [X86_JB] = {x86_flow_jcc, 0},
	[X86_JAE] = {x86_flow_jcc, 0}, [X86_JE] = {x86_flow_jcc, 0}, [X86_JNE] = {x86_flow_jcc, 0},
	[X86_JBE] = {x86_flow_jcc, 0}, [X86_JA] = {x86_flow_jcc, 0}, [X86_JS] = {x86_flow_jcc, 0},
	[X86_JNS] = {x86_flow_jcc, 0}, [X86_JP] = {x86_flow_jcc, 0}, [X86_JNP] = {x86_flow_jcc, 0},
	[X86_JL] = {x86_flow_jcc, 0}, [X86_JGE] = {x86_flow_jcc, 0}, [X86_JLE] = {x86_flow_jcc, 0},
	[X86_JG] = {x86_flow_jcc, 0},
	[X86_JRCXZ] = {x86_flow_jcxz, 8}, [X86_JECXZ] = {x86_flow_jcxz, 4},
	[X86_JCXZ] = {x86_flow_jcxz, 2},
	[X86_LOOP] = {x86_flow_loop, 0}, [X86_LOOPE] = {x86_flow_loop, 1},
	[X86_LOOPNE] = {x86_flow_loop, 2},
	/* flags */
	[X86_CLC] = {x86_flow_flag, 2 * X86_CF}, [X86_STC] = {x86_flow_flag, 2 * X86_CF + 1},
	[X86_CLD] = {x86_flow_flag, 2 * X86_DF}, [X86_STD] = {x86_flow_flag, 2 * X86_DF + 1},
	[X86_CMC] = {x86_flow_cmc, 0}, [X86_LAHF] = {x86_flow_lahf, 0},
	[X86_SAHF] = {x86_flow_sahf, 0},
	/* nothing a program can see */
	[X86_NOP] = {x86_flow_nop, 0}, [X86_ENDBR64] = {x86_flow_nop, 0},
	[X86_ENDBR32] = {x86_flow_nop, 0}, [X86_PAUSE] = {x86_flow_nop, 0},
	[X86_MFENCE] = {x86_flow_nop, 0}, [X86_LFENCE] = {x86_flow_nop, 0},
	[X86_SFENCE] = {x86_flow_nop, 0}, [X86_PREFETCH] = {x86_flow_nop, 0},
	[X86_PREFETCHW] = {x86_flow_nop, 0}, [X86_PREFETCHNTA] = {x86_flow_nop, 0},
	[X86_PREFETCHT0] = {x86_flow_nop, 0}, [X86_PREFETCHT1] = {x86_flow_nop, 0},
	[X86_PREFETCHT2] = {x86_flow_nop, 0}, [X86_CLFLUSH] = {x86_flow_nop, 0},
	[X86_HLT] = {x86_flow_nop, 0}, [X86_UD0] = {x86_flow_nop, 0}, [X86_UD2] = {x86_flow_nop, 0},
	[X86_UD2B] = {x86_flow_nop, 0}, [X86_INT3] = {x86_flow_nop, 0},
	[X86_WAIT] = {x86_flow_nop, 0},
	/* vectors: SSE and, with a V before it, AVX */
#define SSE(mn, fn, arg) [X86_##mn] = {fn, arg}, [X86_V##mn] = {fn, arg},
	SSE(MOVAPS, x86_vec_mov, 0) SSE(MOVAPD, x86_vec_mov, 0) SSE(MOVUPS, x86_vec_mov, 0)
	SSE(MOVUPD, x86_vec_mov, 0) SSE(MOVDQA, x86_vec_mov, 0) SSE(MOVDQU, x86_vec_mov, 0)
	SSE(MOVNTPS, x86_vec_mov, 0) SSE(MOVNTPD, x86_vec_mov, 0) SSE(MOVNTDQ, x86_vec_mov, 0)
	SSE(MOVNTDQA, x86_vec_mov, 0) SSE(LDDQU, x86_vec_mov, 0)
	SSE(MOVSS, x86_vec_mov_low, 32) SSE(MOVSD, x86_vec_mov_low, 64)
	SSE(MOVD, x86_vec_movd, 32) SSE(MOVQ, x86_vec_movd, 64)
	SSE(MOVLPS, x86_vec_mov_half, 0) SSE(MOVLPD, x86_vec_mov_half, 0)
	SSE(MOVHPS, x86_vec_mov_half, 64) SSE(MOVHPD, x86_vec_mov_half, 64)
	SSE(MOVHLPS, x86_vec_mov_across, 0) SSE(MOVLHPS, x86_vec_mov_across, 1)
	SSE(MOVMSKPS, x86_vec_movmsk, 32) SSE(MOVMSKPD, x86_vec_movmsk, 64)
	SSE(PMOVMSKB, x86_vec_movmsk, 8)
	SSE(PAND, x86_vec_logic, EXPR_AND) SSE(ANDPS, x86_vec_logic, EXPR_AND)
	SSE(ANDPD, x86_vec_logic, EXPR_AND) SSE(POR, x86_vec_logic, EXPR_OR)
	SSE(ORPS, x86_vec_logic, EXPR_OR) SSE(ORPD, x86_vec_logic, EXPR_OR)
	SSE(PXOR, x86_vec_logic, EXPR_XOR) SSE(XORPS, x86_vec_logic, EXPR_XOR)
	SSE(XORPD, x86_vec_logic, EXPR_XOR) SSE(PANDN, x86_vec_logic, EXPR_NOT)
	SSE(ANDNPS, x86_vec_logic, EXPR_NOT) SSE(ANDNPD, x86_vec_logic, EXPR_NOT)
#define LANES(mn) SSE(mn, x86_vec_lanes, SIMD_##mn)
	LANES(PADDB) LANES(PADDW) LANES(PADDD) LANES(PADDQ) LANES(PSUBB) LANES(PSUBW) LANES(PSUBD)
	LANES(PSUBQ) LANES(PADDSB) LANES(PADDSW) LANES(PADDUSB) LANES(PADDUSW) LANES(PSUBSB)
	LANES(PSUBSW) LANES(PSUBUSB) LANES(PSUBUSW) LANES(PMULLW) LANES(PMULLD) LANES(PMULHW)
	LANES(PMULHUW) LANES(PMULHRSW) LANES(PMULUDQ) LANES(PMULDQ) LANES(PMADDWD)
	LANES(PMADDUBSW) LANES(PAVGB) LANES(PAVGW) LANES(PMINUB) LANES(PMINUW) LANES(PMINUD)
	LANES(PMAXUB) LANES(PMAXUW) LANES(PMAXUD) LANES(PMINSB) LANES(PMINSW) LANES(PMINSD)
	LANES(PMAXSB) LANES(PMAXSW) LANES(PMAXSD) LANES(PCMPEQB) LANES(PCMPEQW) LANES(PCMPEQD)
	LANES(PCMPEQQ) LANES(PCMPGTB) LANES(PCMPGTW) LANES(PCMPGTD) LANES(PCMPGTQ) LANES(PSIGNB)
	LANES(PSIGNW) LANES(PSIGND) LANES(PSADBW) LANES(PACKSSWB) LANES(PACKSSDW) LANES(PACKUSWB)
	LANES(PACKUSDW) LANES(PHADDW) LANES(PHADDD) LANES(PHADDSW) LANES(PHSUBW) LANES(PHSUBD)
	LANES(PHSUBSW) LANES(PSHUFB)
	LANES(ADDPS) LANES(ADDPD) LANES(SUBPS) LANES(SUBPD) LANES(MULPS) LANES(MULPD) LANES(DIVPS)
	LANES(DIVPD) LANES(MINPS) LANES(MINPD) LANES(MAXPS) LANES(MAXPD) LANES(HADDPS)
	LANES(HADDPD) LANES(HSUBPS) LANES(HSUBPD) LANES(ADDSUBPS) LANES(ADDSUBPD)
	[X86_VPSLLVD] = {x86_vec_lanes, SIMD_PSLLVD}, [X86_VPSLLVQ] = {x86_vec_lanes, SIMD_PSLLVQ},
	[X86_VPSRLVD] = {x86_vec_lanes, SIMD_PSRLVD}, [X86_VPSRLVQ] = {x86_vec_lanes, SIMD_PSRLVQ},
	[X86_VPSRAVD] = {x86_vec_lanes, SIMD_PSRAVD},
#define UNARY(mn) SSE(mn, x86_vec_unary, SIMD_##mn)
	UNARY(PABSB) UNARY(PABSW) UNARY(PABSD) UNARY(SQRTPS) UNARY(SQRTPD) UNARY(CVTDQ2PS)
	UNARY(CVTPS2DQ) UNARY(CVTTPS2DQ)
#define SHIFT(mn) SSE(mn, x86_vec_shift, SIMD_##mn)
	SHIFT(PSLLW) SHIFT(PSLLD) SHIFT(PSLLQ) SHIFT(PSRLW) SHIFT(PSRLD) SHIFT(PSRLQ) SHIFT(PSRAW)
	SHIFT(PSRAD)
	SSE(PBLENDVB, x86_vec_blendv, SIMD_PBLENDVB) SSE(BLENDVPS, x86_vec_blendv, SIMD_BLENDVPS)
	SSE(BLENDVPD, x86_vec_blendv, SIMD_BLENDVPD) SSE(PTEST, x86_vec_ptest, 0)
	[X86_VZEROUPPER] = {x86_vec_zero, 0}, [X86_VZEROALL] = {x86_vec_zero, 1},
	SSE(STMXCSR, x86_vec_mxcsr, 0) SSE(LDMXCSR, x86_vec_mxcsr, 1)
	SSE(PSHUFD, x86_shuffle_dwords, 0) [X86_VPERMILPS] = {x86_shuffle_dwords, 0},
	[X86_VPERMILPD] = {x86_shuffle_permilpd, 0},
	SSE(PSHUFLW, x86_shuffle_words, 0) SSE(PSHUFHW, x86_shuffle_words, 64)
	SSE(SHUFPS, x86_shuffle_two, 32) SSE(SHUFPD, x86_shuffle_two, 64)
	SSE(PUNPCKLBW, x86_shuffle_unpack, 8) SSE(PUNPCKLWD, x86_shuffle_unpack, 16)
	SSE(PUNPCKLDQ, x86_shuffle_unpack, 32) SSE(PUNPCKLQDQ, x86_shuffle_unpack, 64)
	SSE(PUNPCKHBW, x86_shuffle_unpack, 8 + 1) SSE(PUNPCKHWD, x86_shuffle_unpack, 16 + 1)
	SSE(PUNPCKHDQ, x86_shuffle_unpack, 32 + 1) SSE(PUNPCKHQDQ, x86_shuffle_unpack, 64 + 1)
	SSE(UNPCKLPS, x86_shuffle_unpack, 32) SSE(UNPCKLPD, x86_shuffle_unpack, 64)
	SSE(UNPCKHPS, x86_shuffle_unpack, 32 + 1) SSE(UNPCKHPD, x86_shuffle_unpack, 64 + 1)
	SSE(PALIGNR, x86_shuffle_align, 0)
	SSE(PSLLDQ, x86_shuffle_bytes, 0) SSE(PSRLDQ, x86_shuffle_bytes, 1)
	SSE(PINSRB, x86_shuffle_insert, 8) SSE(PINSRW, x86_shuffle_insert, 16)
	SSE(PINSRD, x86_shuffle_insert, 32) SSE(PINSRQ, x86_shuffle_insert, 64)
	SSE(PEXTRB, x86_shuffle_extract, 8) SSE(PEXTRW, x86_shuffle_extract, 16)
	SSE(PEXTRD, x86_shuffle_extract, 32) SSE(PEXTRQ, x86_shuffle_extract, 64)
	SSE(EXTRACTPS, x86_shuffle_extract, 32) SSE(INSERTPS, x86_shuffle_insertps, 0)
	SSE(PBLENDW, x86_shuffle_blend, 16) SSE(BLENDPS, x86_shuffle_blend, 32)
	SSE(BLENDPD, x86_shuffle_blend, 64) [X86_VPBLENDD] = {x86_shuffle_blend, 32},
	[X86_VEXTRACTF128] = {x86_shuffle_part, 0}, [X86_VEXTRACTI128] = {x86_shuffle_part, 0},
	[X86_VINSERTF128] = {x86_shuffle_part, 1}, [X86_VINSERTI128] = {x86_shuffle_part, 1},
	[X86_VPERM2F128] = {x86_shuffle_perm2, 0}, [X86_VPERM2I128] = {x86_shuffle_perm2, 0},
	[X86_VPERMQ] = {x86_shuffle_permq, 0}, [X86_VPERMPD] = {x86_shuffle_permq, 0},
	[X86_VPBROADCASTB] = {x86_shuffle_broadcast, 8},
	[X86_VPBROADCASTW] = {x86_shuffle_broadcast, 16},
	[X86_VPBROADCASTD] = {x86_shuffle_broadcast, 32},
	[X86_VPBROADCASTQ] = {x86_shuffle_broadcast, 64},
	[X86_VBROADCASTSS] = {x86_shuffle_broadcast, 32},
	[X86_VBROADCASTSD] = {x86_shuffle_broadcast, 64},
	[X86_VBROADCASTF128] = {x86_shuffle_broadcast, 128},
	[X86_VBROADCASTI128] = {x86_shuffle_broadcast, 128},
	SSE(MOVDDUP, x86_shuffle_dup, 0) SSE(MOVSLDUP, x86_shuffle_dup, 1)
	SSE(MOVSHDUP, x86_shuffle_dup, 2)
#define EXTEND(mn, from, to) SSE(PMOVZX##mn, x86_shuffle_extend, (from) * 128 + (to)) \
	SSE(PMOVSX##mn, x86_shuffle_extend, (from) * 128 + (to) + 1)
	EXTEND(BW, 8, 16) EXTEND(BD, 8, 32) EXTEND(BQ, 8, 64) EXTEND(WD, 16, 32) EXTEND(WQ, 16, 64)
	EXTEND(DQ, 32, 64)
	/* floating point */
#define SCALAR(mn) SSE(mn, x86_float_scalar, SIMD_##mn)
	SCALAR(ADDSS) SCALAR(ADDSD) SCALAR(SUBSS) SCALAR(SUBSD) SCALAR(MULSS) SCALAR(MULSD)
	SCALAR(DIVSS) SCALAR(DIVSD) SCALAR(MINSS) SCALAR(MINSD) SCALAR(MAXSS) SCALAR(MAXSD)
	SSE(SQRTSS, x86_float_scalar1, SIMD_SQRTSS) SSE(SQRTSD, x86_float_scalar1, SIMD_SQRTSD)
	SSE(CMPSS, x86_float_cmp, SIMD_CMPSS) SSE(CMPSD, x86_float_cmp, SIMD_CMPSD)
	SSE(CMPPS, x86_float_cmp, SIMD_CMPPS) SSE(CMPPD, x86_float_cmp, SIMD_CMPPD)
	SSE(UCOMISS, x86_float_comis, 32) SSE(UCOMISD, x86_float_comis, 64)
	SSE(COMISS, x86_float_comis, 32) SSE(COMISD, x86_float_comis, 64)
	SSE(ROUNDSS, x86_float_round, SIMD_ROUNDSS) SSE(ROUNDSD, x86_float_round, SIMD_ROUNDSD)
	SSE(ROUNDPS, x86_float_round, SIMD_ROUNDPS) SSE(ROUNDPD, x86_float_round, SIMD_ROUNDPD)
	SSE(CVTSI2SS, x86_float_from_int, SIMD_CVTSI2SS)
	SSE(CVTSI2SD, x86_float_from_int, SIMD_CVTSI2SD)
	SSE(CVTSS2SI, x86_float_to_int, SIMD_CVTSS2SI) SSE(CVTSD2SI, x86_float_to_int, SIMD_CVTSD2SI)
	SSE(CVTTSS2SI, x86_float_to_int, SIMD_CVTTSS2SI)
	SSE(CVTTSD2SI, x86_float_to_int, SIMD_CVTTSD2SI)
	SSE(CVTSS2SD, x86_float_resize, SIMD_CVTSS2SD) SSE(CVTSD2SS, x86_float_resize, SIMD_CVTSD2SS)
#define CONVERT(op, from, to) (SIMD_##op + 1024 * (from) + 131072 * (to))
	SSE(CVTDQ2PD, x86_float_convert, CONVERT(CVTSI2SD, 32, 64))
	SSE(CVTPS2PD, x86_float_convert, CONVERT(CVTSS2SD, 32, 64))
	SSE(CVTPD2PS, x86_float_convert, CONVERT(CVTSD2SS, 64, 32))
	SSE(CVTPD2DQ, x86_float_convert, CONVERT(CVTSD2SI, 64, 32))
	SSE(CVTTPD2DQ, x86_float_convert, CONVERT(CVTTSD2SI, 64, 32))
	/* capstone has a mnemonic for each predicate */
#define CMP(name) [X86_##name##SS] = {x86_float_cmp, SIMD_CMPSS}, \
	[X86_##name##SD] = {x86_float_cmp, SIMD_CMPSD}, \
	[X86_##name##PS] = {x86_float_cmp, SIMD_CMPPS}, \
	[X86_##name##PD] = {x86_float_cmp, SIMD_CMPPD},
	CMP(CMPEQ) CMP(CMPLT) CMP(CMPLE) CMP(CMPUNORD) CMP(CMPNEQ) CMP(CMPNLT) CMP(CMPNLE) CMP(CMPORD)
	CMP(VCMPEQ) CMP(VCMPLT) CMP(VCMPLE) CMP(VCMPUNORD) CMP(VCMPNEQ) CMP(VCMPNLT) CMP(VCMPNLE)
	CMP(VCMPORD) CMP(VCMPEQ_UQ) CMP(VCMPNGE) CMP(VCMPNGT) CMP(VCMPFALSE) CMP(VCMPNEQ_OQ)
	CMP(VCMPGE) CMP(VCMPGT) CMP(VCMPTRUE) CMP(VCMPEQ_OS) CMP(VCMPLT_OQ) CMP(VCMPLE_OQ)
	CMP(VCMPUNORD_S) CMP(VCMPNEQ_US) CMP(VCMPNLT_UQ) CMP(VCMPNLE_UQ) CMP(VCMPORD_S) CMP(VCMPEQ_US)
	CMP(VCMPNGE_UQ) CMP(VCMPNGT_UQ) CMP(VCMPFALSE_OS) CMP(VCMPNEQ_OS) CMP(VCMPGE_OQ)
	CMP(VCMPGT_OQ) CMP(VCMPTRUE_US)
#define FMA1(mn, order, t) \
	[X86_V##mn##order##t] = {x86_float_fma, (unsigned)SIMD_##mn##t * 4 + (order) % 4},
#define FMA(mn) FMA1(mn, 132, SS) FMA1(mn, 213, SS) FMA1(mn, 231, SS) \
	FMA1(mn, 132, SD) FMA1(mn, 213, SD) FMA1(mn, 231, SD) \
	FMA1(mn, 132, PS) FMA1(mn, 213, PS) FMA1(mn, 231, PS) \
	FMA1(mn, 132, PD) FMA1(mn, 213, PD) FMA1(mn, 231, PD)
	FMA(FMADD) FMA(FMSUB) FMA(FNMADD) FMA(FNMSUB)
#define FMA_PACKED(mn) FMA1(mn, 132, PS) FMA1(mn, 213, PS) FMA1(mn, 231, PS) \
	FMA1(mn, 132, PD) FMA1(mn, 213, PD) FMA1(mn, 231, PD)
	FMA_PACKED(FMADDSUB) FMA_PACKED(FMSUBADD)
	/* AVX-512; lane is b, w, d or q */
#define V(mn, fn, arg) [X86_V##mn] = {fn, arg},
	V(MOVDQA32, x86_vec_mov, 0) V(MOVDQA64, x86_vec_mov, 0) V(MOVDQU8, x86_vec_mov, 0)
	V(MOVDQU16, x86_vec_mov, 0) V(MOVDQU32, x86_vec_mov, 0) V(MOVDQU64, x86_vec_mov, 0)
	V(PANDD, x86_vec_logic, EXPR_AND) V(PANDQ, x86_vec_logic, EXPR_AND)
	V(PORD, x86_vec_logic, EXPR_OR) V(PORQ, x86_vec_logic, EXPR_OR)
	V(PXORD, x86_vec_logic, EXPR_XOR) V(PXORQ, x86_vec_logic, EXPR_XOR)
	V(PANDND, x86_vec_logic, EXPR_NOT) V(PANDNQ, x86_vec_logic, EXPR_NOT)
	V(PTERNLOGD, x86_vec_ternary, 0) V(PTERNLOGQ, x86_vec_ternary, 0)
#define VLANES(mn) V(mn, x86_vec_lanes, SIMD_##mn)
	VLANES(PMINSQ) VLANES(PMINUQ) VLANES(PMAXSQ) VLANES(PMAXUQ) VLANES(PMULLQ) VLANES(PSLLVW)
	VLANES(PSRLVW) VLANES(PSRAVW) VLANES(PSRAVQ) VLANES(PROLVD) VLANES(PROLVQ) VLANES(PRORVD)
	VLANES(PRORVQ) VLANES(PMULTISHIFTQB)
	V(PABSQ, x86_vec_unary, SIMD_PABSQ) V(PSRAQ, x86_vec_shift, SIMD_PSRAQ)
	V(POPCNTB, x86_vec_unary, SIMD_POPCNTB) V(POPCNTW, x86_vec_unary, SIMD_POPCNTW)
	V(POPCNTD, x86_vec_unary, SIMD_POPCNTD) V(POPCNTQ, x86_vec_unary, SIMD_POPCNTQ)
	V(PLZCNTD, x86_vec_unary, SIMD_PLZCNTD) V(PLZCNTQ, x86_vec_unary, SIMD_PLZCNTQ)
	V(PROLD, x86_vec_shift, SIMD_PROLVD) V(PROLQ, x86_vec_shift, SIMD_PROLVQ)
	V(PRORD, x86_vec_shift, SIMD_PRORVD) V(PRORQ, x86_vec_shift, SIMD_PRORVQ)
#define DOT(mn) V(mn, x86_vec_dot, SIMD_##mn)
	DOT(PDPBUSD) DOT(PDPBUSDS) DOT(PDPWSSD) DOT(PDPWSSDS) DOT(PMADD52LUQ) DOT(PMADD52HUQ)
	DOT(PSHLDVW) DOT(PSHLDVD) DOT(PSHLDVQ) DOT(PSHRDVW) DOT(PSHRDVD) DOT(PSHRDVQ)
	V(PSHLDW, x86_vec_double_shift, SIMD_PSHLDVW) V(PSHLDD, x86_vec_double_shift, SIMD_PSHLDVD)
	V(PSHLDQ, x86_vec_double_shift, SIMD_PSHLDVQ) V(PSHRDW, x86_vec_double_shift, SIMD_PSHRDVW)
	V(PSHRDD, x86_vec_double_shift, SIMD_PSHRDVD) V(PSHRDQ, x86_vec_double_shift, SIMD_PSHRDVQ)
#define PART(name) V(EXTRACT##name, x86_shuffle_part, 0) V(INSERT##name, x86_shuffle_part, 1)
	PART(F32X4) PART(F32X8) PART(F64X2) PART(F64X4)
	PART(I32X4) PART(I32X8) PART(I64X2) PART(I64X4)
#define ALL(name, bits) V(BROADCAST##name, x86_shuffle_broadcast, bits)
	ALL(F32X2, 64) ALL(F32X4, 128) ALL(F32X8, 256) ALL(F64X2, 128) ALL(F64X4, 256)
	ALL(I32X2, 64) ALL(I32X4, 128) ALL(I32X8, 256) ALL(I64X2, 128) ALL(I64X4, 256)
	V(PBROADCASTMB2Q, x86_shuffle_broadcast, 8) V(PBROADCASTMW2D, x86_shuffle_broadcast, 16)
	V(SHUFF32X4, x86_shuffle_quarters, 0) V(SHUFF64X2, x86_shuffle_quarters, 0)
	V(SHUFI32X4, x86_shuffle_quarters, 0) V(SHUFI64X2, x86_shuffle_quarters, 0)
	V(ALIGND, x86_shuffle_valign, 32) V(ALIGNQ, x86_shuffle_valign, 64)
	V(PERMB, x86_shuffle_permute, SIMD_PERMB) V(PERMW, x86_shuffle_permute, SIMD_PERMW)
	V(PERMD, x86_shuffle_permute, SIMD_PERMD) V(PERMPS, x86_shuffle_permute, SIMD_PERMD)
#define PERM2(type, lane) V(PERMT2##type, x86_shuffle_perm2x, 2 * SIMD_PERM2##lane) \
	V(PERMI2##type, x86_shuffle_perm2x, 2 * SIMD_PERM2##lane + 1)
	PERM2(B, B) PERM2(W, W) PERM2(D, D) PERM2(Q, Q) PERM2(PS, D) PERM2(PD, Q)
#define NARROW(mn, from, to) V(PMOV##mn, x86_shuffle_narrow, 4 * ((from) * 64 + (to))) \
	V(PMOVS##mn, x86_shuffle_narrow, 4 * ((from) * 64 + (to)) + 1) \
	V(PMOVUS##mn, x86_shuffle_narrow, 4 * ((from) * 64 + (to)) + 2)
	NARROW(WB, 16, 8) NARROW(DB, 32, 8) NARROW(QB, 64, 8) NARROW(DW, 32, 16) NARROW(QW, 64, 16)
	NARROW(QD, 64, 32)
#define COMPARE(lane) V(PCMP##lane, x86_mask_compare, 0) V(PCMPU##lane, x86_mask_compare, 1) \
	V(PTESTM##lane, x86_mask_test, 0) V(PTESTNM##lane, x86_mask_test, 1) \
	V(PBLENDM##lane, x86_mask_blend, 0) V(PMOVM2##lane, x86_mask_spread, 0) \
	V(PMOV##lane##2M, x86_vec_mov, 0)
	COMPARE(B) COMPARE(W) COMPARE(D) COMPARE(Q)
	V(BLENDMPS, x86_mask_blend, 0) V(BLENDMPD, x86_mask_blend, 0)
	V(RNDSCALEPS, x86_float_scale, SIMD_ROUNDPS) V(RNDSCALEPD, x86_float_scale, SIMD_ROUNDPD)
	V(RNDSCALESS, x86_float_scale, SIMD_ROUNDSS) V(RNDSCALESD, x86_float_scale, SIMD_ROUNDSD)
#define PACKED(mn, op, from, to) V(CVT##mn, x86_float_convert, CONVERT(CVT##op, from, to))
	PACKED(PH2PS, PH2PS, 16, 32) PACKED(PS2PH, PS2PH, 32, 16) PACKED(QQ2PD, SI2SD, 64, 64)
	PACKED(QQ2PS, SI2SS, 64, 32) PACKED(UDQ2PD, USI2SD, 32, 64) PACKED(UDQ2PS, USI2SS, 32, 32)
	PACKED(UQQ2PD, USI2SD, 64, 64) PACKED(UQQ2PS, USI2SS, 64, 32) PACKED(PD2QQ, SD2SI, 64, 64)
	PACKED(PS2QQ, SS2SI, 32, 64) PACKED(PD2UDQ, SD2USI, 64, 32) PACKED(PS2UDQ, SS2USI, 32, 32)
	PACKED(PD2UQQ, SD2USI, 64, 64) PACKED(PS2UQQ, SS2USI, 32, 64) PACKED(TPD2QQ, TSD2SI, 64, 64)
	PACKED(TPS2QQ, TSS2SI, 32, 64) PACKED(TPD2UDQ, TSD2USI, 64, 32)
	PACKED(TPS2UDQ, TSS2USI, 32, 32) PACKED(TPD2UQQ, TSD2USI, 64, 64)
	PACKED(TPS2UQQ, TSS2USI, 32, 64)
	V(CVTUSI2SS, x86_float_from_int, SIMD_CVTUSI2SS)
	V(CVTUSI2SD, x86_float_from_int, SIMD_CVTUSI2SD)
	V(CVTSS2USI, x86_float_to_int, SIMD_CVTSS2USI)
	V(CVTSD2USI, x86_float_to_int, SIMD_CVTSD2USI)
	V(CVTTSS2USI, x86_float_to_int, SIMD_CVTTSS2USI)
	V(CVTTSD2USI, x86_float_to_int, SIMD_CVTTSD2USI)
	V(PCOMPRESSB, x86_mask_pack, SIMD_COMPRESSB) V(PCOMPRESSW, x86_mask_pack, SIMD_COMPRESSB)
	V(PCOMPRESSD, x86_mask_pack, SIMD_COMPRESSB) V(PCOMPRESSQ, x86_mask_pack, SIMD_COMPRESSB)
	V(COMPRESSPS, x86_mask_pack, SIMD_COMPRESSB) V(COMPRESSPD, x86_mask_pack, SIMD_COMPRESSB)
	V(PEXPANDB, x86_mask_pack, SIMD_EXPANDB) V(PEXPANDW, x86_mask_pack, SIMD_EXPANDB)
	V(PEXPANDD, x86_mask_pack, SIMD_EXPANDB) V(PEXPANDQ, x86_mask_pack, SIMD_EXPANDB)
	V(EXPANDPS, x86_mask_pack, SIMD_EXPANDB) V(EXPANDPD, x86_mask_pack, SIMD_EXPANDB)
	V(MASKMOVPS, x86_mask_vex, 4) V(MASKMOVPD, x86_mask_vex, 8)
	V(PMASKMOVD, x86_mask_vex, 4) V(PMASKMOVQ, x86_mask_vex, 8)
#define MASK1(lane, bits) [X86_KMOV##lane] = {x86_mask_mov, bits}, \
	[X86_KNOT##lane] = {x86_mask_not, bits}, \
	[X86_KAND##lane] = {x86_mask_logic, (bits) + 256 * EXPR_AND}, \
	[X86_KANDN##lane] = {x86_mask_logic, (bits) + 256 * EXPR_NOT}, \
	[X86_KOR##lane] = {x86_mask_logic, (bits) + 256 * EXPR_OR}, \
	[X86_KXOR##lane] = {x86_mask_logic, (bits) + 256 * EXPR_XOR}, \
	[X86_KXNOR##lane] = {x86_mask_logic, (bits) + 256 * EXPR_EQ}, \
	[X86_KADD##lane] = {x86_mask_logic, (bits) + 256 * EXPR_ADD}, \
	[X86_KSHIFTL##lane] = {x86_mask_shift, (bits) + 256 * EXPR_SHL}, \
	[X86_KSHIFTR##lane] = {x86_mask_shift, (bits) + 256 * EXPR_LSHR}, \
	[X86_KORTEST##lane] = {x86_mask_ortest, bits}, [X86_KTEST##lane] = {x86_mask_andtest, bits},
	MASK1(B, 8) MASK1(W, 16) MASK1(D, 32) MASK1(Q, 64)
	[X86_KUNPCKBW] = {x86_mask_unpack, 8}, [X86_KUNPCKWD] = {x86_mask_unpack, 16},
	[X86_KUNPCKDQ] = {x86_mask_unpack, 32},
	/* AES, SHA, checksums and polynomials */
	LANES(AESENC) LANES(AESENCLAST) LANES(AESDEC) LANES(AESDECLAST) UNARY(AESIMC)
	SSE(AESKEYGENASSIST, x86_vec_unary_imm, SIMD_AESKEYGENASSIST)
	SSE(PCLMULQDQ, x86_vec_binary_imm, SIMD_PCLMULQDQ + 1024 * 0x11)
	[X86_SHA1MSG1] = {x86_vec_lanes, SIMD_SHA1MSG1},
	[X86_SHA1MSG2] = {x86_vec_lanes, SIMD_SHA1MSG2},
	[X86_SHA1NEXTE] = {x86_vec_lanes, SIMD_SHA1NEXTE},
	[X86_SHA1RNDS4] = {x86_vec_binary_imm, SIMD_SHA1RNDS4 + 1024 * 3},
	[X86_SHA256MSG1] = {x86_vec_lanes, SIMD_SHA256MSG1},
	[X86_SHA256MSG2] = {x86_vec_lanes, SIMD_SHA256MSG2},
	[X86_SHA256RNDS2] = {x86_vec_blendv, SIMD_SHA256RNDS2}, [X86_CRC32] = {x86_int_crc32, 0},
	SSE(MPSADBW, x86_vec_binary_imm, SIMD_MPSADBW + 1024 * 63) UNARY(PHMINPOSUW)
	/* the floating-point stack */
	[X86_FLD] = {x86_x87_load, 0}, [X86_FILD] = {x86_x87_load, 1},
	[X86_FLD1] = {x86_x87_constant, 0}, [X86_FLDZ] = {x86_x87_constant, 0},
	[X86_FLDPI] = {x86_x87_constant, 0}, [X86_FLDL2E] = {x86_x87_constant, 0},
	[X86_FLDL2T] = {x86_x87_constant, 0}, [X86_FLDLG2] = {x86_x87_constant, 0},
	[X86_FLDLN2] = {x86_x87_constant, 0}, [X86_FST] = {x86_x87_store, 0},
	[X86_FSTP] = {x86_x87_store, 1}, [X86_FIST] = {x86_x87_store, 2},
	[X86_FISTP] = {x86_x87_store, 3}, [X86_FISTTP] = {x86_x87_store, 3},
	[X86_FXCH] = {x86_x87_exchange, 0}, [X86_FADD] = {x86_x87_arith, 0},
	[X86_FADDP] = {x86_x87_arith, 0 + 8}, [X86_FIADD] = {x86_x87_arith, 0 + 16},
	[X86_FMUL] = {x86_x87_arith, 1}, [X86_FMULP] = {x86_x87_arith, 1 + 8},
	[X86_FIMUL] = {x86_x87_arith, 1 + 16}, [X86_FSUB] = {x86_x87_arith, 2},
	[X86_FSUBP] = {x86_x87_arith, 2 + 8}, [X86_FISUB] = {x86_x87_arith, 2 + 16},
	[X86_FSUBR] = {x86_x87_arith, 2 + 4}, [X86_FSUBRP] = {x86_x87_arith, 2 + 12},
	[X86_FISUBR] = {x86_x87_arith, 2 + 20}, [X86_FDIV] = {x86_x87_arith, 3},
	[X86_FDIVP] = {x86_x87_arith, 3 + 8}, [X86_FIDIV] = {x86_x87_arith, 3 + 16},
	[X86_FDIVR] = {x86_x87_arith, 3 + 4}, [X86_FDIVRP] = {x86_x87_arith, 3 + 12},
	[X86_FIDIVR] = {x86_x87_arith, 3 + 20}, [X86_FCHS] = {x86_x87_sign, 0},
	[X86_FABS] = {x86_x87_sign, 1}, [X86_FSQRT] = {x86_x87_unary, 1},
	[X86_FRNDINT] = {x86_x87_unary, 1}, [X86_FSIN] = {x86_x87_unary, 1},
	[X86_FCOS] = {x86_x87_unary, 1}, [X86_F2XM1] = {x86_x87_unary, 1},

	[X86_FXTRACT] = {x86_x87_unary, 2}, [X86_FSCALE] = {x86_x87_binary, 0},
	[X86_FPREM] = {x86_x87_binary, 0}, [X86_FPREM1] = {x86_x87_binary, 0},
	[X86_FYL2X] = {x86_x87_binary, 1}, [X86_FYL2XP1] = {x86_x87_binary, 1},
	[X86_FPATAN] = {x86_x87_binary, 1}, [X86_FCOM] = {x86_x87_compare, 0},
	[X86_FCOMP] = {x86_x87_compare, 1}, [X86_FCOMPP] = {x86_x87_compare, 2},
	[X86_FUCOM] = {x86_x87_compare, 0}, [X86_FUCOMP] = {x86_x87_compare, 1},
	[X86_FUCOMPP] = {x86_x87_compare, 2}, [X86_FICOM] = {x86_x87_compare, 8},
	[X86_FICOMP] = {x86_x87_compare, 8 + 1}, [X86_FTST] = {x86_x87_compare, 16},
	[X86_FCOMI] = {x86_x87_compare, 4}, [X86_FUCOMI] = {x86_x87_compare, 4},
	[X86_FCOMIP] = {x86_x87_compare, 4 + 1}, [X86_FUCOMIP] = {x86_x87_compare, 4 + 1},
	[X86_FCMOVB] = {x86_x87_cmov, X86_CC_B}, [X86_FCMOVE] = {x86_x87_cmov, X86_CC_E},
	[X86_FCMOVBE] = {x86_x87_cmov, X86_CC_BE}, [X86_FCMOVU] = {x86_x87_cmov, X86_CC_P},
	[X86_FCMOVNB] = {x86_x87_cmov, X86_CC_AE}, [X86_FCMOVNE] = {x86_x87_cmov, X86_CC_NE},
	[X86_FCMOVNBE] = {x86_x87_cmov, X86_CC_A}, [X86_FCMOVNU] = {x86_x87_cmov, X86_CC_NP},
	[X86_FNSTCW] = {x86_x87_control, 0}, [X86_FLDCW] = {x86_x87_control, 1},
	[X86_FNSTSW] = {x86_x87_control, 2}, [X86_FNOP] = {x86_flow_nop, 0},
};
/* clang-format on */

const struct x86_op *x86_table_get(unsigned mn)
{
	return &table[mn < X86_MN_COUNT ? mn : X86_NONE];
}
