// The few Linux calls that Swift's Glibc module lacks, and the launch of a process, which Swift
// can't do: between clone and execve no Swift code may run.
//
// Functions that return int return 0 or a positive result, or the negated errno(3), unless they
// say otherwise. All may be called from any thread.
#ifndef CTELPHERSYS_H
#define CTELPHERSYS_H

#ifndef __linux__
#error "CTelpherSys is for Linux: see clone3(2), pidfd_open(2), cgroups(7)"
#endif

#include <stddef.h>
#include <stdint.h>

// ---- Launching (launch.c) ----

/// What a launch was doing when it failed.
enum telpher_stage {
  TELPHER_STAGE_NONE = 0,
  TELPHER_STAGE_RESOURCES = 1,
  TELPHER_STAGE_DIRECTORY = 2,
  TELPHER_STAGE_LIMIT = 3,
  TELPHER_STAGE_EXECUTE = 4,
};

/// One limit to set with prlimit(2).
struct telpher_limit {
  int resource;
  uint64_t soft;
  uint64_t hard;
};

/// What a child shares with us beside its memory. Never a terminal, unless it shares all.
enum telpher_apart {
  /// Nothing is changed.
  TELPHER_APART_NOTHING,
  /// It leads a group of processes of its own in our session, and has no controlling terminal.
  TELPHER_APART_GROUP,
  // A process group of its own, with our controlling terminal.
  TELPHER_APART_GROUP_WITH_TERMINAL,
  /// It leads a session of its own.
  TELPHER_APART_SESSION,
};

/// What to launch. All memory stays the caller's, and is only read.
struct telpher_launch {
  /// The files to try to execute in this order, NULL at the end: the PATH search, already spelled
  /// out, because the child must not allocate.
  const char *const *candidates;
  /// NULL-terminated, as for execve(2).
  char *const *arguments;
  /// The arguments of /bin/sh for a candidate that the kernel knows no format of (ENOEXEC), as
  /// execvp(3) runs it: "/bin/sh", a place that the child fills with the candidate, and `arguments`
  /// from the second on. NULL-terminated.
  char **script_arguments;
  char *const *environment;
  /// The working directory, or NULL for the caller's.
  const char *directory;
  /// The descriptors that become 0, 1 and 2. One that is its own number is passed on as it is.
  int stdio[3];
  /// A control group's directory that the child starts in, or -1.
  int control_group;
  /// What the child is apart from.
  enum telpher_apart apart;
  /// Whether to do without clone3 even where it works. For tests and measurements.
  int without_clone3;
  const struct telpher_limit *limits;
  size_t limit_count;
  /// What the child and all that come from it have as their soft limit of file locks, or 0; and the
  /// hard limit.
  uint64_t tag;
  uint64_t tag_limit;
};

/// What became of a launch.
struct telpher_launched {
  /// TELPHER_STAGE_NONE where the child has executed its program.
  enum telpher_stage stage;
  /// The errno of a failure.
  int error;
  int pid;
  /// The child's pidfd, close-on-exec; the caller closes it.
  int pid_descriptor;
};

/// Launches a process and returns once it has executed its program, or failed to. A child that
/// failed has been waited for.
struct telpher_launched telpher_launch(const struct telpher_launch *request);

// ---- Processes (process.c) ----

/// How a child ended, and what it used.
struct telpher_exit {
  /// The signal that ended it, or 0.
  int signal;
  int core_dumped;
  /// The exit code, where no signal ended it.
  int code;
  int64_t user_microseconds;
  int64_t system_microseconds;
  int64_t max_resident_kib;
  int64_t major_faults;
  int64_t minor_faults;
  int64_t voluntary_switches;
  int64_t involuntary_switches;
};

/// Asks whether child `pid` has ended, without waiting: 1 with `*result` filled, 0 while it runs,
/// -ECHILD where there is no such child. With `keep` it stays a zombie, so that its id, and those
/// of its group and session, can't be given to a stranger. waitid(2).
int telpher_wait(int pid, int keep, struct telpher_exit *result);

/// Whether child `pid` is stopped (1), or has ended (-ESRCH): waitid(2). Takes nothing of it away.
int telpher_is_stopped(int pid);

/// Waits until child `pid` is stopped: -ESRCH if it has ended instead. Takes nothing of it away.
int telpher_await_stop(int pid);

/// Sets a limit of process `pid`: prlimit(2).
int telpher_set_limit(int pid, int resource, uint64_t soft, uint64_t hard);

/// The id of some child that has ended and was not waited for, which stays so; 0 where there is
/// none.
int telpher_any_zombie(void);

