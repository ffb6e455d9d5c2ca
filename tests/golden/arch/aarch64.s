// --target=aarch64-linux-gnu
// link: -shared
// Addresses by pairs, slots, a table of words, constants between code.
	.text
	.globl choose
	.type choose, %function
choose:
	cmp w0, #3
	b.hi 4f
	adrp x1, table
	add x1, x1, :lo12:table
	ldrsw x0, [x1, w0, uxtw #2]
	add x0, x1, x0
	br x0
1:	adrp x2, :got:variable
	ldr x2, [x2, :got_lo12:variable]
	ldr w0, [x2]
	ret
2:	adrp x2, counter
	ldr w0, [x2, :lo12:counter]
	cbz w0, 4f
	ret
3:	b outside
4:	stp x29, x30, [sp, #-16]!
	bl outside
	ldr d0, 5f
	tbz w0, #3, 6f
	ldp x29, x30, [sp], #16
	ret
	.p2align 3
5:	.quad 0x3ff0000000000000
6:	bl abort
	.size choose, .-choose

	.section .rodata
table:	.word 1b-table, 2b-table, 3b-table, 1b-table

	.data
	.globl counter
	.hidden counter
	.type counter, %object
counter: .word 0
	.size counter, 4
