@ --target=arm-linux-gnueabihf -march=armv7-a -mfpu=neon
@ link: -e choose --defsym=outside=other --defsym=abort=same
@ A32 and Thumb in one file: conditions, tables, constants between code, calls of the other set.
	.syntax unified
	.text

	.thumb
	.globl choose
	.type choose, %function
choose:	@ a table of bytes behind tbb
	push {r4, lr}
	cmp r0, #3
	bhi 1f
	tbb [pc, r0]
0:	.byte (2f-0b)/2, (3f-0b)/2, (2f-0b)/2, (4f-0b)/2
2:	ldr r0, =0x12345678
	pop {r4, pc}
3:	bl same
	pop {r4, pc}
4:	blx other
1:	movs r0, #0
	pop {r4, pc}
	.ltorg
	.size choose, .-choose

	.p2align 2
	.globl same
	.type same, %function
same:	@ conditions; numbers of 8 bytes
	cmp r0, r1
	ite lt
	movlt r0, r1
	addge r0, r0, #1
	cbz r0, 1f
	it ne
	bxne lr
	vldr d0, 2f
	itt eq
	ldreq r2, [r0, #4]
	popeq {r4, pc}
1:	movw r3, #:lower16:counter
	movt r3, #:upper16:counter
	ldr r2, [r3]
	add r2, r2, r2, lsl #2
	b.w outside
	nop
	.p2align 3
2:	.quad 0x3ff0000000000000
	.size same, .-same

	.arm
	.p2align 2
	.globl other
	.type other, %function
other:	@ a table of branches, and one of addresses
	cmp r0, #2
	addls pc, pc, r0, lsl #2
	b 4f
	b 1f
	b 2f
	b 3f
1:	moveq r0, #1
	bxeq lr
2:	ldr r1, 5f
0:	add r1, pc, r1
	blx same
3:	ldm sp!, {r4, pc}
4:	cmp r1, #1
	ldrls pc, [pc, r1, lsl #2]
	b 1b
	.word 1b, 2b
5:	.word counter-(0b+8)
	.size other, .-other

	.globl caller
	.type caller, %function
caller:	@ a call that may not happen, and one that does not come back
	push {r4, lr}
	cmp r0, #0
	bleq abort
	bl outside
	mov lr, pc
	bl abort
	.size caller, .-caller

	.data
	.globl counter
	.hidden counter
	.type counter, %object
counter: .word 0
	.size counter, 4
