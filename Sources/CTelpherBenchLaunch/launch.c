// See the header.
#define _GNU_SOURCE
#include "CTelpherBenchLaunch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

extern char **environ;

static char *arguments[] = {"/bin/true", NULL};

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void make_pipes(struct bench_child *child, int theirs[2]) {
  int output[2], error[2];
  check(pipe2(output, O_CLOEXEC) == 0 && pipe2(error, O_CLOEXEC) == 0, "pipe2");
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  fcntl(error[0], F_SETFL, O_NONBLOCK);
  child->output = output[0];
  child->error = error[0];
  theirs[0] = output[1];
  theirs[1] = error[1];
}

static void did_start(struct bench_child *child, int theirs[2]) {
  close(theirs[0]);
  close(theirs[1]);
  child->pid_descriptor = (int)syscall(SYS_pidfd_open, child->pid, 0);
  check(child->pid_descriptor >= 0, "pidfd_open");
}

void bench_posix_spawn(struct bench_child *child, int null_device) {
  int theirs[2];
  make_pipes(child, theirs);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, null_device, 0);
  posix_spawn_file_actions_adddup2(&actions, theirs[0], 1);
  posix_spawn_file_actions_adddup2(&actions, theirs[1], 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  errno = posix_spawn(&child->pid, arguments[0], &actions, &attributes, arguments, environ);
  check(errno == 0, "posix_spawn");
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  did_start(child, theirs);
}

void bench_posix_wait(struct bench_child *child) {
  int status;
  check(waitpid(child->pid, &status, 0) == child->pid && status == 0, "waitpid");
}

static uv_loop_t *loop(void) {
  static uv_loop_t *loop;
  if (!loop) loop = uv_default_loop();
  return loop;
}

struct process {
  uv_process_t process;
  int ended;
};

static void did_exit(uv_process_t *process, int64_t status, int signal) {
  (void)status, (void)signal;
  ((struct process *)process)->ended = 1;
}

static void did_close(uv_handle_t *handle) { free(handle); }

void bench_uv_spawn(struct bench_child *child, int null_device) {
  int theirs[2];
  make_pipes(child, theirs);
  struct process *process = calloc(1, sizeof *process);
  uv_stdio_container_t stdio[3] = {
      {.flags = UV_INHERIT_FD, .data.fd = null_device},
      {.flags = UV_INHERIT_FD, .data.fd = theirs[0]},
      {.flags = UV_INHERIT_FD, .data.fd = theirs[1]},
  };
  uv_process_options_t options = {
      .exit_cb = did_exit, .file = arguments[0], .args = arguments,
      .flags = UV_PROCESS_DETACHED, .stdio_count = 3, .stdio = stdio,
  };
  int result = uv_spawn(loop(), &process->process, &options);
  if (result < 0) {
    fprintf(stderr, "uv_spawn: %s\n", uv_strerror(result));
    exit(1);
  }
  child->handle = process;
  child->pid = process->process.pid;
  did_start(child, theirs);
}

void bench_uv_wait(struct bench_child *child) {
  struct process *process = child->handle;
  while (!process->ended) uv_run(loop(), UV_RUN_NOWAIT);
  uv_close((uv_handle_t *)process, did_close);
}

struct job {
  uv_work_t request;
  void *argument;
  void (*work)(void *);
  void (*done)(void *);
};

static void run_job(uv_work_t *request) {
  struct job *job = (struct job *)request;
  job->work(job->argument);
}

static void finish_job(uv_work_t *request, int status) {
  (void)status;
  struct job *job = (struct job *)request;
  job->done(job->argument);
  free(job);
}

void bench_uv_queue(void *argument, void (*work)(void *), void (*done)(void *)) {
  struct job *job = calloc(1, sizeof *job);
  job->argument = argument;
  job->work = work;
  job->done = done;
  check(uv_queue_work(loop(), &job->request, run_job, finish_job) == 0, "uv_queue_work");
}

int bench_uv_descriptor(void) { return uv_backend_fd(loop()); }

void bench_uv_run(void) { uv_run(loop(), UV_RUN_NOWAIT); }
