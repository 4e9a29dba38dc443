#define _GNU_SOURCE
#include "CTelpherAccount.h"

#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

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

int telpher_become_user(const char *name, uid_t user, gid_t group) {
  if (initgroups(name, group) < 0) return -errno;
  if (setresgid(group, group, group) < 0) return -errno;
  if (setresuid(user, user, user) < 0) return -errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  return has_become(user, group) ? 0 : -EPERM;
}
