// Launches a process the way posix_spawn(3) does, with what that lacks: the control group it starts
// in, limits, a pidfd, and which step failed.
//
// CLONE_VM | CLONE_VFORK: the child borrows our memory, and the calling thread sleeps until it has
// executed its program or ended. So nothing is copied however large our heap is, and the child
// reports a failure by writing it into our memory. In return the child may touch nothing but its
// own stack and that report: it makes raw system calls only, since libc's wrappers would write our
// thread's errno and sanitizers would intercept them.
#define _GNU_SOURCE
#include "CTelpherSys.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- System calls ----

// Does a clone or clone3 system call that gives the child a stack of its own. In the child it calls
// `entry(argument)`, which must not return. It is all in one piece of assembly, so that no compiled
// code runs in the child on the parent's frame.
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

// What the child is told, and what it reports back.
struct child {
  const struct telpher_launch *request;
  // cgroup.procs of its control group, where clone could not put it there; else -1.
  int procs_file;
  // Whether it got to run at all.
  int began;
  enum telpher_stage stage;
  int error;
};

CHILD_SIDE static _Noreturn void fail(struct child *child, enum telpher_stage stage, long error) {
  child->stage = stage;
  child->error = (int)-error;
  for (;;) call(SYS_exit_group, 127, 0, 0, 0);
}

// Puts `stdio` at 0, 1 and 2, and closes everything else.
CHILD_SIDE static long arrange_descriptors(const int stdio[3]) {
  int source[3];
  for (int i = 0; i < 3; i++) {
    source[i] = stdio[i];
    // It may be overwritten before its turn comes: take it out of the way.
    if (source[i] < 3 && source[i] != i) {
      long moved = call(SYS_fcntl, source[i], F_DUPFD_CLOEXEC, 3, 0);
      if (moved < 0) return moved;
      source[i] = (int)moved;
    }
  }
  for (int i = 0; i < 3; i++) {
    if (source[i] == i) {
      // Passed on as it is. What is closed in us (EBADF) is closed in the child.
      call(SYS_fcntl, i, F_SETFD, 0, 0);
    } else {
      long result = call(SYS_dup3, source[i], i, 0, 0);
      if (result < 0) return result;
    }
  }
  if (call(SYS_close_range, 3, ~0U, 0, 0) < 0) {
    // Linux before 5.9, or a filter. Ours are close-on-exec anyway, so a bound is no harm.
    for (int i = 3; i < 65536; i++) call(SYS_close, i, 0, 0, 0);
  }
  return 0;
}

// Back to the default for each signal: execve does that for handlers, but keeps what is ignored.
// A handler of ours must not run on borrowed memory either, once signals are let through.
CHILD_SIDE static void reset_signals(void) {
  // The kernel's struct sigaction, all zero: SIG_DFL, no flags, empty mask.
  static const unsigned long by_default[4];
  for (int i = 1; i <= 64; i++) {
    call(SYS_rt_sigaction, i, (long)by_default, 0, sizeof(unsigned long));
  }
}

// Sets the child apart from us.
CHILD_SIDE static long set_apart(enum telpher_apart apart) {
  if (apart == TELPHER_APART_NOTHING) return 0;
  if (apart == TELPHER_APART_SESSION) return call(SYS_setsid, 0, 0, 0, 0);
  long result = call(SYS_setpgid, 0, 0, 0, 0);
  if (result < 0 || apart == TELPHER_APART_GROUP_WITH_TERMINAL) return result;
  // Of whoever does not lead a session this gives up its own controlling terminal, and nobody
  // else's: tty_ioctl(4), TIOCNOTTY. Where there is none, there is nothing to open.
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
  result = set_apart(request->apart);
  if (result < 0) fail(child, TELPHER_STAGE_RESOURCES, result);
  result = arrange_descriptors(request->stdio);
  if (result < 0) fail(child, TELPHER_STAGE_RESOURCES, result);
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
  if (request->tag) {
    // A system that refuses it finds the child by other means.
    uint64_t limit[2] = {request->tag, request->tag_limit};
    call(SYS_prlimit64, 0, RLIMIT_LOCKS, (long)limit, 0);
  }
  unsigned long no_signals = 0;
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&no_signals, 0, sizeof no_signals);

  // As execvp(3) goes on: past what is not there, and past what may not be executed, which is only
  // reported where nothing else was found.
  int denied = 0;
  result = -ENOENT;
  for (const char *const *candidate = request->candidates; *candidate; candidate++) {
    result = call(
        SYS_execve, (long)*candidate, (long)request->arguments, (long)request->environment, 0);
    if (result == -ENOEXEC) {
      // A script without "#!": the shell runs it. Without a shell the file's own error is reported.
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

// Whether clone3 was refused once: ENOSYS by an old kernel, EPERM or ENOSYS by a filter of a
// container, E2BIG or EINVAL by a kernel that does not know CLONE_INTO_CGROUP.
static atomic_bool clone3_refused;

CHILD_SIDE struct telpher_launched telpher_launch(const struct telpher_launch *request) {
  // The child calls a few levels deep, with a handful of words each.
  __attribute__((aligned(16))) char stack[16 * 1024];
  struct child child = {.request = request, .procs_file = -1};
  struct telpher_launched launched = {.pid = -1, .pid_descriptor = -1};
  int pid_descriptor = -1;
  long pid = -ENOSYS;

  // The child starts with our mask. A signal before its handlers are reset would run our handler on
  // borrowed memory. All 64 are blocked, libc's internal two as well.
  unsigned long all = ~0UL, before;
  call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof all);

  if (!request->without_clone3 && !atomic_load_explicit(&clone3_refused, memory_order_relaxed)) {
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
      atomic_store_explicit(&clone3_refused, 1, memory_order_relaxed);
      pid = -ENOSYS;
    } else if (pid > 0 && !child.began && request->control_group >= 0) {
      // The kernel killed it: newer ones (seen with 6.18) take a child that starts in another group
      // than its parent's for one that a kill of that group has missed, unless both groups were
      // killed equally often. A child that enters the group by itself is not mistaken so.
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
