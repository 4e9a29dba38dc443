// The raw mode of this process's terminal. The header documents the functions.
//
// A helper process, the keeper, restores the attributes if this process ends without doing so.
#define _GNU_SOURCE
#include "CTelpherSys.h"
#include "helper.h"
#include "raw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <termios.h>

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

CHILD_SIDE static void keeper_ends(void *context, int was_dismissed) {
  (void)was_dismissed;
  // The keeper's session is not the terminal's, so it may change the attributes from the background.
  restore(1, context);
}

static int start_keeper(int terminal) {
  struct shared *state = telpher_share_memory(sizeof *state);
  if (!state) return -errno;
  struct helper_work work = {.begin = NULL, .end = keeper_ends, .context = state};
  // The pipe's writing end stays open until this process ends.
  int writer = telpher_start_helper(terminal, &work);
  if (writer < 0) {
    munmap(state, sizeof *state);
    return writer;
  }
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
