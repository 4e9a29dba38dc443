// The limit for commands per second: posix_spawn(3) from one thread with as little other work as
// possible. Telpher's cost for a command is compared with this.
//
//   bench-spawn-c COUNT INFLIGHT HEAP_MIB PROGRAM [ARGUMENT ...]
//
// runs PROGRAM COUNT times, INFLIGHT at a time, with HEAP_MIB of touched memory. It prints the
// number of commands per second, and for each command a line with the nanoseconds it took.
//
// Each command has a new process group, default signals, /dev/null as input, and a pipe each for
// output and error, which are read to their ends. A command is complete when both pipes have ended
// and its pidfd reports its exit.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct command {
  pid_t pid;
  // Standard output, standard error and the pidfd; -1 after its end.
  int sources[3];
  int open;
  uint64_t begin;
};

static int epoll;
static int null_device;
static char **arguments;

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void start(struct command *command, int index) {
  command->begin = now();
  int output[2], error[2];
  check(pipe2(output, O_CLOEXEC) == 0 && pipe2(error, O_CLOEXEC) == 0, "pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, null_device, 0);
  posix_spawn_file_actions_adddup2(&actions, output[1], 1);
  posix_spawn_file_actions_adddup2(&actions, error[1], 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  errno = posix_spawn(
      &command->pid, arguments[0], &actions, &attributes, arguments, environ);
  check(errno == 0, "posix_spawn");
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(output[1]);
  close(error[1]);
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  fcntl(error[0], F_SETFL, O_NONBLOCK);
  command->sources[0] = output[0];
  command->sources[1] = error[0];
  command->sources[2] = (int)syscall(SYS_pidfd_open, command->pid, 0);
  check(command->sources[2] >= 0, "pidfd_open");
  command->open = 3;
  for (int i = 0; i < 3; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)index * 3 + i};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, command->sources[i], &event) == 0, "epoll_ctl");
  }
}

// Handles an event of source `i`. Returns whether the command is complete.
static int advance(struct command *command, int i) {
  if (i < 2) {
    char buffer[65536];
    ssize_t count = read(command->sources[i], buffer, sizeof buffer);
    if (count > 0 || (count < 0 && errno == EAGAIN)) return 0;
  } else {
    int status;
    check(waitpid(command->pid, &status, 0) == command->pid && status == 0, "waitpid");
  }
  close(command->sources[i]);
  command->sources[i] = -1;
  return --command->open == 0;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: bench-spawn-c COUNT INFLIGHT HEAP_MIB PROGRAM [ARGUMENT ...]\n");
    return 64;
  }
  int count = atoi(argv[1]), inflight = atoi(argv[2]);
  size_t heap_size = (size_t)atoi(argv[3]) << 20;
  arguments = argv + 4;
  if (count < inflight) inflight = count;
  epoll = epoll_create1(EPOLL_CLOEXEC);
  null_device = open("/dev/null", O_RDWR | O_CLOEXEC);
  check(epoll >= 0 && null_device >= 0, "set up");
  char *heap = malloc(heap_size + 1);
  check(heap != NULL, "malloc");
  memset(heap, 1, heap_size + 1);
  struct command *commands = calloc((size_t)inflight, sizeof *commands);
  uint64_t *latencies = calloc((size_t)count, sizeof *latencies);
  uint64_t begin = now();
  int started = 0, ended = 0;
  while (started < inflight) {
    start(&commands[started], started);
    started++;
  }
  while (ended < count) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll, events, 64, -1);
    check(ready >= 0 || errno == EINTR, "epoll_wait");
    for (int e = 0; e < ready; e++) {
      int index = (int)(events[e].data.u64 / 3);
      if (!advance(&commands[index], (int)(events[e].data.u64 % 3))) continue;
      latencies[ended++] = now() - commands[index].begin;
      if (started < count) {
        start(&commands[index], index);
        started++;
      }
    }
  }
  printf("commands_per_second %.3f\n", count / ((double)(now() - begin) / 1e9));
  for (int i = 0; i < count; i++) printf("latency_ns %llu\n", (unsigned long long)latencies[i]);
  return heap[heap_size / 2] == 1 ? 0 : 1;
}
