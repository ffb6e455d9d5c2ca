/* shape.c: shapes of expressions, by hand. */
#include "text/shape.h"

#include <string.h>

#include "tests/unit.h"

static bool is(const char *expr, const char *want)
{
	struct buf b = {0};
	bool same;

	shape_expr(&b, expr);
	same = !strcmp(buf_text(&b), want);
	if (!same)
		fprintf(stderr, "%s: %s, not %s\n", expr, buf_text(&b), want);
	buf_free(&b);
	return same;
}

int main(void)
{
	/* the same from a stack slot and from a register */
	CHECK(is("* ( rbp add -24 ) = 1 add * ( rbp add -24 )", "1 add v0"));
	CHECK(is("rbx = 1 add rbx", "1 add v0"));
	CHECK(is("* ( rsp ) = rax", "v0"));
	/* values by appearance, each by one name */
	CHECK(is("rax = rdi add ( rsi mul rdi )", "v0 add ( v1 mul v0 )"));
	CHECK(is("* ( rbp add -8 ) ult * ( rbp add -16 )", "v0 ult v1"));
	/* the same of AArch64, whose low parts have no names of their own */
	CHECK(is("* ( sp add 12 ) = 1 add * ( x29 add -24 )", "1 add v0"));
	CHECK(is("x0 = 0 Concat x0 [7:0]", "0 Concat v0"));
	/* and of i386 */
	CHECK(is("* ( esp add 12 ) = 1 add * ( ebp add -24 )", "1 add v0"));
	CHECK(is("eax = al Concat ecx [3:0]", "v0 Concat v1 [3:0]"));
	CHECK(is("x0 = 0 Concat x1 [15:0] Concat x2 [9:2]", "0 Concat v0 Concat v1 [9:2]"));
	CHECK(is("q0 = 0 Concat q1 [63:0]", "0 Concat v0 [63:0]"));
	/* other memory stays memory, also where it is assigned to */
	CHECK(is("* ( rdi add 184 ) = * ( rsp add 8 )", "* ( v0 add 184 ) = v1"));
	CHECK(is("* ( * ( rbp add -16 ) ) ne 10", "* ( v0 ) ne 10"));
	CHECK(is("* ( rbp add rax )", "* ( v0 add v1 )"));
	/* numbers */
	CHECK(is("* ( 207360 ) = -5000 add eax", "* ( IMM ) = -5000 add v0"));
	CHECK(is("rax = -5001", "IMM"));
	CHECK(is("rax = 99999999999999999999999", "IMM"));
	/* operators, functions and fields keep their names */
	CHECK(is("0 Concat * ( rbp add -130 ) [0:0] ne 0", "0 Concat v0 [0:0] ne 0"));
	CHECK(is("rax = sext ( eax ) add xmm0 [3:3]", "sext ( v0 ) add v1 [3:3]"));
	CHECK(is("fprintf ( rdi , 8 mul rsi )", "fprintf ( v0 , 8 mul v1 )"));
	CHECK(is("func ( )", "func ( )"));
	/* what is no expression is no crash */
	CHECK(is("", ""));
	CHECK(is("  ", ""));
	CHECK(is("* (", "* ("));
	CHECK(is("* ( rbp add", "* ( v0 add"));
	CHECK(is("rax =", ""));
	CHECK(is("- =", ""));
	return unit_done();
}
