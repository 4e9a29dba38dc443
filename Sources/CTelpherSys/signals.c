// Signals to this process. The header documents the functions.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

// The write end of the pipe for the handler. Set once, before any handler is installed.
static atomic_int signal_writer = -1;

static void write_signal(int signal) {
  int before = errno;
  unsigned char byte = (unsigned char)signal;
  // A full pipe needs no more bytes: its reader has signals to handle already.
  ssize_t ignored = write(atomic_load_explicit(&signal_writer, memory_order_relaxed), &byte, 1);
  (void)ignored;
  errno = before;
}

int telpher_signal_pipe(int *writer) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  atomic_store(&signal_writer, ends[1]);
  *writer = ends[1];
  return ends[0];
}

int telpher_catch_signal(int signal, int caught) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = caught ? write_signal : SIG_DFL;
  action.sa_flags = SA_RESTART;
  return sigaction(signal, &action, NULL) < 0 ? -errno : 0;
}
