// The raw mode of this process's terminal. The header documents the functions.
//
// A second process, the keeper, restores the attributes if this process ends without doing so. It
// is forked, not executed. The process has other threads when it forks, so the keeper makes raw
// system calls only. It notices the end by the end of a pipe.
#define _GNU_SOURCE
#include "CTelpherSys.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

// The kernel's struct termios, as TCGETS fills it: four flags, the line discipline and 19 characters
// on all systems that raw.h knows. The rest stays 0.
struct attributes {
  unsigned char bytes[64];
};

// The memory that the process and its keeper share.
struct shared {
  // The attributes that are restored.
  struct attributes before;
  // The attributes in raw mode.
  struct attributes raw;
  // Whether the terminal is in raw mode.
  int is_raw;
};

static struct shared *shared;
static int terminal_number = -1;

// Restores the attributes if they are still those of raw mode. If not, another program has set them
// since: a shell, for example, after it has stopped this process.
CHILD_SIDE static void restore(int terminal, struct shared *state) {
  if (!__atomic_exchange_n(&state->is_raw, 0, __ATOMIC_ACQ_REL)) return;
  struct attributes now;
  for (unsigned i = 0; i < sizeof now; i++) now.bytes[i] = 0;
  if (call(SYS_ioctl, terminal, TCGETS, (long)&now, 0) < 0) return;
  for (unsigned i = 0; i < sizeof now; i++) {
    if (now.bytes[i] != state->raw.bytes[i]) return;
  }
  call(SYS_ioctl, terminal, TCSETS, (long)&state->before, 0);
}

// ---- In the keeper ----

CHILD_SIDE static _Noreturn void keep(int reader, int terminal, struct shared *state) {
  // A session of its own: no signal of the terminal reaches the keeper, and it may change the
  // attributes from the background.
  call(SYS_setsid, 0, 0, 0, 0);
  call(SYS_chdir, (long)"/", 0, 0, 0);
  // Descriptor 0 becomes the pipe and 1 the terminal; all others are closed.
  long reader_copy = call(SYS_fcntl, reader, F_DUPFD, 10, 0);
  long terminal_copy = call(SYS_fcntl, terminal, F_DUPFD, 10, 0);
  call(SYS_dup3, reader_copy, 0, 0, 0);
  call(SYS_dup3, terminal_copy, 1, 0, 0);
  if (call(SYS_close_range, 2, ~0U, 0, 0) < 0) {
    for (int i = 2; i < 65536; i++) call(SYS_close, i, 0, 0, 0);
  }
  char byte;
  long count;
  do count = call(SYS_read, 0, (long)&byte, 1, 0);
  while (count == -EINTR);
  restore(1, state);
  for (;;) call(SYS_exit_group, 0, 0, 0, 0);
}

// ---- In the process ----

CHILD_SIDE static int start_keeper(int terminal) {
  struct shared *state =
      mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (state == MAP_FAILED) return -errno;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) {
    int error = errno;
    munmap(state, sizeof *state);
    return -error;
  }
  // Forks twice, so that the keeper is not a child of this process. All signals stay blocked in it.
  unsigned long all = ~0UL, before;
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof all);
  long pid = call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (pid == 0) {
    long second = call(SYS_clone, SIGCHLD, 0, 0, 0);
    if (second == 0) keep(ends[0], terminal, state);
    for (;;) call(SYS_exit_group, second < 0 ? -second : 0, 0, 0, 0);
  }
  int status = 0;
  if (pid > 0) {
    call(SYS_wait4, pid, (long)&status, __WALL, 0);
    pid = WIFEXITED(status) ? -WEXITSTATUS(status) : -EAGAIN;
  }
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
  close(ends[0]);
  if (pid < 0) {
    close(ends[1]);
    munmap(state, sizeof *state);
    return (int)pid;
  }
  // The pipe's other end stays open until this process ends.
  shared = state;
  return 0;
}

int telpher_enter_raw_mode(int terminal) {
  if (!shared) {
    int result = start_keeper(terminal);
    if (result < 0) return result;
  }
  terminal_number = terminal;
  struct termios attributes;
  if (__atomic_load_n(&shared->is_raw, __ATOMIC_ACQUIRE)) {
    return ioctl(terminal, TCSETS, &shared->raw) < 0 ? -errno : 0;
  }
  memset(&shared->before, 0, sizeof shared->before);
  memset(&shared->raw, 0, sizeof shared->raw);
  if (tcgetattr(terminal, &attributes) < 0) return -errno;
  if (ioctl(terminal, TCGETS, &shared->before) < 0) return -errno;
  cfmakeraw(&attributes);
  // Output that waits needs no wait: the terminal has processed it when it was written.
  if (tcsetattr(terminal, TCSANOW, &attributes) < 0) return -errno;
  int result = ioctl(terminal, TCGETS, &shared->raw) < 0 ? -errno : 0;
  __atomic_store_n(&shared->is_raw, 1, __ATOMIC_RELEASE);
  return result;
}

void telpher_leave_raw_mode(void) {
  if (!shared) return;
  // In the background, the kernel would stop this process for the change.
  unsigned long blocked = 1UL << (SIGTTOU - 1), before;
  call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&blocked, (long)&before, sizeof blocked);
  restore(terminal_number, shared);
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
}
