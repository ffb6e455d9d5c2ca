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


if __name__ == "__main__":
    test_unreachable()
    test_shared()
    sys.exit(done())
