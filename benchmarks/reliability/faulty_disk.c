/* A disk that fails, and a power that goes, at a call of one's choice: loaded before the C library.

   Counted are the calls that change something below one folder. At the chosen one the process is
   killed (before the call, after it, or in the middle of a write), or the call fails with an error.
   Compiled and used by trials.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { KILL_BEFORE = -1, KILL_AFTER = -2, KILL_WITHIN = -3 };

static char folder[4096];
static long target = 0; /* the call that fails; 0 for none */
static long count = 0;
static int what = 0; /* one of the above, or an error number */
static int forever = 0;
static unsigned char inside[65536]; /* descriptors of files below the folder */

void faulty_arm(const char *root, long call, int action, int for_good) {
    strncpy(folder, root, sizeof folder - 1);
    target = call;
    what = action;
    forever = for_good;
    count = 0;
}

long faulty_count(void) { return count; }

static int below(const char *path) {
    size_t length = strlen(folder);
    return length && path && strncmp(path, folder, length) == 0;
}

static void die(void) { kill(getpid(), SIGKILL); }

/* Whether the call is to fail now; kills where it is to be killed before. */
static int fails(void) {
    count++;
    if (!target || (forever ? count < target : count != target)) return 0;
    if (what == KILL_BEFORE) die();
    if (what < 0) return 0;
    errno = what;
    return 1;
}

static void done(void) {
    if (target && count == target && (what == KILL_AFTER || what == KILL_WITHIN)) die();
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        int ours = below(path) && (flags & (O_CREAT | O_WRONLY | O_RDWR)); \
        if (ours && fails()) return -1; \
        int descriptor = real(path, flags, mode); \
        if (descriptor >= 0 && descriptor < (int)sizeof inside) inside[descriptor] = below(path); \
        if (ours) done(); \
        return descriptor; \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        int ours = below(path) && (flags & (O_CREAT | O_WRONLY | O_RDWR)); \
        if (ours && fails()) return -1; \
        int descriptor = real(at, path, flags, mode); \
        if (descriptor >= 0 && descriptor < (int)sizeof inside) inside[descriptor] = below(path); \
        if (ours) done(); \
        return descriptor; \
    }
OPENAT(openat)
OPENAT(openat64)

static int ours(int descriptor) {
    return descriptor >= 0 && descriptor < (int)sizeof inside && inside[descriptor];
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    REAL(write);
    if (!ours(descriptor)) return real(descriptor, bytes, length);
    if (fails()) return -1;
    if (target && count == target && what == KILL_WITHIN) {
        real(descriptor, bytes, length / 2);
        die();
    }
    ssize_t written = real(descriptor, bytes, length);
    done();
    return written;
}

int close(int descriptor) {
    REAL(close);
    if (descriptor >= 0 && descriptor < (int)sizeof inside) inside[descriptor] = 0;
    return real(descriptor);
}

#define OF_DESCRIPTOR(name, declared, given) \
    int name declared { \
        REAL(name); \
        if (!ours(descriptor)) return real given; \
        if (fails()) return -1; \
        int result = real given; \
        done(); \
        return result; \
    }
OF_DESCRIPTOR(fsync, (int descriptor), (descriptor))
OF_DESCRIPTOR(fdatasync, (int descriptor), (descriptor))
OF_DESCRIPTOR(ftruncate, (int descriptor, off_t length), (descriptor, length))
OF_DESCRIPTOR(ftruncate64, (int descriptor, off64_t length), (descriptor, length))
OF_DESCRIPTOR(fchmod, (int descriptor, mode_t mode), (descriptor, mode))

#define OF_PATH(name, declared, given) \
    int name declared { \
        REAL(name); \
        if (!below(path)) return real given; \
        if (fails()) return -1; \
        int result = real given; \
        done(); \
        return result; \
    }
OF_PATH(rename, (const char *path, const char *new), (path, new))
OF_PATH(renameat, (int at, const char *path, int to, const char *new), (at, path, to, new))
OF_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
OF_PATH(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
OF_PATH(unlink, (const char *path), (path))
OF_PATH(unlinkat, (int at, const char *path, int flags), (at, path, flags))
OF_PATH(rmdir, (const char *path), (path))
OF_PATH(chmod, (const char *path, mode_t mode), (path, mode))
OF_PATH(fchmodat, (int at, const char *path, mode_t mode, int flags), (at, path, mode, flags))
OF_PATH(truncate, (const char *path, off_t length), (path, length))
OF_PATH(truncate64, (const char *path, off64_t length), (path, length))
