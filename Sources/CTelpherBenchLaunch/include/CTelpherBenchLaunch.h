// The other ways to start a process that bench-launch compares ours with.
#ifndef CTELPHERBENCHLAUNCH_H
#define CTELPHERBENCHLAUNCH_H

/// A child with pipes for its output and error; the caller closes all three descriptors.
struct bench_child {
  int pid;
  int pid_descriptor;
  int output;
  int error;
  /// libuv's handle, for uv_spawn.
  void *handle;
};

/// Starts /bin/true with posix_spawn: a process group of its own, signals reset, all else closed.
void bench_posix_spawn(struct bench_child *child, int null_device);

/// Waits for a child of bench_posix_spawn that has ended.
void bench_posix_wait(struct bench_child *child);

/// The same with uv_spawn, on a loop of its own.
void bench_uv_spawn(struct bench_child *child, int null_device);

/// Runs libuv's loop until it has noticed the child's end.
void bench_uv_wait(struct bench_child *child);

/// Has libuv's worker threads call `work(argument)`. bench_uv_run calls `done(argument)` after it.
void bench_uv_queue(void *argument, void (*work)(void *), void (*done)(void *));

/// A descriptor that is readable when bench_uv_run has something to do.
int bench_uv_descriptor(void);

/// Runs what is due on libuv's loop, without waiting.
void bench_uv_run(void);

#endif
