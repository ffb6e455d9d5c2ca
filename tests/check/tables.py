"""tables.py: jump tables written as compilers write them, each entry found and no more."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readstream
from bbtest import done, ok, prog, run, tmpdir, write

T = tmpdir()

# clang -O2 of a switch whose default is unreachable: no compare; what cannot happen leads to the end
# of the function, in the middle of the table.
CODE = """
	.text
	.globl f
	.type f, @function
f:	movzbl	%dil, %edi
	leaq	.Ltable(%rip), %rdx
	movslq	(%rdx,%rdi,4), %rcx
	addq	%rdx, %rcx
	jmp	*%rcx
.L0:	movl	$1, %eax
	ret
.L1:	movl	$2, %eax
	ret
.L2:	movl	$3, %eax
	ret
.Lend:
	.size f, .-f
	.p2align 4
	.globl g
	.type g, @function
g:	leaq	.Lother(%rip), %rax
	ret
	.size g, .-g
	.section .rodata
	.p2align 2
.Ltable:
	.long .L1-.Ltable, .Lend-.Ltable, .L0-.Ltable, .Lend-.Ltable, .Lend-.Ltable, .L2-.Ltable
.Lother:
	.long 0x12345678
"""


# clang -O0 of computed gotos: all go through one jump, by a variable.
SHARED = """
	.text
	.globl f
	.type f, @function
f:	pushq	%rbp
	movq	%rsp, %rbp
	movl	%edi, -4(%rbp)
	movl	-4(%rbp), %eax
	movl	%eax, %ecx
	leaq	.Ltable(%rip), %rax
	movq	(%rax,%rcx,8), %rax
	movq	%rax, -16(%rbp)
	jmp	.Lgo
.L0:	movl	$1, %eax
	popq	%rbp
	ret
.L1:	movl	$2, %eax
	popq	%rbp
	ret
.Lgo:	movq	-16(%rbp), %rax
	jmp	*%rax
	.size f, .-f
	.section .data.rel.ro, "aw"
	.p2align 3
.Ltable:
	.quad .L1, .L0
