/* Preloaded (LD_PRELOAD) by the tests into the service or into PostgreSQL.
 *
 * Where TRUST_TRACE names a file, a line is appended for each request that is
 * read from a socket, each answer that is written to one, and each flush to
 * the disk:
 *     in   <nanoseconds> <descriptor> <first line of the request>
 *     out  <nanoseconds> <descriptor> <first line of the answer>
 *     sync <nanoseconds> <nanoseconds> <result> <path>
 * "in" has the instant after the read, "out" the one before the write, and
 * "sync" those before and after the flush, so what lies between is certain.
 *
 * Where TRUST_FAULT names a file and that file exists, the disk fails for every
 * file whose path has ".db" in it: "full" makes writes fail with ENOSPC, half
 * of each being written; "sync" makes flushes fail with EIO. With "answer" in
 * that file, the process ends (exit code 86) when it is about to answer a POST;
 * with "commit", at the first commit after it has read one: when SQLite has
 * flushed, or when PostgreSQL says so.
 *
 * The kernel is called directly, so nothing has to be looked up, and none of
 * this calls itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void append(const char *line, int length)
{
    const char *path = getenv("TRUST_TRACE");
    int kept = errno;
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (fd >= 0) {
        syscall(SYS_write, fd, line, length);
        syscall(SYS_close, fd);
    }
    errno = kept;
}

/* Notes a request or an answer by its first line. */
static void note(const char *kind, long long at, int fd, const char *text, ssize_t size)
{
    char line[256];
    int shown = 0;
    while (shown < size && shown < 120 && text[shown] != '\r' && text[shown] != '\n')
        shown++;
    int length = snprintf(line, sizeof line, "%s %lld %d %.*s\n", kind, at, fd, shown, text);
    append(line, length);
}

static int begins(const void *text, ssize_t size, const char *with)
{
    ssize_t length = (ssize_t)strlen(with);
    return size >= length && memcmp(text, with, length) == 0;
}

/* Whether the last request that was read from a descriptor was a POST. */
static volatile char is_post[65536];

/* Whether a POST was read after which the first commit is the last. */
static volatile char is_last;

static int is_known(int fd)
{
    return fd >= 0 && fd < (int)sizeof is_post;
}

/* Whether this is to fail now. */
static int is_to_fail(const char *what)
{
    char said[8] = "";
    const char *marker = getenv("TRUST_FAULT");
    int kept = errno;
    int file = marker ? (int)syscall(SYS_openat, AT_FDCWD, marker, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        syscall(SYS_read, file, said, sizeof said - 1);
        syscall(SYS_close, file);
    }
    errno = kept;
    return strncmp(said, what, strlen(what)) == 0;
}

static ssize_t came(int fd, const void *buffer, ssize_t size)
{
    int posts = begins(buffer, size, "POST /");
    if (posts || begins(buffer, size, "PUT /") || begins(buffer, size, "GET /")) {
        note("in", now(), fd, buffer, size);
        if (is_known(fd))
            is_post[fd] = (char)posts;
        if (posts && is_to_fail("commit"))
            is_last = 1;
    }
    if (is_last && size > 0 && memmem(buffer, (size_t)size, "COMMIT", sizeof "COMMIT"))
        _exit(86);
    return size;
}

static void goes(int fd, const void *buffer, ssize_t size)
{
    if (!begins(buffer, size, "HTTP/1.1 "))
        return;
    note("out", now(), fd, buffer, size);
    if (is_known(fd) && is_post[fd] && is_to_fail("answer"))
        _exit(86);
}

/* The path of an open file; empty for a socket. */
static void path_of(int fd, char *path, size_t room)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - 1);
    path[length > 0 && path[0] == '/' ? length : 0] = 0;
}

/* Whether the disk is to fail so for this file. */
static int fails(int fd, const char *how)
{
    char path[512];
    if (!is_to_fail(how))
        return 0;
    path_of(fd, path, sizeof path);
    return strstr(path, ".db") != NULL;
}

static int flush(long call, int fd)
{
    char path[512], line[640];
    path_of(fd, path, sizeof path);
    long long from = now();
    int result = -1;
    if (fails(fd, "sync"))
        errno = EIO;
    else
        result = (int)syscall(call, fd);
    if (is_last && result == 0 && strstr(path, ".db"))
        _exit(86);
    int length = snprintf(line, sizeof line, "sync %lld %lld %d %s\n", from, now(), result, path);
    append(line, length);
    return result;
}

int fsync(int fd) { return flush(SYS_fsync, fd); }
int fdatasync(int fd) { return flush(SYS_fdatasync, fd); }

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    return came(fd, buffer, syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL));
}

ssize_t read(int fd, void *buffer, size_t size)
{
    return came(fd, buffer, syscall(SYS_read, fd, buffer, size));
}

ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    goes(fd, buffer, (ssize_t)size);
    return syscall(SYS_sendto, fd, buffer, size, flags, NULL, 0);
}

ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
    goes(fd, buffer, (ssize_t)size);
    return syscall(SYS_sendto, fd, buffer, size, flags, to, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (count > 0)
        goes(fd, parts[0].iov_base, (ssize_t)parts[0].iov_len);
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t write(int fd, const void *buffer, size_t size)
{
    goes(fd, buffer, (ssize_t)size);
    if (fails(fd, "full")) {
        syscall(SYS_write, fd, buffer, size / 2);
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, buffer, size);
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off_t offset)
{
    if (fails(fd, "full")) {
        syscall(SYS_pwrite64, fd, buffer, size / 2, offset);
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, buffer, size, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return pwrite64(fd, buffer, size, offset);
}
