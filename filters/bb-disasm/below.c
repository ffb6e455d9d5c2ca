/* below.c: see below.h. */
#include "below.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

static int open_folder(const char *beside)
{
	char *copy = mem_strdup(beside);
	int fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);

	mem_free(copy);
	return fd;
}

/* Goes from the folder, which is closed, to the one that the name's last part is in. */
static int descend(int at, char **name, struct err *e)
{
	char *slash;

	while ((slash = strchr(*name, '/'))) {
		int next;

		*slash = 0;
		if (!strcmp(*name, "..")) {
			close(at);
			return err_set(e, "its path leads out of the archive's folder: name it "
					  "instead of the archive");
		}
		next = **name ? openat(at, *name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			      : dup(at);
		if (next < 0)
			err_set(e, "cannot open: %s",
				errno == ENOTDIR ? "a symbolic link, or no folder, is in its path"
						 : strerror(errno));
		close(at);
		if (next < 0)
			return -1;
		at = next;
		*name = slash + 1;
	}
	return at;
}

/* Looks before it opens: devices and pipes do things when they are opened. */
static int open_regular(int at, const char *name, struct err *e)
{
	struct stat st;
	int fd = -1;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, "cannot open: %s", strerror(errno));
	if (S_ISREG(st.st_mode))
		fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (S_ISREG(st.st_mode) && fd < 0)
		return err_set(e, "cannot open: %s", strerror(errno));
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	return err_set(e, "is not a regular file");
}

int below_open(const char *beside, const char *name, struct err *e)
{
	char *copy, *last;
	int at, fd;

	if (*name == '/')
		return err_set(e, "its path is absolute: name it instead of the archive");
	at = open_folder(beside);
	if (at < 0)
		return err_set(e, "cannot open the archive's folder: %s", strerror(errno));
	last = copy = mem_strdup(name);
	at = descend(at, &last, e);
	fd = at < 0 ? -1 : open_regular(at, last, e);
	if (at >= 0)
		close(at);
	mem_free(copy);
	return fd;
}
