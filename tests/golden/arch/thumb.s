@ --target=armv7a-linux-gnueabihf -mthumb
@ link: -m armelf_linux_eabi --entry=_start -z max-page-size=4096
@ What is hard to tell without symbols, or where only some of the ways to an instruction are known.
	.syntax unified
	.thumb
	.text

@ "movs; b" is also two words of A32 that are always executed: it is Thumb, as the jump to it
	.globl _start
	.type _start, %function
	.thumb_func
_start:
	push {r4, lr}
	.irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28
	cmp r0, #\n
	beq .Lcase\n
	.endr
	bl run
	bl doubt
	bl divide
1:	pop {r4, pc}
	.p2align 2
	.irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28
.Lcase\n:
	movs r0, #\n
	b 1b
	.endr
	.size _start, . - _start

@ an interpreter: code that only the table leads to uses the table again, from a register that the
@ code above it has changed
	.p2align 2
	.type run, %function
	.thumb_func
run:
	push {r4, r5, r6, r7, lr}
	sub sp, sp, #20
	mov r5, r0
	movw r7, #:lower16:ops
	movt r7, #:upper16:ops
	mov r6, r7
	mov r3, r7
	b 2f
1:	ldr r2, [r3, #4] @ another r3: no place within the table
	adds r2, r2, #1
	ldr r6, [sp, #8]
	b 2f
op0:	adds r0, r0, #1
	ldrb r4, [r5], #1
	and r4, r4, #3
	ldr r3, [r6, r4, lsl #2]
	mov pc, r3
op1:	subs r0, r0, #1
	ldrb r4, [r5], #1
	and r4, r4, #3
	ldr r3, [r6, r4, lsl #2]
	mov pc, r3
2:	ldr r3, [r5]
	cmp r3, #0
	bne 1b
	ldrb r4, [r5], #1
	and r4, r4, #3
	ldr r3, [r6, r4, lsl #2]
	mov pc, r3
op2:	add sp, sp, #20
	pop {r4, r5, r6, r7, pc}
	.size run, . - run

@ the function before leaves an address in the register with the index
	.p2align 2
	.type doubt, %function
	.thumb_func
doubt:
	movw r1, #:lower16:ops
	movt r1, #:upper16:ops
	ldr r0, [r1]
	b.w run
	.size doubt, . - doubt

	.type choose, %function
	.thumb_func
choose:
	mov r6, r1
	cmp r6, #3
	bhi 5f
	tbb [pc, r6]
1:	.byte (2f - 1b) / 2
	.byte (3f - 1b) / 2
	.byte (4f - 1b) / 2
	.byte (5f - 1b) / 2
2:	movs r0, #1
	bx lr
3:	movs r0, #2
	bx lr
4:	movs r0, #3
	bx lr
5:	movs r0, #0
	bx lr
	.size choose, . - choose

	.type again, %function
	.thumb_func
again:
	cmp r0, #0
	bpl.w choose
	bx lr
	.size again, . - again

@ two functions of one source, as libgcc's for division: the second one, which nothing calls, uses an
@ end of the first one
	.p2align 2
	.type divide, %function
	.thumb_func
divide:
	cmp r1, #0
	beq 1f
	clz r2, r1
	adr r3, 2f
	add r3, r3, r2, lsl #2
	mov pc, r3
	.p2align 2
2:	lsls r0, r0, #1
	adc r0, r0, r0
	bx lr
1:	mov r0, #0
	bx lr
	.size divide, . - divide
	.type divide_both, %function
	.thumb_func
divide_both:
	cmp r1, #0
	beq 1b
	push.w {r0, r1, lr}
	bl divide
	pop.w {r1, r2, lr}
	mls r1, r2, r0, r1
	bx lr
	.size divide_both, . - divide_both

@ what cleans up when an exception goes through is not another function
	.p2align 2
	.type guarded, %function
	.thumb_func
guarded:
	.fnstart
	push {r4, lr}
	.save {r4, lr}
	bl run
	pop {r4, pc}
	mov r4, r0
	bl doubt
	mov r0, r4
	bl divide
	pop {r4, pc}
	.personality personality
	.handlerdata
	.word 0
	.fnend
	.size guarded, . - guarded
	.type personality, %function
	.thumb_func
personality:
	.fnstart
	.cantunwind
	movs r0, #9
	bx lr
	.fnend
	.size personality, . - personality

	.section .rodata, "a"
	.p2align 2
ops:	.word op0, op1, op2
