// Launches a process as posix_spawn(3) does, with features that it lacks: a control group to start
// in, limits, a pidfd, and a report of which step failed.
//
// It uses CLONE_VM | CLONE_VFORK: the child shares the parent's memory, and the calling thread
// sleeps until the child has executed its program or ended. So nothing is copied, however large the
// parent's heap is, and the child reports a failure by writing to the parent's memory. In return
// the child may touch only its own stack and that report. It makes raw system calls only: libc's
// wrappers would write the parent thread's errno, and sanitizers would intercept them.
#define _GNU_SOURCE
#include "CTelpherSys.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- System calls ----

// Makes a clone or clone3 system call with a separate stack for the child. The child calls
// `entry(argument)`, which must not return. It is one piece of assembly, so that no compiled code
// runs in the child on the parent's stack frame.
CHILD_SIDE static inline __attribute__((always_inline)) long
clone_calling(long number, long a, long b, long c, void (*entry)(void *), void *argument) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  register void *r12 __asm__("r12") = (void *)entry;
  register void *r13 __asm__("r13") = argument;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
      : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = 0;
  register long x4 __asm__("x4") = 0;
  register void *x9 __asm__("x9") = (void *)entry;
  register void *x10 __asm__("x10") = argument;
  __asm__ volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x0, x10\n\t"
      "blr x9\n\t"
      "brk #0\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x9), "r"(x10)
      : "memory");
  return x0;
#endif
}

// ---- In the child ----

// The child's input and its report.
struct child {
  const struct telpher_launch *request;
  // The open cgroup.procs of its control group, if clone could not place it there; else -1.
  int procs_file;
  // Whether the child has started to run.
  int began;
  enum telpher_stage stage;
  int error;
};

CHILD_SIDE static _Noreturn void fail(struct child *child, enum telpher_stage stage, long error) {
  child->stage = stage;
  child->error = (int)-error;
  for (;;) call(SYS_exit_group, 127, 0, 0, 0);
}

// Makes `stdio` descriptors 0, 1 and 2, and closes all others.
CHILD_SIDE static long arrange_descriptors(const int stdio[3]) {
  int source[3];
  for (int i = 0; i < 3; i++) {
    source[i] = stdio[i];
    // A later step could overwrite it before it is used, so move it first.
    if (source[i] < 3 && source[i] != i) {
      long moved = call(SYS_fcntl, source[i], F_DUPFD_CLOEXEC, 3, 0);
      if (moved < 0) return moved;
      source[i] = (int)moved;
    }
  }
  for (int i = 0; i < 3; i++) {
    if (source[i] == i) {
      // Passed on as it is. If it is closed in the parent (EBADF), it is closed in the child.
      call(SYS_fcntl, i, F_SETFD, 0, 0);
    } else {
      long result = call(SYS_dup3, source[i], i, 0, 0);
      if (result < 0) return result;
    }
  }
  if (call(SYS_close_range, 3, ~0U, 0, 0) < 0) {
    // Linux before 5.9, or a filter. The parent's own descriptors are close-on-exec, so a fixed
    // bound is enough.
    for (int i = 3; i < 65536; i++) call(SYS_close, i, 0, 0, 0);
  }
  return 0;
}

// Resets each signal to its default action: execve does that for handlers, but keeps ignored
// signals ignored. Also, no handler of the parent may run in the shared memory once signals are
// unblocked.
CHILD_SIDE static void reset_signals(void) {
  // The kernel's struct sigaction, all zero: SIG_DFL, no flags, empty mask.
  static const unsigned long by_default[4];
  for (int i = 1; i <= 64; i++) {
    call(SYS_rt_sigaction, i, (long)by_default, 0, sizeof(unsigned long));
  }
}

