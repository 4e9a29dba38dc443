// The Linux calls that Swift's Glibc module lacks, and the launch of a process, which Swift can't
// do: between clone and execve no Swift code may run.
//
// Functions that return int return 0 or a positive result, or a negated errno(3), unless documented
// otherwise. All may be called from any thread.
#ifndef CTELPHERSYS_H
#define CTELPHERSYS_H

#ifndef __linux__
#error "CTelpherSys is for Linux: see clone3(2), pidfd_open(2), cgroups(7)"
#endif

#include <stddef.h>
#include <stdint.h>

// ---- The arguments of this process (arguments.c) ----

/// The number of arguments that main() got. Unlike Swift's CommandLine it needs no /proc.
int telpher_argument_count(void);
/// Argument `number` of main(), counted from 0; NULL if there is none.
const char *telpher_argument(int number);

// ---- Accounts (accounts.c) ----

/// Lets a static program look up users and groups only in /etc/passwd and /etc/group. For other
/// services of nsswitch.conf(5) it would load their libraries and with them a second C library,
/// which crashes. Does nothing in a dynamic program. Call it once, before there are other threads.
void telpher_keep_account_lookups_static(void);

// ---- Launching (launch.c) ----

/// The step at which a launch failed.
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

/// The process group, session and terminal of a child.
enum telpher_apart {
  /// The same as the parent's.
  TELPHER_APART_NOTHING,
  /// It leads a process group of its own in the parent's session, without a controlling terminal.
  TELPHER_APART_GROUP,
  /// It leads a process group of its own and keeps the parent's controlling terminal.
  TELPHER_APART_GROUP_WITH_TERMINAL,
  /// It leads a session of its own.
  TELPHER_APART_SESSION,
  /// It leads a session of its own, whose controlling terminal is descriptor 0.
  TELPHER_APART_SESSION_WITH_TERMINAL,
};

/// A launch request. All memory stays the caller's and, except for `script_arguments`, is only
/// read.
struct telpher_launch {
  /// The files to execute, tried in this order; NULL-terminated. The caller expands the PATH
  /// search, because the child must not allocate.
  const char *const *candidates;
  /// NULL-terminated, as for execve(2).
  char *const *arguments;
  /// The arguments of /bin/sh for a candidate whose format the kernel does not know (ENOEXEC),
  /// which execvp(3) runs in the same way: "/bin/sh", a place that the child fills with the
  /// candidate, and `arguments` from the second on. NULL-terminated.
  char **script_arguments;
  char *const *environment;
  /// The working directory, or NULL for the caller's.
  const char *directory;
  /// The descriptors that become 0, 1 and 2. A descriptor that has its target's number already is
  /// passed on as it is.
  int stdio[3];
  /// An open directory of the control group in which the child starts, or -1.
  int control_group;
  /// Open cgroup.procs files of further control groups that the child enters.
  const int *entrances;
  size_t entrance_count;
  /// The child's process group, session and terminal.
  enum telpher_apart apart;
  /// Whether to avoid clone3, because an earlier launch has found that it is refused.
  int avoids_clone3;
  const struct telpher_limit *limits;
  size_t limit_count;
  /// Whether to set the child's niceness (setpriority(2)), and the niceness.
  int sets_niceness;
  int niceness;
  /// The soft limit of file locks for the child and all its descendants, or 0 for none; and the
  /// hard limit.
  uint64_t tag;
  uint64_t tag_limit;
};

/// The outcome of a launch.
struct telpher_launched {
  /// TELPHER_STAGE_NONE if the child has executed its program.
  enum telpher_stage stage;
  /// The errno of a failure.
  int error;
  int pid;
  /// The child's pidfd, close-on-exec; the caller closes it.
  int pid_descriptor;
  /// Whether clone3 has failed: with ENOSYS on an old kernel, with EPERM or ENOSYS because of a
  /// container's filter, or with E2BIG or EINVAL on a kernel without CLONE_INTO_CGROUP.
  int clone3_refused;
};

/// Launches a process. Returns once the child has executed its program or failed. A child that
/// failed has been waited for.
struct telpher_launched telpher_launch(const struct telpher_launch *request);

// ---- Processes (process.c) ----

/// How a child ended and which resources it used.
struct telpher_exit {
  /// The signal that ended it, or 0.
  int signal;
  int core_dumped;
  /// The exit code, if no signal ended it.
  int code;
  int64_t user_microseconds;
  int64_t system_microseconds;
  int64_t max_resident_kib;
  int64_t major_faults;
  int64_t minor_faults;
  int64_t voluntary_switches;
  int64_t involuntary_switches;
};