/// A pidfd of `pid`. pidfd_open(2).
int telpher_pidfd_open(int pid);

/// Sends `signal` to the process that `pid_descriptor` is of: pidfd_send_signal(2).
int telpher_pidfd_signal(int pid_descriptor, int signal);

/// Makes this process the one that orphans below it are handed to: PR_SET_CHILD_SUBREAPER, prctl(2).
int telpher_become_subreaper(void);

/// Makes sure that SIGCHLD is not ignored, which would have the kernel drop the status of each
/// child. (A parent that ignores it bequeaths that.)
void telpher_keep_child_status(void);

/// The soft and hard limit of `resource`: getrlimit(2).
int telpher_get_limit(int resource, uint64_t *soft, uint64_t *hard);

/// Sets the soft limit of `resource` of this process.
int telpher_set_soft_limit(int resource, uint64_t soft);

/// The numbers of getrlimit(2), which C has as an enumeration.
extern const int telpher_limit_cpu, telpher_limit_as, telpher_limit_fsize, telpher_limit_nofile,
    telpher_limit_nproc, telpher_limit_core, telpher_limit_locks;

// ---- The guard (guard.c) ----

/// What a server has of its guard.
struct telpher_guard {
  struct telpher_guard_table *table;
  size_t slots;
  /// The guard waits for the end of this pipe. Close-on-exec.
  int writer;
};

/// Starts the guard: a process that ends the commands in its table once the calling process has ended.
/// `groups` is the open folder of the server's control groups, or -1. The guard is no child of the
/// caller.
int telpher_guard_start(int groups, size_t slots, struct telpher_guard *guard);

/// Notes a command in the table: the tag of its processes and the number of its control group, or 0.
/// Without a tag (0) the slot is free.
void telpher_guard_set(const struct telpher_guard *guard, size_t slot, uint64_t tag, uint64_t group);

/// Ends the guard, which then ends no command.
void telpher_guard_dismiss(const struct telpher_guard *guard);

// ---- Descriptors (descriptors.c) ----

/// A pipe, both ends close-on-exec: `ends[0]` is read, `ends[1]` written. pipe2(2).
int telpher_pipe(int ends[2]);

/// Makes reads and writes return EAGAIN instead of waiting.
int telpher_set_nonblocking(int descriptor);

/// Has no child inherit the descriptor.
int telpher_close_on_exec(int descriptor);

/// Opens `path` below the directory `folder` (or AT_FDCWD), close-on-exec. openat(2).
int telpher_open_at(int folder, const char *path, int flags);

/// Who is connected to the Unix socket: SO_PEERCRED, unix(7).
int telpher_peer_credentials(int socket, uint32_t *uid, int *pid);

/// Makes a pipe hold at least `bytes`: F_SETPIPE_SZ, fcntl(2). Returns what it holds now.
int telpher_set_pipe_size(int pipe, int bytes);

/// The bytes that wait to be read: FIONREAD.
int telpher_unread_bytes(int descriptor);

/// For how many milliseconds nothing was acknowledged of what waits to be sent on this TCP socket
/// (TCP_INFO, SIOCOUTQ): 0 if nothing waits; a negated error of what is no TCP socket.
int64_t telpher_unacknowledged_for(int socket);

/// Whether nobody can write to this pipe any more: POLLHUP, poll(2).
int telpher_has_hung_up(int pipe);

/// A copy of the descriptor, at least `minimum`, that no child inherits.
int telpher_duplicate(int descriptor, int minimum);

/// The status flags, fcntl(2).
int telpher_status_flags(int descriptor);

/// Sets the status flags, fcntl(2).
int telpher_set_status_flags(int descriptor, int flags);

/// An epoll descriptor: epoll(7).
int telpher_epoll(void);

/// Has `telpher_epoll_wait` return `key` once, when `descriptor` is readable.
int telpher_epoll_add(int epoll, int descriptor, uint64_t key);

/// Waits, and fills `keys` with those that are due: how many.
int telpher_epoll_wait(int epoll, uint64_t *keys, int capacity);

// ---- Sockets (sockets.c) ----

/// The address of a TCP or Unix socket.
struct telpher_address {
  uint32_t length;
  /// A struct sockaddr_in, sockaddr_in6 or sockaddr_un.
  _Alignas(8) unsigned char bytes[128];
};

/// The address of a numeric host; -EINVAL where it is none.
int telpher_parse_address(const char *host, int port, struct telpher_address *address);

