# --target=i386-linux-gnu
# link: -shared
# The GOT's address in ebx, a table relative to it, slots, stack arguments.
	.text
	.globl choose
	.type choose, @function
choose:
	push %ebx
	call here
	add $_GLOBAL_OFFSET_TABLE_, %ebx
	mov 8(%esp), %eax
	cmp $3, %eax
	ja 4f
	mov table@GOTOFF(%ebx,%eax,4), %eax
	add %ebx, %eax
	jmp *%eax
1:	mov variable@GOT(%ebx), %eax
	mov (%eax), %eax
	pop %ebx
	ret
2:	mov counter@GOTOFF(%ebx), %eax
	test %eax, %eax
	je 4f
3:	call outside@PLT
4:	pop %ebx
	jmp outside@PLT
	.size choose, .-choose

	.type here, @function
here:	mov (%esp), %ebx
	ret
	.size here, .-here

	.globl last
	.type last, @function
last:	lea 1(,%eax,8), %edx
	fldl 4(%esp)
	rep movsb
	call abort@PLT
	.size last, .-last

	.section .rodata
table:	.long 1b@GOTOFF, 2b@GOTOFF, 3b@GOTOFF, 1b@GOTOFF

	.data
	.globl counter
	.hidden counter
	.type counter, @object
counter: .long 0
	.size counter, 4