/// Checks, without waiting, whether child `pid` has ended: 1 with `*result` filled, 0 while it
/// runs, -ECHILD if there is no such child. With `keep` the child stays a zombie, so that its id,
/// and those of its group and session, can't be reused. waitid(2).
int telpher_wait(int pid, int keep, struct telpher_exit *result);

/// Checks whether child `pid` is stopped: 1 if so, 0 if it runs, -ESRCH if it has ended. Does not
/// consume the state change. waitid(2).
int telpher_is_stopped(int pid);

/// Waits until child `pid` is stopped; -ESRCH if it has ended instead. Does not consume the state
/// change. waitid(2).
int telpher_await_stop(int pid);

/// Sets a limit of process `pid`: prlimit(2).
int telpher_set_limit(int pid, int resource, uint64_t soft, uint64_t hard);

/// The id of a child that is a zombie, or 0 if there is none. The child stays a zombie.
int telpher_any_zombie(void);

/// Opens a pidfd of `pid`. pidfd_open(2).
int telpher_pidfd_open(int pid);

/// Sends `signal` to the process of `pid_descriptor`: pidfd_send_signal(2).
int telpher_pidfd_signal(int pid_descriptor, int signal);

/// Makes this process adopt orphaned descendants: PR_SET_CHILD_SUBREAPER, prctl(2).
int telpher_become_subreaper(void);

/// Makes sure that SIGCHLD is not ignored. If it were, as a parent may have left it, the kernel
/// would drop the exit status of each child.
void telpher_keep_child_status(void);

/// The soft and hard limit of `resource`: getrlimit(2).
int telpher_get_limit(int resource, uint64_t *soft, uint64_t *hard);

/// Sets this process's soft limit of `resource`.
int telpher_set_soft_limit(int resource, uint64_t soft);

/// The RLIMIT numbers of getrlimit(2), which glibc declares as an enumeration.
extern const int telpher_limit_cpu, telpher_limit_as, telpher_limit_fsize, telpher_limit_nofile,
    telpher_limit_nproc, telpher_limit_core, telpher_limit_locks;

// ---- The guard (guard.c) ----

/// A server's handle of its guard.
struct telpher_guard {
  struct telpher_guard_table *table;
  size_t slots;
  /// The pipe whose end the guard waits for. Close-on-exec.
  int writer;
};

/// Starts the guard: a process that ends the commands in its table when the calling process has
/// ended. `groups` is the open folder of the server's control groups, or -1. The guard is not a
/// child of the caller.
int telpher_guard_start(int groups, size_t slots, struct telpher_guard *guard);

/// Records a command in the table: the tag of its processes, and the number of its control group or
/// 0. A tag of 0 frees the slot.
void telpher_guard_set(const struct telpher_guard *guard, size_t slot, uint64_t tag, uint64_t group);

/// Ends the guard without ending any command.
void telpher_guard_dismiss(const struct telpher_guard *guard);

// ---- Descriptors (descriptors.c) ----

/// Creates a pipe with both ends close-on-exec: `ends[0]` is for reading, `ends[1]` for writing.
/// pipe2(2).
int telpher_pipe(int ends[2]);

/// Adds to `actions`, a posix_spawn_file_actions_t, that the child has no descriptor from `first` on.
int telpher_spawn_close_from(void *actions, int first);

/// Makes reads and writes return EAGAIN instead of waiting.
int telpher_set_nonblocking(int descriptor);

/// Sets close-on-exec, so that no child inherits the descriptor.
int telpher_close_on_exec(int descriptor);

/// Opens `path` below the directory `folder` (or AT_FDCWD), close-on-exec. openat(2).
int telpher_open_at(int folder, const char *path, int flags);

/// The user and process at the other end of a Unix socket: SO_PEERCRED, unix(7).
int telpher_peer_credentials(int socket, uint32_t *uid, int *pid);

/// Sets the capacity of a pipe to at least `bytes`: F_SETPIPE_SZ, fcntl(2). Returns the new
/// capacity.
int telpher_set_pipe_size(int pipe, int bytes);

/// The number of bytes that can be read: FIONREAD.
int telpher_unread_bytes(int descriptor);

/// The time in milliseconds since the peer last acknowledged anything on this TCP socket, or 0 if
/// nothing waits for an acknowledgement (TCP_INFO, SIOCOUTQ). Data that the peer has no room for
/// does not wait for one, as long as the peer says so. A negated errno if it is not a TCP socket.
int64_t telpher_unacknowledged_for(int socket);

