// Acts as another user: this process for good, or one call.
#ifndef CTELPHERACCOUNT_H
#define CTELPHERACCOUNT_H

#include <sys/types.h>

/// Looks up what shadow(5) says about a user: the day since 1970 from which on the account is disabled, -1
/// for none, and the first byte of its password field, 0 if that is empty. Needs root.
///
/// Returns 1; 0 if the user has no entry; or a negated errno if that can't be found out.
int telpher_password_entry(const char *name, long *expires, char *first);

/// Makes this process one of the user: supplementary groups, group and user, real, effective and saved.
/// It can't get back what it gives up, and neither can the programs that it executes: no_new_privs is
/// set (prctl(2)) and the session's keyring is a new one (session-keyring(7)) for the calling thread, so
/// call execve(2) on the same thread afterwards. A priority above the default and the protection against
/// the kernel's out-of-memory killer are given up, and the umask becomes at least 022. Needs root.
///
/// Returns 0 once all of that holds, which is checked, or a negated errno. After an error the process
/// may have given up a part: end it.
int telpher_become_user(const char *name, uid_t user, gid_t group);

/// Opens a file with the rights of the user and the group (setfsuid(2)): of files that others own, only
/// what this user may open. The supplementary groups stay those of the process. For the calling thread
/// and the time of the call only. Needs root unless they are those of the process.
///
/// Returns the descriptor, which is closed by execve(2), or a negated errno; -EPERM if the process may
/// not act as the user.
int telpher_open_as(const char *path, int flags, uid_t user, gid_t group);

#endif
