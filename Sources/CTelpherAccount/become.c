#define _GNU_SOURCE
#include "CTelpherAccount.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The umask of a login: login.defs(5).
enum { LOGIN_UMASK = 022 };

// Whether the user and the group are these, and root can't be had back.
static int has_become(uid_t user, gid_t group) {
  uid_t users[3];
  gid_t groups[3];
  if (getresuid(&users[0], &users[1], &users[2]) < 0) return 0;
  if (getresgid(&groups[0], &groups[1], &groups[2]) < 0) return 0;
  for (int i = 0; i < 3; i++) {
    if (users[i] != user || groups[i] != group) return 0;
  }
  return user == 0 || (setuid(0) < 0 && seteuid(0) < 0);
}

// Gives up what a process of root may have and one of a user may not: a priority above the default, for
// the processor and for input and output, and the protection against the kernel's out-of-memory killer
// (oom_score_adj in proc(5)). Values below the default stay: an operator may have lowered them for a
// reason.
static int give_up_priority(void) {
  struct sched_param none = {0};
  int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  if ((policy == SCHED_FIFO || policy == SCHED_RR) && sched_setscheduler(0, SCHED_OTHER, &none) < 0)
    return -errno;
  errno = 0;
  int nice = getpriority(PRIO_PROCESS, 0);
  if (errno != 0 || (nice < 0 && setpriority(PRIO_PROCESS, 0, 0) < 0)) return -errno;
  long io = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
  if (io >= 0 && IOPRIO_PRIO_CLASS(io) == IOPRIO_CLASS_RT &&
      syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0) < 0)
    return -errno;
  FILE *file = fopen("/proc/self/oom_score_adj", "r+e");
  if (!file) return -errno;
  int score = 0, error = 0;
  if (fscanf(file, "%d", &score) != 1) error = -EIO;
  // rewind(3): a stream needs it between reading and writing.
  if (error == 0 && score < 0) {
    rewind(file);
    if (fputs("0\n", file) < 0 || fflush(file) != 0) error = -errno;
  }
  fclose(file);
  return error;
}

// Leaves the session's keyring (session-keyring(7)), which may hold keys of root's login and which all
// users would share.
static int join_own_keyring(void) {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0) return 0;
  // The kernel has no keyrings, or a filter of system calls forbids them. The programs inherit the
  // filter, so they reach no keys either.
  return errno == ENOSYS || errno == EPERM ? 0 : -errno;
}

int telpher_become_user(const char *name, uid_t user, gid_t group) {
  int error = give_up_priority();
  if (error != 0) return error;
  // A umask at least as strict as that of a login.
  mode_t mask = umask(LOGIN_UMASK);
  umask(mask | LOGIN_UMASK);
  if (initgroups(name, group) < 0) return -errno;
  if (setresgid(group, group, group) < 0) return -errno;
  if (setresuid(user, user, user) < 0) return -errno;
  error = join_own_keyring();
  if (error != 0) return error;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  return has_become(user, group) ? 0 : -EPERM;
}

int telpher_open_as(const char *path, int flags, uid_t user, gid_t group) {
  // Both return the number before, and -1 as a number changes nothing and asks for it.
  int own_group = setfsgid(group), own_user = setfsuid(user);
  int file = -EPERM;
  if (setfsuid((uid_t)-1) == (int)user && setfsgid((gid_t)-1) == (int)group) {
    file = open(path, flags | O_CLOEXEC);
    if (file < 0) file = -errno;
  }
  setfsuid((uid_t)own_user);
  setfsgid((gid_t)own_group);
  return file;
}
