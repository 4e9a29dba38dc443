// Children and limits. The header documents the functions.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t microseconds(struct timeval time) {
  return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

int telpher_wait(int pid, int keep, struct telpher_exit *result) {
  siginfo_t info;
  struct rusage usage;
  memset(&info, 0, sizeof info);
  // Unlike libc's waitid, the system call has a fifth argument for the resource usage, which makes
  // it available without reaping the child.
  long status = syscall(
      SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | (keep ? WNOWAIT : 0), &usage);
  if (status < 0) return -errno;
  if (info.si_pid == 0) return 0;
  int by_signal = info.si_code != CLD_EXITED;
  *result = (struct telpher_exit){
      .signal = by_signal ? info.si_status : 0,
      .core_dumped = info.si_code == CLD_DUMPED,
      .code = by_signal ? 0 : info.si_status,
      .user_microseconds = microseconds(usage.ru_utime),
      .system_microseconds = microseconds(usage.ru_stime),
      .max_resident_kib = usage.ru_maxrss,
      .major_faults = usage.ru_majflt,
      .minor_faults = usage.ru_minflt,
      .voluntary_switches = usage.ru_nvcsw,
      .involuntary_switches = usage.ru_nivcsw,
  };
  return 1;
}

int telpher_is_stopped(int pid) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  if (waitid(P_PID, pid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT) < 0) return -errno;
  if (info.si_pid == 0) return 0;
  return info.si_code == CLD_STOPPED ? 1 : -ESRCH;
}

int telpher_await_stop(int pid) {
  siginfo_t info;
  int result;
  do result = waitid(P_PID, pid, &info, WSTOPPED | WEXITED | WNOWAIT);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  return info.si_code == CLD_STOPPED ? 0 : -ESRCH;
}

int telpher_set_limit(int pid, int resource, uint64_t soft, uint64_t hard) {
  struct rlimit64 limit = {.rlim_cur = soft, .rlim_max = hard};
  return prlimit64(pid, resource, &limit, NULL) < 0 ? -errno : 0;
}

int telpher_any_zombie(void) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return 0;
  return info.si_pid;
}

int telpher_pidfd_open(int pid) {
  long descriptor = syscall(SYS_pidfd_open, pid, 0);
  return descriptor < 0 ? -errno : (int)descriptor;
}

int telpher_pidfd_signal(int pid_descriptor, int signal) {
  return syscall(SYS_pidfd_send_signal, pid_descriptor, signal, NULL, 0) < 0 ? -errno : 0;
}

int telpher_become_subreaper(void) {
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

void telpher_keep_child_status(void) {
  struct sigaction action;
  if (sigaction(SIGCHLD, NULL, &action) < 0) return;
  int dropped = action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT);
  if (!dropped) return;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &action, NULL);
}

int telpher_get_limit(int resource, uint64_t *soft, uint64_t *hard) {
  struct rlimit64 limit;
  if (getrlimit64(resource, &limit) < 0) return -errno;
  *soft = limit.rlim_cur;
  *hard = limit.rlim_max;
  return 0;
}

int telpher_set_soft_limit(int resource, uint64_t soft) {
  struct rlimit64 limit;
  if (getrlimit64(resource, &limit) < 0) return -errno;
  limit.rlim_cur = soft;
  return setrlimit64(resource, &limit) < 0 ? -errno : 0;
}

const int telpher_limit_cpu = RLIMIT_CPU, telpher_limit_as = RLIMIT_AS,
          telpher_limit_fsize = RLIMIT_FSIZE, telpher_limit_nofile = RLIMIT_NOFILE,
          telpher_limit_nproc = RLIMIT_NPROC, telpher_limit_core = RLIMIT_CORE,
          telpher_limit_locks = RLIMIT_LOCKS;