// Moves the child to its own session or process group.
CHILD_SIDE static long set_apart(enum telpher_apart apart) {
  if (apart == TELPHER_APART_NOTHING) return 0;
  if (apart == TELPHER_APART_SESSION || apart == TELPHER_APART_SESSION_WITH_TERMINAL) {
    return call(SYS_setsid, 0, 0, 0, 0);
  }
  long result = call(SYS_setpgid, 0, 0, 0, 0);
  if (result < 0 || apart == TELPHER_APART_GROUP_WITH_TERMINAL) return result;
  // For a process that does not lead a session, TIOCNOTTY gives up only its own controlling
  // terminal (tty_ioctl(4)). Without a controlling terminal, /dev/tty can't be opened.
  long terminal =
      call(SYS_openat, AT_FDCWD, (long)"/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0);
  if (terminal < 0) return 0;
  result = call(SYS_ioctl, terminal, TIOCNOTTY, 0, 0);
  call(SYS_close, terminal, 0, 0, 0);
  return result;
}

CHILD_SIDE static void run_child(void *argument) {
  struct child *child = argument;
  const struct telpher_launch *request = child->request;
  long result;

  child->began = 1;
  reset_signals();
  if (child->procs_file >= 0) {
    result = call(SYS_write, child->procs_file, (long)"0", 1, 0);
    if (result < 0) fail(child, TELPHER_STAGE_RESOURCES, result);
  }
  for (size_t i = 0; i < request->entrance_count; i++) {
    // 0 stands for the process that writes.
    result = call(SYS_write, request->entrances[i], (long)"0", 1, 0);
    if (result < 0) fail(child, TELPHER_STAGE_RESOURCES, result);
  }
  result = set_apart(request->apart);
  if (result < 0) fail(child, TELPHER_STAGE_RESOURCES, result);
  result = arrange_descriptors(request->stdio);
  if (result < 0) fail(child, TELPHER_STAGE_RESOURCES, result);
  if (request->apart == TELPHER_APART_SESSION_WITH_TERMINAL) {
    result = call(SYS_ioctl, 0, TIOCSCTTY, 0, 0);
    if (result < 0) fail(child, TELPHER_STAGE_RESOURCES, result);
  }
  if (request->directory) {
    result = call(SYS_chdir, (long)request->directory, 0, 0, 0);
    if (result < 0) fail(child, TELPHER_STAGE_DIRECTORY, result);
  }
  for (size_t i = 0; i < request->limit_count; i++) {
    // The kernel's struct rlimit64.
    uint64_t limit[2] = {request->limits[i].soft, request->limits[i].hard};
    result = call(SYS_prlimit64, 0, request->limits[i].resource, (long)limit, 0);
    if (result < 0) fail(child, TELPHER_STAGE_LIMIT, result);
  }
  if (request->sets_niceness) {
    result = call(SYS_setpriority, PRIO_PROCESS, 0, request->niceness, 0);
    if (result < 0) fail(child, TELPHER_STAGE_LIMIT, result);
  }
  if (request->tag) {
    // The result is ignored: without the tag the child is found by other means.
    uint64_t limit[2] = {request->tag, request->tag_limit};
    call(SYS_prlimit64, 0, RLIMIT_LOCKS, (long)limit, 0);
  }
  unsigned long no_signals = 0;
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&no_signals, 0, sizeof no_signals);

  // As execvp(3) does: skip files that do not exist or may not be executed, and report EACCES only
  // if no other file was found.
  int denied = 0;
  result = -ENOENT;
  for (const char *const *candidate = request->candidates; *candidate; candidate++) {
    result = call(
        SYS_execve, (long)*candidate, (long)request->arguments, (long)request->environment, 0);
    if (result == -ENOEXEC) {
      // A script without "#!": the shell runs it. If there is no shell, the script's own error is
      // reported.
      request->script_arguments[1] = (char *)*candidate;
      call(SYS_execve, (long)"/bin/sh", (long)request->script_arguments,
           (long)request->environment, 0);
      fail(child, TELPHER_STAGE_EXECUTE, result);
    } else if (result == -EACCES) {
      denied = 1;
    } else if (result != -ENOENT && result != -ENOTDIR && result != -ESTALE && result != -ENODEV &&
               result != -ETIMEDOUT) {
      fail(child, TELPHER_STAGE_EXECUTE, result);
    }
  }
  fail(child, TELPHER_STAGE_EXECUTE, denied ? -EACCES : result);
}

// ---- In the parent ----

CHILD_SIDE struct telpher_launched telpher_launch(const struct telpher_launch *request) {
  // The child's calls nest only a few levels deep, with few variables each.
  __attribute__((aligned(16))) char stack[16 * 1024];
  struct child child = {.request = request, .procs_file = -1};
  struct telpher_launched launched = {.pid = -1, .pid_descriptor = -1};
  int pid_descriptor = -1;
  long pid = -ENOSYS;

  // The child starts with the parent's signal mask. A signal before the child resets its handlers
  // would run a handler of the parent in the shared memory. So all 64 signals are blocked,
  // including libc's two internal ones.
  unsigned long all = ~0UL, before;
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof all);

  if (!request->avoids_clone3) {
    struct clone_args arguments = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        .pidfd = (uint64_t)(uintptr_t)&pid_descriptor,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = sizeof stack,
    };
    if (request->control_group >= 0) {
      arguments.flags |= CLONE_INTO_CGROUP;
      arguments.cgroup = (uint64_t)request->control_group;
    }
    pid = clone_calling(
        SYS_clone3, (long)&arguments, sizeof arguments, 0, run_child, &child);
    if (pid == -ENOSYS || pid == -EPERM || pid == -E2BIG || pid == -EINVAL) {
      launched.clone3_refused = 1;
      pid = -ENOSYS;
    } else if (pid > 0 && !child.began && request->control_group >= 0) {
      // The kernel killed the child: a newer kernel (seen with 6.18) mistakes a child that starts
      // in another group than its parent's for one that a kill of that group has missed, unless
      // both groups were killed equally often. This does not happen to a child that enters the
      // group by itself, so try that.
      call(SYS_wait4, pid, 0, 0, 0);
      call(SYS_close, pid_descriptor, 0, 0, 0);
      pid = -ENOSYS;
    }
  }
  if (pid == -ENOSYS) {
    pid = 0;
    if (request->control_group >= 0) {
      pid = child.procs_file = (int)call(
          SYS_openat, request->control_group, (long)"cgroup.procs", O_WRONLY | O_CLOEXEC, 0);
    }
    if (pid >= 0) {
      pid = clone_calling(
          SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, (long)(stack + sizeof stack),
          (long)&pid_descriptor, run_child, &child);
    }
    if (child.procs_file >= 0) call(SYS_close, child.procs_file, 0, 0, 0);
  }

  if (pid < 0) {
    launched.stage = TELPHER_STAGE_RESOURCES;
    launched.error = (int)-pid;
  } else if (child.stage != TELPHER_STAGE_NONE) {
    launched.stage = child.stage;
    launched.error = child.error;
    call(SYS_wait4, pid, 0, 0, 0);
    call(SYS_close, pid_descriptor, 0, 0, 0);
  } else {
    launched.pid = (int)pid;
    launched.pid_descriptor = pid_descriptor;
  }
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
  return launched;
}