/// Whether all writers of this pipe have closed it: POLLHUP, poll(2).
int telpher_has_hung_up(int pipe);

/// Copies the descriptor to a number of at least `minimum`, close-on-exec.
int telpher_duplicate(int descriptor, int minimum);

/// The status flags of the descriptor: F_GETFL, fcntl(2).
int telpher_status_flags(int descriptor);

/// Sets the status flags of the descriptor: F_SETFL, fcntl(2).
int telpher_set_status_flags(int descriptor, int flags);

/// Creates an epoll descriptor: epoll(7).
int telpher_epoll(void);

/// Makes `telpher_epoll_wait` return `key` once, when `descriptor` becomes readable.
int telpher_epoll_add(int epoll, int descriptor, uint64_t key);

/// Waits, fills `keys` with the keys of readable descriptors and returns their number, at most 64.
int telpher_epoll_wait(int epoll, uint64_t *keys, int capacity);

// ---- Terminals (terminal.c) ----

/// The size of a terminal in characters and in pixels; 0 is unknown. ioctl_tty(2).
struct telpher_terminal_size {
  uint16_t rows;
  uint16_t columns;
  uint16_t width;
  uint16_t height;
};

/// Opens a pseudoterminal: returns its master side, nonblocking, and sets `*slave` to the side that
/// a command gets. Both are close-on-exec. The slave belongs to the effective user, with the mode
/// that devpts gives it. pty(7).
int telpher_open_terminal(const struct telpher_terminal_size *size, int *slave);

/// Sets the size of a terminal by either side: its foreground process group gets SIGWINCH.
int telpher_set_terminal_size(int terminal, const struct telpher_terminal_size *size);

/// The size of a terminal.
int telpher_get_terminal_size(int terminal, struct telpher_terminal_size *size);

/// The character that a terminal takes as the end of a file, or -1 if it does not read lines
/// (termios(3), "Canonical and noncanonical mode") or has no such character.
int telpher_terminal_end_of_file(int terminal);

// ---- The raw mode of this process's terminal (raw_mode.c) ----
//
// One terminal of the process at a time. These calls need no lock: only the order of an enter and a
// leave from different threads is open.

/// Puts the terminal into raw mode (cfmakeraw(3)): keys come at once and as bytes, without echo and
/// without signals. The first call starts a small process that restores the attributes if this
/// process ends without doing so, also by SIGKILL. In raw mode already, sets it again and forgets
/// nothing.
int telpher_enter_raw_mode(int terminal);

/// Restores the attributes from before, unless another program has changed them since. Does nothing
/// if the terminal is not in raw mode.
void telpher_leave_raw_mode(void);

// ---- Sockets (sockets.c) ----

/// The address of a TCP, Unix or vsock socket.
struct telpher_address {
  uint32_t length;
  /// A struct sockaddr_in, sockaddr_in6, sockaddr_un or sockaddr_vm.
  _Alignas(8) unsigned char bytes[128];
};

/// Parses the address of a numeric host; -EINVAL if it is not one.
int telpher_parse_address(const char *host, int port, struct telpher_address *address);

/// Makes the address of a Unix socket; -ENAMETOOLONG if the path is too long.
int telpher_unix_address(const char *path, struct telpher_address *address);

/// The longest path of a Unix socket, in bytes.
int telpher_longest_unix_path(void);

/// Makes the address of a vsock socket; port 0 stands for any free port.
void telpher_vsock_address(uint32_t cid, uint32_t port, struct telpher_address *address);

/// The CID of a vsock address: the machine.
uint32_t telpher_vsock_cid(const struct telpher_address *address);

/// The port of a vsock address.
uint32_t telpher_vsock_port(const struct telpher_address *address);

/// AF_INET, AF_INET6, AF_UNIX or AF_VSOCK.
int telpher_address_family(const struct telpher_address *address);

/// The port of a TCP address.
uint16_t telpher_address_port(const struct telpher_address *address);

/// Writes the host of a TCP address to `text`, which holds `size` bytes.
int telpher_address_host(const struct telpher_address *address, char *text, size_t size);

/// Whether the address is a loopback address. IPv4-mapped IPv6 addresses count too.
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

// ---- Messages with descriptors (messages.c) ----

/// The most descriptors in one message.
#define TELPHER_MESSAGE_DESCRIPTORS 64

/// Sends one message over a Unix socket that keeps messages apart (SOCK_SEQPACKET), with copies of
/// the descriptors: SCM_RIGHTS, unix(7).
int telpher_send_message(int socket, const void *bytes, size_t count, const int *descriptors,
                         size_t descriptor_count);

