/* The floor: what a boot costs that knows everything beforehand.
 *
 * A static init that does, step by step, what freshroot does on this one machine,
 * with the results of all its decisions compiled in. It looks for nothing, and
 * checks nothing that cannot fail here. Whatever fails ends it, and so panics the
 * kernel, which the benchmark notices.
 *
 * Compiled in: MODULES, a list of quoted paths in load order; DEVICE, the pool; USR,
 * the golden master; and either STATELESS or INSTANCE.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int kmsg = -1;

/* note puts a mark into the kernel's log. */
static void note(const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (write(kmsg, text, n) < 0)
		_exit(1);
}

/* must ends the boot if a call failed. */
static int must(int result, const char *what)
{
	if (result < 0) {
		note("floor: %s: %m", what);
		_exit(1);
	}
	return result;
}

static void mounted(const char *type, const char *from, const char *to,
		    unsigned long flags, const char *data)
{
	must(mount(from, to, type, flags, data), to);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void api_mounts(void)
{
	mounted("devtmpfs", "devtmpfs", "/dev", MS_NOSUID, "mode=0755");
	mounted("proc", "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	mounted("sysfs", "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	mounted("tmpfs", "tmpfs", "/run", MS_NOSUID | MS_NODEV | MS_STRICTATIME,
		"mode=0755");
	kmsg = must(open("/dev/kmsg", O_WRONLY | O_CLOEXEC), "kmsg");
}

/* load_modules loads them one by one, and notes how long that took. */
static void load_modules(void)
{
	static const char *const modules[] = { MODULES };
	long long start = now();
	for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
		int fd = must(open(modules[i], O_RDONLY | O_CLOEXEC), modules[i]);
		/* Some are for a CPU that this one is not. */
		syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
	note("floor: modules %lld", (now() - start) / 1000);
}

/* mount_pool waits for the disk, if that is still needed. */
static void mount_pool(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	while (access(DEVICE, F_OK))
		nanosleep(&moment, NULL);
#ifdef STATELESS
	mounted("btrfs", DEVICE, "/pool", MS_RDONLY, "subvolid=5,rescue=nologreplay");
#else
	mounted("btrfs", DEVICE, "/pool", 0, "subvolid=5");
#endif
}

static void make_dir(const char *path, mode_t mode)
{
	mkdir(path, mode); /* may exist */
}

static void bind_usr(void)
{
	make_dir("/sysroot/usr", 0755);
	mounted("", "/pool/" USR, "/sysroot/usr", MS_BIND, "");
	mounted("", "", "/sysroot/usr", MS_REMOUNT | MS_BIND | MS_RDONLY, "");
}

static char names[64 << 10], value[64 << 10], data[128 << 10];

static void copy_xattrs(int from, int to)
{
	ssize_t n = flistxattr(from, names, sizeof names);
	for (char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, value, sizeof value);
		must(fsetxattr(to, name, value, size, 0), name);
	}
}

/* finish gives a copy its owner, attributes, mode and times, in the order in which
 * one does not undo the other. */
static void finish(int from, int to, const struct stat *st, mode_t have)
{
	if (st->st_uid || st->st_gid)
		must(fchown(to, st->st_uid, st->st_gid), "fchown");
	copy_xattrs(from, to);
	if ((st->st_mode & 07777) != have)
		must(fchmod(to, st->st_mode & 07777), "fchmod");
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	must(futimens(to, times), "futimens");
}

static void copy_file(int from_dir, int to_dir, const char *name)
{
	struct stat st;
	int from = must(openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOATIME), name);
	must(fstat(from, &st), name);
	mode_t mode = st.st_mode & 0777;
	int to = must(openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode),
		      name);
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = must(read(from, data, sizeof data), name);
		left -= must(write(to, data, n), name);
	}
	finish(from, to, &st, mode);
	close(from);
	close(to);
}

static void copy_link(int from_dir, int to_dir, const char *name)
{
	struct stat st;
	must(fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW), name);
	ssize_t n = must(readlinkat(from_dir, name, data, sizeof data - 1), name);
	data[n] = 0;
	must(symlinkat(data, to_dir, name), name);
	if (st.st_uid || st.st_gid)
		fchownat(to_dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	must(utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW), name);
}

