/* Makes one call on a data folder fail, as a disk does that is about to die.
 *
 * Loaded with LD_PRELOAD. Counts the calls of one kind on files below a folder; the one with the given
 * number fails, a write after half of its bytes. What failed, and when, is written to a file.
 *
 *   PARX_FAULT_FOLDER  the folder
 *   PARX_FAULT_CALLS   sync (fsync, fdatasync) or write (write, writev, pwrite)
 *   PARX_FAULT_AT      which of them fails, from 1
 *   PARX_FAULT_ERRNO   with which error, such as 5 (EIO) or 28 (ENOSPC)
 *   PARX_FAULT_LOG     where to write it down: seconds, call, path
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;

static int below(int fd, char *path, size_t size) {
    const char *folder = getenv("PARX_FAULT_FOLDER");
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0 || !folder) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* True if this call is the one that fails; then it is written down and errno is set. */
static int fails(const char *kind, const char *call, int fd) {
    const char *wanted = getenv("PARX_FAULT_CALLS");
    char path[4096];
    if (!wanted || strcmp(wanted, kind) != 0 || !below(fd, path, sizeof path)) return 0;
    const char *at = getenv("PARX_FAULT_AT");
    if (!at || atomic_fetch_add(&calls, 1) + 1 != atol(at)) return 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char line[4500];
    int length = snprintf(line, sizeof line, "%ld.%09ld %s %s\n", (long)now.tv_sec, now.tv_nsec,
                          call, path);
    const char *log = getenv("PARX_FAULT_LOG");
    int out = log ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (out >= 0) {
        syscall(SYS_write, out, line, (size_t)length);
        close(out);
    }
    const char *number = getenv("PARX_FAULT_ERRNO");
    errno = number ? atoi(number) : EIO;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) { return fails("sync", "fsync", fd) ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return fails("sync", "fdatasync", fd) ? -1 : REAL(fdatasync)(fd); }

ssize_t write(int fd, const void *bytes, size_t size) {
    if (!fails("write", "write", fd)) return REAL(write)(fd, bytes, size);
    int error = errno;
    REAL(write)(fd, bytes, size / 2);
    errno = error;
    return -1;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!fails("write", "writev", fd)) return REAL(writev)(fd, parts, count);
    int error = errno;
    if (count > 0) REAL(write)(fd, parts[0].iov_base, parts[0].iov_len / 2);
    errno = error;
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t place) {
    if (!fails("write", "pwrite", fd)) return REAL(pwrite64)(fd, bytes, size, place);
    int error = errno;
    REAL(pwrite64)(fd, bytes, size / 2, place);
    errno = error;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t place) {
    return pwrite64(fd, bytes, size, place);
}
