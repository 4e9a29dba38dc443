// Files below a root. The header documents the functions.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel fails a lookup through ".." (in a symlink's target) with EAGAIN if a folder is renamed
// meanwhile. We retry this many times, so that a process that renames all the time can't block us
// forever.
#define LOOKUPS 128

static int open_beneath(int folder, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {
      .flags = flags | O_CLOEXEC,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve,
  };
  for (int lookup = 0;; lookup++) {
    long descriptor = syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (descriptor >= 0) return (int)descriptor;
    if (errno != EINTR && (errno != EAGAIN || lookup >= LOOKUPS)) return -errno;
  }
}

int telpher_open_folder_beneath(int folder, const char *path, int symlinks) {
  return open_beneath(folder, path, O_PATH | O_DIRECTORY, symlinks ? 0 : RESOLVE_NO_SYMLINKS);
}

int telpher_look_beneath(int folder, const char *path, int follow) {
  return open_beneath(folder, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
}

int telpher_open_file_beneath(int folder, const char *path) {
  return open_beneath(folder, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

int telpher_open_folder_from(int folder, const char *path) {
  return telpher_open_at(folder, path, O_PATH | O_DIRECTORY);
}

int telpher_look_from(int folder, const char *path, int follow) {
  return telpher_open_at(folder, path, O_PATH | (follow ? 0 : O_NOFOLLOW));
}

int telpher_open_folder(const char *path) {
  return telpher_open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY);
}

int telpher_open_child_folder(int folder, const char *name) {
  return telpher_open_at(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

int telpher_open_child_file(int folder, const char *name) {
  return telpher_open_at(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
}

int telpher_open_partial(int folder, const char *name, int *fresh) {
  int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  for (;;) {
    *fresh = 1;
    int descriptor = openat(folder, name, flags | O_CREAT | O_EXCL, 0600);
    if (descriptor >= 0) return descriptor;
    if (errno == EEXIST) {
      *fresh = 0;
      descriptor = openat(folder, name, flags);
      if (descriptor >= 0) return descriptor;
      if (errno == ENOENT) continue;  // its owner has just removed it
    }
    if (errno != EINTR) return -errno;
  }
}

int telpher_open_unnamed(int folder, uint32_t mode) {
  int descriptor;
  do {
    descriptor = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor < 0 ? -errno : descriptor;
}

int telpher_name(int descriptor, int folder, const char *name) {
  if (linkat(descriptor, "", folder, name, AT_EMPTY_PATH) == 0) return 0;
  // Before Linux 6.10 this needs a privilege.
  if (errno != ENOENT && errno != EPERM) return -errno;
  char own[32];
  snprintf(own, sizeof own, "/proc/self/fd/%d", descriptor);
  return linkat(AT_FDCWD, own, folder, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int telpher_lock(int descriptor) {
  int result;
  do {
    result = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : 0;
}

void telpher_unlock(int descriptor) { flock(descriptor, LOCK_UN); }

int telpher_rename(int from, const char *name, int to, const char *new_name, int replacing) {
  if (renameat2(from, name, to, new_name, replacing ? 0 : RENAME_NOREPLACE) == 0) return 0;
  int error = errno;
  if (replacing || error != EINVAL) return -error;
  // The file system does not support RENAME_NOREPLACE. A hard link does not replace a file either.
  // A folder can't have one, so the result stays EINVAL.
  if (linkat(from, name, to, new_name, 0) < 0) return errno == EEXIST ? -EEXIST : -error;
  return unlinkat(from, name, 0) < 0 ? -errno : 0;
}

int telpher_exchange(int from, const char *name, int to, const char *new_name) {
  return renameat2(from, name, to, new_name, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

int telpher_sync_file_system(int descriptor) { return syncfs(descriptor) < 0 ? -errno : 0; }

int telpher_next_data(int descriptor, int64_t offset, int64_t *start, int64_t *end) {
  off_t data = lseek(descriptor, offset, SEEK_DATA);
  if (data < 0) return errno == ENXIO ? 0 : -errno;
  off_t hole = lseek(descriptor, data, SEEK_HOLE);
  if (hole < 0) return -errno;
  *start = data;
  *end = hole;
  return 1;
}

int telpher_change_mode(int folder, const char *name, uint32_t mode) {
  return fchmodat(folder, name, mode, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}