static void copy_entries(DIR *list, int to);

static void copy_dir(int from_dir, int to_dir, const char *name)
{
	struct stat st;
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int from = must(openat(from_dir, name, flags | O_NOATIME), name);
	must(fstat(from, &st), name);
	must(mkdirat(to_dir, name, 0700), name);
	int to = must(openat(to_dir, name, flags), name);
	DIR *list = fdopendir(from);
	copy_entries(list, to);
	finish(from, to, &st, 0700);
	closedir(list);
	close(to);
}

static void copy_entries(DIR *list, int to)
{
	int from = dirfd(list);
	for (struct dirent *e; (e = readdir(list));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_DIR)
			copy_dir(from, to, e->d_name);
		else if (e->d_type == DT_LNK)
			copy_link(from, to, e->d_name);
		else
			copy_file(from, to, e->d_name);
	}
}

/* skeleton makes what a root has besides /usr. */
static void skeleton(void)
{
	static const struct { const char *path; mode_t mode; } dirs[] = {
		{ "/sysroot/etc", 0755 }, { "/sysroot/var", 0755 },
		{ "/sysroot/proc", 0555 }, { "/sysroot/sys", 0555 },
		{ "/sysroot/dev", 0555 }, { "/sysroot/run", 0555 },
		{ "/sysroot/home", 0755 }, { "/sysroot/root", 0700 },
		{ "/sysroot/srv", 0755 }, { "/sysroot/opt", 0755 },
		{ "/sysroot/mnt", 0755 }, { "/sysroot/tmp", 01777 },
	};
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		make_dir(dirs[i].path, dirs[i].mode);
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		char target[32], path[32];
		snprintf(target, sizeof target, "usr/%s", links[i]);
		snprintf(path, sizeof path, "/sysroot/%s", links[i]);
		if (symlink(target, path) < 0)
			continue; /* exists */
	}
}

/* populate assembles the new root. */
static void populate(void)
{
#ifdef STATELESS
	mounted("tmpfs", "tmpfs", "/sysroot", MS_STRICTATIME,
		"mode=0755,size=25%,nr_inodes=1m");
	bind_usr();
	int root = must(open("/sysroot", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "/sysroot");
	DIR *factory = opendir("/sysroot/usr/share/factory");
	must(factory ? 0 : -1, "factory");
	copy_entries(factory, root);
	note("floor: copied");
#else
	mounted("", "/pool/" INSTANCE, "/sysroot", MS_BIND, "");
	bind_usr();
#endif
	skeleton();
	umount2("/pool", MNT_DETACH);
}

/* delete_tree empties the initramfs, and does not leave its file system. */
static void delete_tree(int dir, dev_t dev)
{
	DIR *list = fdopendir(dir);
	for (struct dirent *e; (e = readdir(list));) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dir, e->d_name, 0) == 0)
			continue;
		int child = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child < 0)
			continue;
		if (fstat(child, &st) || st.st_dev != dev) {
			close(child);
			continue;
		}
		delete_tree(child, dev);
		unlinkat(dir, e->d_name, AT_REMOVEDIR);
	}
	closedir(list);
}

static void switch_root(char **env)
{
	static const char *const moved[] = { "/dev", "/proc", "/sys", "/run" };
	struct stat st;
	int old = must(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "/");
	must(fstat(old, &st), "/");
	for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
		char to[32];
		snprintf(to, sizeof to, "/sysroot%s", moved[i]);
		mounted("", moved[i], to, MS_MOVE, "");
	}
	must(chdir("/sysroot"), "chdir");
	mounted("", ".", "/", MS_MOVE, "");
	must(chroot("."), "chroot");
	delete_tree(old, st.st_dev);
	char *const args[] = { "/usr/sbin/init", NULL };
	execve(args[0], args, env);
	must(-1, args[0]);
}

int main(int argc, char **argv, char **env)
{
	(void)argc;
	(void)argv;
	umask(0);
	api_mounts();
	note("floor: main");
	load_modules();
	mount_pool();
	note("floor: mounted");
	populate();
	note("floor: assembled");
	switch_root(env);
	return 1;
}
