# --target=mips-linux-gnu
# link: -shared
# The GOT's address from t9, slots, delay slots, a table relative to the GOT.
	.set noreorder
	.text
	.globl choose
	.type choose, @function
choose:
	lui $gp, %hi(_gp_disp)
	addiu $gp, $gp, %lo(_gp_disp)
	addu $gp, $gp, $t9
	sltiu $v0, $a0, 4
	beqz $v0, 4f
	sll $v0, $a0, 2
	lw $v1, %got(table)($gp)
	addiu $v1, $v1, %lo(table)
	addu $v0, $v0, $v1
	lw $v0, 0($v0)
	addu $v0, $v0, $gp
	jr $v0
	nop
1:	lw $v0, %got(variable)($gp)
	lw $v0, 0($v0)
	jr $ra
	nop
2:	lw $v0, %got(counter)($gp)
	bnez $a1, 4f
	lw $v0, 0($v0)
3:	lw $t9, %call16(outside)($gp)
	jalr $t9
	addiu $a0, $a0, 1
	jr $ra
	addiu $sp, $sp, 8
4:	lw $t9, %call16(abort)($gp)
	jalr $t9
	nop
	.size choose, .-choose

	.type last, @function
last:	bal last
	nop
	j last
	ldc1 $f0, 0($a0)
	.size last, .-last

	.section .rodata
	.p2align 2
table:	.gpword 1b
	.gpword 2b
	.gpword 3b
	.gpword 1b

	.data
	.globl counter
	.hidden counter
	.type counter, @object
counter: .word 0
	.size counter, 4
