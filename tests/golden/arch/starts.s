// --target=aarch64-linux-gnu
// link: -m aarch64linux --entry=_start
// Starts and ends of functions that nothing calls.
	.text
	.globl _start
	.type _start, %function
_start:	// registers are restored behind a call and a nop
	stp x29, x30, [sp, #-32]!
	stp x19, x20, [sp, #16]
	ldr x0, [x19, #8]
	bl called
	.p2align 4
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #32
	ret
	.size _start, . - _start

	.p2align 3
	.type empty, %function
empty:	// by gcc -O0
	nop
	ret
	.size empty, . - empty

	.type called, %function
called:	// the last thing it calls is the next function
	cbz x0, 1f
	ret
1:	stp x29, x30, [sp, #-16]!
	bl other
	ldp x29, x30, [sp], #16
	b next
	.size called, . - called
	.p2align 5

	.type next, %function
next:	mov w1, #1
2:	ldr x2, [x0, #536]
3:	ldr x4, [x0, #552]
	add x0, x2, x4
	b 5f
4:	ret
	.size next, . - next

	.p2align 3
	b other // as linkers do for the erratum 843419: one veneer that is used, one that is not
	nop
	ldr x2, [x0, #536]
	b 3b
5:	str x0, [x4]
	b 4b

	.type quits, %function
quits:	mov w0, #2
	brk #1
	.size quits, . - quits

	.type framed, %function
framed:	// only this function has an unwind table: code is unknown before and behind it
	.cfi_startproc
	ret
	.cfi_endproc
	.size framed, . - framed

	.type fails, %function
fails:	// never comes back
	stp x29, x30, [sp, #-16]!
	bl quits
	.size fails, . - fails

	.type behind, %function
behind:	mov w0, #1
	ret
	.size behind, . - behind

	.type other, %function
other:	mov w0, #0
	ret
	.size other, . - other
