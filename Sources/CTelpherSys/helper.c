// Helper processes. The header documents the functions.
#define _GNU_SOURCE
#include "helper.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- In the helper ----

CHILD_SIDE static _Noreturn void
help(int reader, int descriptor, const struct helper_work *work) {
  // A session of its own: no signal of the terminal reaches it.
  call(SYS_setsid, 0, 0, 0, 0);
  call(SYS_chdir, (long)"/", 0, 0, 0);
  // Number 0 becomes the pipe and 1 the descriptor; all others are closed.
  long reader_copy = call(SYS_fcntl, reader, F_DUPFD, 10, 0);
  long copy = descriptor < 0 ? -1 : call(SYS_fcntl, descriptor, F_DUPFD, 10, 0);
  call(SYS_dup3, reader_copy, 0, 0, 0);
  if (copy < 0 || call(SYS_dup3, copy, 1, 0, 0) < 0) call(SYS_close, 1, 0, 0, 0);
  if (call(SYS_close_range, 2, ~0U, 0, 0) < 0) {
    for (int i = 2; i < 65536; i++) call(SYS_close, i, 0, 0, 0);
  }
  if (work->begin) work->begin();
  char byte;
  long count;
  do count = call(SYS_read, 0, (long)&byte, 1, 0);
  while (count == -EINTR);
  work->end(work->context, count != 0);
  for (;;) call(SYS_exit_group, 0, 0, 0, 0);
}

// ---- In the process that starts it ----

CHILD_SIDE int telpher_start_helper(int descriptor, const struct helper_work *work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  // Forks twice, so that the helper is not a child of this process.
  unsigned long all = ~0UL, before;
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof all);
  long pid = call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (pid == 0) {
    long second = call(SYS_clone, SIGCHLD, 0, 0, 0);
    if (second == 0) help(ends[0], descriptor, work);
    for (;;) call(SYS_exit_group, second < 0 ? -second : 0, 0, 0, 0);
  }
  int status = 0;
  if (pid > 0) {
    call(SYS_wait4, pid, (long)&status, __WALL, 0);
    pid = WIFEXITED(status) ? -WEXITSTATUS(status) : -EAGAIN;
  }
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
  close(ends[0]);
  if (pid >= 0) return ends[1];
  close(ends[1]);
  return (int)pid;
}

void *telpher_share_memory(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}
