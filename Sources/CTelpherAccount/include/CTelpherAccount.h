// Changes the user of this process for good.
#ifndef CTELPHERACCOUNT_H
#define CTELPHERACCOUNT_H

#include <sys/types.h>

/// Makes this process one of the user: supplementary groups, group and user, real, effective and saved.
/// It can't get back what it gives up, and neither can the programs that it executes: no_new_privs is
/// set (prctl(2)) for the calling thread, so call execve(2) on the same thread afterwards. Needs root.
///
/// Returns 0 once all of that holds, which is checked, or a negated errno. After an error the process
/// may have given up a part: end it.
int telpher_become_user(const char *name, uid_t user, gid_t group);

#endif
