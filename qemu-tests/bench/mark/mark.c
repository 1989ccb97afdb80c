/* The init of the OS that the benchmark boots.
 *
 * Its first act is a mark in the kernel's log: the end of what is measured. Then it
 * prints on the console what the measuring side wants to know, and powers off. It
 * is static, and needs nothing but /dev and, for boot.json, /run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <unistd.h>

/* Where the initramfs begins to matter: the kernel unpacks it. */
static const char begin[] = ";Trying to unpack rootfs image";

/* log_records prints the kernel's log, one record per read, from begin on. Each
 * starts with "PRIORITY,NUMBER,MICROSECONDS,FLAGS;". */
static void log_records(void)
{
	char record[8192];
	int seen = 0;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	for (;;) {
		ssize_t n = read(fd, record, sizeof record - 1);
		if (n < 0 && errno == EPIPE) /* overwritten meanwhile: go on */
			continue;
		if (n <= 0)
			return;
		record[n] = 0;
		record[strcspn(record, "\n")] = 0; /* the rest is about devices */
		seen = seen || strstr(record, begin);
		if (seen)
			printf("BENCH log %s\n", record);
	}
}

/* boot_record prints what freshroot says of itself. */
static void boot_record(void)
{
	char line[8192];
	FILE *f = fopen("/run/freshroot/boot.json", "r");
	while (f && fgets(line, sizeof line, f))
		printf("BENCH json %s", line);
}

int main(void)
{
	int kmsg = open("/dev/kmsg", O_WRONLY);
	if (write(kmsg, "bench: switched\n", 16) < 0)
		return 1;
	/* The peak survives execve(2): it is that of the init before us. */
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	/* Whatever stdin and stdout are by now, the console is the console. */
	if (!freopen("/dev/console", "w", stdout))
		return 1;
	printf("\nBENCH maxrss %ld\n", usage.ru_maxrss);
	boot_record();
	log_records();
	printf("BENCH end\n");
	fflush(stdout);
	sync(); /* the next boot may need what this one made */
	reboot(RB_POWER_OFF);
	return 1;
}