/// The address of a Unix socket; -ENAMETOOLONG where the path does not fit.
int telpher_unix_address(const char *path, struct telpher_address *address);

/// The longest path that fits into a Unix socket's address, in bytes.
int telpher_longest_unix_path(void);

/// AF_INET, AF_INET6 or AF_UNIX.
int telpher_address_family(const struct telpher_address *address);

/// The port of a TCP address.
uint16_t telpher_address_port(const struct telpher_address *address);

/// The host of a TCP address as text.
int telpher_address_host(const struct telpher_address *address, char *text, size_t size);

/// Whether the address is on the loopback interface, an IPv4 one in IPv6's clothes included.
int telpher_address_is_loopback(const struct telpher_address *address);

/// bind(2).
int telpher_bind(int socket, const struct telpher_address *address);

/// connect(2).
int telpher_connect(int socket, const struct telpher_address *address);

/// The socket's own address: getsockname(2).
int telpher_own_address(int socket, struct telpher_address *address);

/// The address of the socket's peer: getpeername(2).
int telpher_peer_address(int socket, struct telpher_address *address);

/// Accepts a connection, close-on-exec: accept4(2).
int telpher_accept(int socket);

// ---- Signals (signals.c) ----

/// Makes the pipe that `telpher_catch_signal` writes to, and returns its read end. To be called once.
int telpher_signal_pipe(int *writer);

/// Has each `signal` to this process write its number to the pipe as a byte, or gives it its default
/// action back.
int telpher_catch_signal(int signal, int caught);
// ---- Files below a root (files.c) ----
//
// What is opened is close-on-exec. `beneath` is openat2(2) with RESOLVE_BENEATH and
// RESOLVE_NO_MAGICLINKS: -EXDEV where the way leads out of `folder`, -ENOSYS or -EPERM where there
// is no such call, -EAGAIN where folders on the way are renamed all the time.

/// Opens a folder to work in (O_PATH), along symlinks only if asked to: -ELOOP otherwise.
int telpher_open_folder_beneath(int folder, const char *path, int symlinks);

/// Opens whatever is there to look at it, which touches no device (O_PATH). A symlink at the end is
/// followed, or the thing itself.
int telpher_look_beneath(int folder, const char *path, int follow);

/// The same without confinement: `path` leads wherever it leads.
int telpher_open_folder_from(int folder, const char *path);
int telpher_look_from(int folder, const char *path, int follow);

/// Opens a file to read, along symlinks, without waiting for anyone (a FIFO).
int telpher_open_file_beneath(int folder, const char *path);

/// Opens a folder to work in (O_PATH) from anywhere.
int telpher_open_folder(const char *path);

/// Opens the folder `name` in `folder` to work in: -ENOTDIR for a symlink.
int telpher_open_child_folder(int folder, const char *name);

/// Opens the file `name` in `folder` to read, without waiting: -ELOOP for a symlink.
int telpher_open_child_file(int folder, const char *name);

/// Opens the file `name` in `folder` to read and write, and makes it where it is not there, for
/// its owner alone (`*fresh`): -ELOOP for a symlink.
int telpher_open_partial(int folder, const char *name, int *fresh);

/// Locks an open file for as long as it is open, without waiting: -EWOULDBLOCK. flock(2).
int telpher_lock(int descriptor);

/// A file without a name on the file system of the open folder, close-on-exec: O_TMPFILE, open(2).
int telpher_open_unnamed(int folder, uint32_t mode);

/// Gives such a file its first name; -EEXIST where that is taken. linkat(2).
int telpher_name(int descriptor, int folder, const char *name);

/// Gives the lock back now: a child that is just being launched has a copy of the descriptor for a
/// moment, with which the lock would outlive a close.
void telpher_unlock(int descriptor);

/// Renames; where it may not replace, -EEXIST. renameat2(2).
int telpher_rename(int from, const char *name, int to, const char *new_name, int replacing);

/// Exchanges two names in one step: RENAME_EXCHANGE. For tests.
int telpher_exchange(int from, const char *name, int to, const char *new_name);

/// Writes all of the file system that has the open file: syncfs(2).
int telpher_sync_file_system(int descriptor);

/// The next bytes of a file from `offset` on that are no hole: 1 with their start and end, 0 where
/// there are none, -EINVAL where the file system doesn't know. SEEK_DATA, lseek(2).
int telpher_next_data(int descriptor, int64_t offset, int64_t *start, int64_t *end);

/// Changes the mode of `name` in `folder`: -EOPNOTSUPP for a symlink. fchmodat(2).
int telpher_change_mode(int folder, const char *name, uint32_t mode);

#endif