"""


def test_shared():
    source, linked = os.path.join(T, "y.s"), os.path.join(T, "y.so")
    write(source, SHARED.encode())
    assert run(["gcc", "-shared", "-nostdlib", "-o", linked, source]).rc == 0
    r = run([prog("bb-disasm"), linked])
    f = next(f for m in readstream.members(r.out) for f in m[1] if f["name"] == "f")
    ok("tables/one jump for all, by a variable", f["exits"][-1] == 2 << 2 | 2 and f["jumps"][-2:] == [-2, -1],
       (f["exits"], f["jumps"]))


def test_unreachable():
    source, obj, linked = (os.path.join(T, n) for n in ("x.s", "x.o", "x.so"))
    write(source, CODE.encode())
    assert run(["gcc", "-c", "-o", obj, source]).rc == 0
    assert run(["gcc", "-shared", "-nostdlib", "-o", linked, source]).rc == 0
    for path in obj, linked:
        r = run([prog("bb-disasm"), path])
        f = next(f for m in readstream.members(r.out) for f in m[1] if f["name"] == "f")
        first = f["exits"][0]
        ok(f"tables/entries that lead to the end: {os.path.basename(path)}",
           first == 3 << 2 | 2 and sorted(f["jumps"][:3]) == [1, 2, 3], (f["exits"], f["jumps"]))


# name, options of clang, assembly of f, whose last jump goes to .L0, .L1 and .L2 (and its end: .Lend)
ARM = "--target=arm-linux-gnueabihf -march=armv7-a"
THUMB = "--target=arm-linux-gnueabihf -march=armv7-a -mthumb"
AARCH64, MIPS, I386 = "--target=aarch64-linux-gnu", "--target=mips-linux-gnu", "--target=i386-linux-gnu"
SHAPES = [
    ("ARM, distances behind the jump, one to the end", ARM, """
        adr r1, .LT
        ldr r0, [r1, r0, lsl #2]
        add pc, r1, r0
    .LT: .long .L0-.LT, .Lend-.LT, .L1-.LT, .L2-.LT
    .L0: mov r0, #1
        bx lr
    .L1: mov r0, #2
        bx lr
    .L2: mov r0, #3
        bx lr
    """),
    ("ARM, the table's address in a variable, an index that is masked", ARM, """
        push {r4, lr}
        sub sp, sp, #16
        movw r4, :lower16:.LT
        movt r4, :upper16:.LT
        str r4, [sp, #8]
        cmp r0, #9
        moveq r4, r0
        bl f
        ldr r2, [sp, #8]
        and r3, r0, #127
        ldr r3, [r2, r3, lsl #2]
        mov pc, r3
    .L0: mov r0, #1
        b .Lout
    .L1: mov r0, #2
        b .Lout
    .L2: mov r0, #3
    .Lout: add sp, sp, #16
        pop {r4, pc}
        .section .rodata
        .p2align 2
    .LT: .long .L1, .L0, .L2
        .long 0x12345678
        .text
    """),
    ("Thumb, halves relative to the jump, the table elsewhere in the code", THUMB, """
        adr.w r1, .LT
        cmp r0, #3
        bhi .L0
    .LP: tbh [r1, r0, lsl #1]
    .L0: movs r0, #1
        bx lr
        .p2align 2
    .LT: .short (.L2-(.LP+4))/2, (.L1-(.LP+4))/2, (.L0-(.LP+4))/2, (.L1-(.LP+4))/2
    .L1: movs r0, #2
        bx lr
    .L2: movs r0, #3
        bx lr
    """),
    ("Thumb, bytes of unknown number end where code begins", THUMB, """
        ldrb r0, [r0]
    .LP: tbb [pc, r0]
    .LT: .byte (.L0-(.LP+4))/2, (.L1-(.LP+4))/2, (.L2-(.LP+4))/2
        .p2align 1
    .L0: movs r0, #1
        bx lr
    .L1: movs r0, #2
        bx lr
    .L2: movs r0, #3
        bx lr
    """),
    ("Thumb, an index from which a number is taken, compared in another register", THUMB, """
        push {r7, lr}
        sub sp, #8
        mvn r3, #99
        add r0, r0, r3
        mov r1, r0
        str r1, [sp, #4]
        cmp r0, #3
        bhi .L0
        ldr r1, [sp, #4]
    .LP: tbb [pc, r1]
    .LT: .byte (.L0-(.LP+4))/2, (.L1-(.LP+4))/2, (.L2-(.LP+4))/2, (.L0-(.LP+4))/2
    .L0: movs r0, #1
        b .Lout
    .L1: movs r0, #2
        b .Lout
    .L2: movs r0, #3
    .Lout: add sp, #8
        pop {r7, pc}
    """),
    ("AArch64, the table's address from before a loop, a number taken off by a register", AARCH64, """
        adrp x24, .LT
        add x24, x24, :lo12:.LT
        mov w27, -100
        b .Lloop
    .L0: mov w0, #1
        mov x24, x3
        b .Lagain
    .L1: mov w0, #2
        b .Lagain
    .L2: ret
    .Lagain: adrp x24, .LT
        add x24, x24, :lo12:.LT
        mov w3, 77
    .Lloop: add w3, w3, w27
        cmp w3, 3
        b.hi .L2
        adr x10, .L0
        ldrb w11, [x24, x3]
        add x10, x10, x11, lsl #2
        br x10
        .section .rodata
    .LT: .byte (.L1-.L0)/4, (.L0-.L0)/4, (.L2-.L0)/4, (.L1-.L0)/4
        .byte 1, 2, 3
        .text
    """),
    ("AArch64, bytes of unknown number end where other data begin", AARCH64, """
        ldrb w0, [x0]
        adrp x1, .LT
        add x1, x1, :lo12:.LT
        adr x2, .L0
        ldrb w3, [x1, x0]
        add x2, x2, x3, lsl #2
        br x2
    .L0: mov w0, #1
        ret
    .L1: mov w0, #2
        ret
    .L2: mov w0, #3
        ret
        .section .rodata
    .LT: .byte (.L1-.L0)/4, (.L0-.L0)/4, (.L2-.L0)/4
    .LU: .byte 1, 3, 5, 3, 1
        .text
        .size f, .-f
        .globl g
        .type g, @function
    g: adrp x0, .LU
        add x0, x0, :lo12:.LU
        ret
        .size g, .-g
    """),
    ("AArch64, a computed goto by a variable", AARCH64, """
        sub sp, sp, #16
        adrp x1, .LT
        add x1, x1, :lo12:.LT
        and w0, w0, #3
        ldr x0, [x1, w0, uxtw #3]
        str x0, [sp, #8]
        b .Lgo
    .L0: mov w0, #1
        b .Lout
    .L1: mov w0, #2
        b .Lout
    .L2: mov w0, #3
    .Lout: add sp, sp, #16
        ret
    .Lgo: ldr x0, [sp, #8]
        br x0
        .section .data.rel.ro, "aw"
        .p2align 3
    .LT: .quad .L0, .L1, .L2, .L1
        .text
    """),
    ("MIPS, the number that an index is before a loop is no constant", MIPS, """
        .set noreorder
        lui $10, %hi(.LT)
        li $3, 102
        addiu $10, $10, %lo(.LT)
    .Lloop: addiu $3, $3, -100
        sltiu $2, $3, 4
        beqz $2, .L2
        nop
        sll $3, $3, 2
        addu $3, $10, $3
        lw $2, 0($3)
        jr $2
        nop
    .L0: b .Lloop
        li $3, 101
    .L1: b .Lloop
        addu $3, $4, $5
    .L2: jr $ra
        nop
        .section .rodata
        .p2align 2
    .LT: .word .L1, .L0, .L2, .L1
        .text
    """),
    ("MIPS, a computed goto by a variable, jumps with relocations", MIPS, """
        .set noreorder
        addiu $sp, $sp, -16
        lui $2, %hi(.LT)
        addiu $2, $2, %lo(.LT)
        andi $4, $4, 3
        sll $4, $4, 2
        addu $2, $2, $4
        lw $2, 0($2)
        sw $2, 8($sp)
        j .Lgo
        nop
    .L0: j .Lout
        li $2, 1
    .L1: j .Lout
        li $2, 2
    .L2: li $2, 3
    .Lout: jr $ra
        addiu $sp, $sp, 16
    .Lgo: lw $2, 8($sp)
        jr $2
        nop
        .section .rodata
        .p2align 2
    .LT: .word .L0, .L1, .L2, .L1
        .text
    """),
    ("i386, shifted, and the table is added", I386, """
        movl 4(%esp), %eax
        cmpl $3, %eax
        ja .L0
        shll $2, %eax
        addl $.LT, %eax
        movl (%eax), %eax
        jmp *%eax
    .L0: movl $1, %eax
        ret
    .L1: movl $2, %eax
        ret
    .L2: movl $3, %eax
        ret
        .section .rodata
        .p2align 2
    .LT: .long .L0, .L1, .L2, .L1
        .text
    """),
    ("i386, position-independent: added from memory", I386 + " -fPIC", """
        pushl %ebx
        call .Lhere
    .Lhere: popl %ebx
        addl $_GLOBAL_OFFSET_TABLE_+(.-.Lhere), %ebx
        movl 8(%esp), %ecx
        cmpl $3, %ecx
        ja .L0
        addl .LT@GOTOFF(%ebx,%ecx,4), %ebx
        jmp *%ebx
    .L0: movl $1, %eax
        popl %ebx
        ret
    .L1: movl $2, %eax
        popl %ebx
        ret
    .L2: movl $3, %eax
        popl %ebx
        ret
        .section .rodata
        .p2align 2
    .LT: .long .L0@GOTOFF, .L1@GOTOFF, .L2@GOTOFF, .L1@GOTOFF
        .text
    """),
    ("i386, position-independent: the table's address in a variable", I386 + " -fPIC", """
        subl $20, %esp
        call .Lhere
    .Lhere: popl %eax
        addl $_GLOBAL_OFFSET_TABLE_+(.-.Lhere), %eax
        leal .LT@GOTOFF(%eax), %eax
        movl %eax, 8(%esp)
        call g
        movl 8(%esp), %ecx
        andl $3, %eax
        movl (%ecx,%eax,4), %eax
        jmp *%eax
    .L0: movl $1, %eax
        jmp .Lout
    .L1: movl $2, %eax
        jmp .Lout
    .L2: movl $3, %eax
    .Lout: addl $20, %esp
        ret
    g:  ret
        .section .data.rel.ro, "aw"
        .p2align 2
    .LT: .long .L0, .L1, .L2, .L1
        .text
    """),
]


def test_shapes():
    """Of other processors: the object file, and linked without symbols."""
    for name, target, code in SHAPES:
        source, obj, linked = (os.path.join(T, n) for n in ("z.s", "z.o", "z"))
        size = "" if ".size f" in code else ".Lend: .size f, .-f\n"
        write(source, f".text\n.globl f\n.type f, %function\n{'.thumb_func' if 'thumb' in target else ''}\nf:\n"
                      f"{code}\n{size}".encode())
        target, *pic = target.rsplit(" -fPIC", 1)
        assert run(["clang-14", *target.split(), "-c", "-o", obj, source]).rc == 0
        r = run(["ld.lld-14", *(["-shared", "-z", "notext"] if pic else ["-e", "f"]), "-o", linked, obj])
        assert r.rc == 0, r.err
        for path, options in (obj, []), (linked, ["--ignore-symbols"]):
            r = run([prog("bb-disasm"), *options, path])
            fs = [f for m in readstream.members(r.out) for f in m[1]]
            exits = [x >> 2 for f in fs for x in f["exits"] if x & 2]
            ok(f"tables/{name}: {'linked' if options else 'object file'}", exits == [3], (r.err, exits))


if __name__ == "__main__":
    test_shapes()
    test_unreachable()
    test_shared()
    sys.exit(done())
