/*
 * sandbox.c: Landlock for files (landlock(7)), seccomp for system calls (seccomp(2)); see
 * sandbox.h. Both are asked for by bare system calls: the C library has no functions for them.
 */
#include "cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* Everything that changes a file system, in the first Landlock version (Linux 5.13). */
static const uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
				LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

/* Leaves the files below the path, or the file, open for writing. */
static bool leave_open(int rules, const char *path)
{
	struct stat st;
	bool is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	struct landlock_path_beneath_attr below = {
		.allowed_access = is_folder ? writing : LANDLOCK_ACCESS_FS_WRITE_FILE,
		.parent_fd = open(path, O_PATH | O_CLOEXEC)};
	bool ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0;

	if (below.parent_fd >= 0)
		close(below.parent_fd);
	return ok;
}

/* NVIDIA's driver opens its devices again and again. */
static bool leave_gpu(int rules)
{
	glob_t found;
	bool ok = true;

	if (glob("/dev/nvidia*", 0, NULL, &found) != 0)
		return true;
	for (size_t i = 0; i < found.gl_pathc; i++)
		ok = ok && leave_open(rules, found.gl_pathv[i]);
	globfree(&found);
	return ok;
}

static bool restrict_files(const char *output, bool gpu)
{
	struct landlock_ruleset_attr all = {
		.handled_access_fs = writing | LANDLOCK_ACCESS_FS_EXECUTE};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	bool ok = rules >= 0;

	if (ok && output) {
		char *copy = mem_strdup(output);
		struct stat st;

		ok = leave_open(rules,
			stat(output, &st) == 0 && S_ISDIR(st.st_mode) ? output : dirname(copy));
		mem_free(copy);
	}
	ok = ok && (!gpu || leave_gpu(rules));
	ok = ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (rules >= 0)
		close(rules);
	return ok;
}

#ifdef __x86_64__

#define ALLOW        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DENY         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
/* The next statement runs only for this system call. */
#define ON_CALL(nr)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1)
#define DENY_CALL(nr) ON_CALL(nr), DENY

static bool restrict_calls(void)
{
	struct sock_filter code[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		DENY,
		LOAD(nr),
		DENY_CALL(SYS_execve),
		DENY_CALL(SYS_execveat),
		DENY_CALL(SYS_fork),
		DENY_CALL(SYS_vfork),
		DENY_CALL(SYS_socket),
		DENY_CALL(SYS_socketpair),
		DENY_CALL(SYS_connect),
		DENY_CALL(SYS_ptrace),
		DENY_CALL(SYS_process_vm_readv),
		DENY_CALL(SYS_process_vm_writev),
		DENY_CALL(SYS_kill),
		DENY_CALL(SYS_mount),
		DENY_CALL(SYS_unshare),
		DENY_CALL(SYS_setns),
		DENY_CALL(SYS_bpf),
		DENY_CALL(SYS_io_uring_setup),
		DENY_CALL(SYS_chmod),
		DENY_CALL(SYS_fchmod),
		DENY_CALL(SYS_chown),
		ALLOW,
	};
	struct sock_fprog prog = {COUNT_OF(code), code};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

#else

static bool restrict_calls(void)
{
	return false;
}

#endif

void sandbox_enter(const struct prog *p)
{
	bool files, calls;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		prog_note(p, "sandbox: none");
		return;
	}
	files = restrict_files(p->output, p->gpu);
	calls = restrict_calls();
	prog_note(p, "sandbox: %s",
		files && calls ? "files and system calls"
		: files        ? "files"
		: calls        ? "system calls"
			       : "none");
}