/// Sends a message without bytes over a Unix socket, with a file in memory that has `count` bytes and
/// is sealed: neither its bytes nor its length can change (memfd_create(2)). `name` is for diagnosis.
int telpher_send_sealed_file(int socket, const char *name, const void *bytes, size_t count);

/// Receives one message: returns the number of its bytes, 0 at the end. `descriptors` has room for
/// TELPHER_MESSAGE_DESCRIPTORS; those received are close-on-exec and the caller's. -EMSGSIZE if the
/// message did not fit; its descriptors are closed then.
int64_t telpher_receive_message(int socket, void *bytes, size_t capacity, int *descriptors,
                                size_t *descriptor_count);

/// Makes the address of a Unix socket without a file, by its name (the abstract namespace, unix(7));
/// -ENAMETOOLONG if the name is too long.
int telpher_abstract_address(const char *name, struct telpher_address *address);

// ---- Signals (signals.c) ----

/// Creates the pipe that `telpher_catch_signal` writes to, and returns its read end. Call it once.
int telpher_signal_pipe(int *writer);

/// If `caught`, makes each `signal` to this process write its number as a byte to the pipe;
/// otherwise restores the signal's default action.
int telpher_catch_signal(int signal, int caught);

// ---- Files below a root (files.c) ----
//
// All opened descriptors are close-on-exec. `beneath` functions use openat2(2) with RESOLVE_BENEATH
// and RESOLVE_NO_MAGICLINKS. They return -EXDEV if the path leads out of `folder`, -ENOSYS or
// -EPERM if the call is not available, and -EAGAIN if folders on the path are renamed all the time.

/// Opens a folder (O_PATH). With `symlinks` 0 the path must not contain symlinks: -ELOOP otherwise.
int telpher_open_folder_beneath(int folder, const char *path, int symlinks);

/// Opens any kind of file for inspection only (O_PATH), so that no device is touched. If the path
/// ends in a symlink, `follow` decides between its target and the symlink itself.
int telpher_look_beneath(int folder, const char *path, int follow);

/// The same without confinement: `path` may lead out of `folder`.
int telpher_open_folder_from(int folder, const char *path);
int telpher_look_from(int folder, const char *path, int follow);

/// Opens a file for reading. Follows symlinks, and does not block if the file is a FIFO.
int telpher_open_file_beneath(int folder, const char *path);

/// Opens a folder (O_PATH) by any path.
int telpher_open_folder(const char *path);

/// Opens the folder `name` in `folder` (O_PATH); -ENOTDIR for a symlink.
int telpher_open_child_folder(int folder, const char *name);

/// Opens the file `name` in `folder` for reading without blocking; -ELOOP for a symlink.
int telpher_open_child_file(int folder, const char *name);

/// Opens the file `name` in `folder` for reading and writing. Creates it with mode 0600 if it does
/// not exist, and sets `*fresh` to whether it did. -ELOOP for a symlink.
int telpher_open_partial(int folder, const char *name, int *fresh);

/// Locks an open file until it is closed or unlocked, without waiting: -EWOULDBLOCK if another has
/// locked it. flock(2).
int telpher_lock(int descriptor);

/// Creates a file without a name on the file system of the open folder: O_TMPFILE, open(2).
int telpher_open_unnamed(int folder, uint32_t mode);

/// Gives such a file its first name; -EEXIST if the name is taken. linkat(2).
int telpher_name(int descriptor, int folder, const char *name);

/// Unlocks the file at once. Closing it may not be enough: a child that is being launched holds a
/// copy of the descriptor for a moment, which would keep the lock.
void telpher_unlock(int descriptor);

/// Renames a file. If `replacing` is 0 and the new name is taken: -EEXIST. renameat2(2).
int telpher_rename(int from, const char *name, int to, const char *new_name, int replacing);

/// Exchanges two names in one step: RENAME_EXCHANGE. For tests.
int telpher_exchange(int from, const char *name, int to, const char *new_name);

/// Flushes the file system of the open file to disk: syncfs(2).
int telpher_sync_file_system(int descriptor);

/// Finds the next bytes, from `offset` on, that are not a hole: 1 with their start and end, 0 if
/// there are none, -EINVAL if the file system can't tell. SEEK_DATA, lseek(2).
int telpher_next_data(int descriptor, int64_t offset, int64_t *start, int64_t *end);

/// Changes the mode of `name` in `folder`: -EOPNOTSUPP for a symlink. fchmodat(2).
int telpher_change_mode(int folder, const char *name, uint32_t mode);

#endif
