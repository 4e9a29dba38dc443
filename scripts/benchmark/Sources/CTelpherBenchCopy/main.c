// The limit for a command's output. Runs a command whose output is a pipe of 1 MiB, and copies the
// output with read(2) and write(2) of 256 KiB to a loopback connection. Another process reads the
// connection and counts the bytes.
//
//   bench-copy-c tcp|unix COMMAND [ARGUMENT ...]
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { buffer_size = 256 * 1024, pipe_size = 1024 * 1024 };

static char buffer[buffer_size];

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

// Reads until the end, and prints the number of bytes and the throughput.
static int count_bytes(int connection) {
  uint64_t total = 0;
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (;;) {
    ssize_t count = read(connection, buffer, buffer_size);
    check(count >= 0, "read");
    if (count == 0) break;
    total += (uint64_t)count;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
  printf("bytes %llu\n", (unsigned long long)total);
  printf("gigabytes_per_second %.6f\n", (double)total / seconds / 1e9);
  return 0;
}

// Creates both ends of a TCP connection over loopback.
static void connect_tcp(int ends[2]) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  check(
      listener >= 0 && bind(listener, (void *)&address, sizeof address) == 0 &&
          listen(listener, 1) == 0 && getsockname(listener, (void *)&address, &size) == 0,
      "listen");
  ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(
      ends[0] >= 0 && connect(ends[0], (const void *)&address, sizeof address) == 0, "connect");
  ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  check(ends[1] >= 0, "accept");
  close(listener);
  int one = 1;
  setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int main(int argc, char **argv) {
  int over_unix = argc > 1 && strcmp(argv[1], "unix") == 0;
  if (argc < 3 || (!over_unix && strcmp(argv[1], "tcp") != 0)) {
    fprintf(stderr, "usage: bench-copy-c tcp|unix COMMAND [ARGUMENT ...]\n");
    return 64;
  }
  argv += 2;
  int ends[2];
  if (over_unix) {
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  } else {
    connect_tcp(ends);
  }
  pid_t reader = fork();
  check(reader >= 0, "fork");
  if (reader == 0) {
    close(ends[1]);
    return count_bytes(ends[0]);
  }
  close(ends[0]);
  int connection = ends[1];

  int output[2];
  check(pipe2(output, O_CLOEXEC) == 0, "pipe2");
  fcntl(output[0], F_SETPIPE_SZ, pipe_size);
  pid_t command = fork();
  check(command >= 0, "fork");
  if (command == 0) {
    dup2(output[1], 1);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
  }
  close(output[1]);
  for (;;) {
    ssize_t count = read(output[0], buffer, buffer_size);
    check(count >= 0, "read");
    if (count == 0) break;
    for (ssize_t done = 0; done < count;) {
      ssize_t written = write(connection, buffer + done, (size_t)(count - done));
      check(written >= 0, "write");
      done += written;
    }
  }
  close(connection);
  int status = 0, reader_status = 0;
  waitpid(command, &status, 0);
  waitpid(reader, &reader_status, 0);
  return status == 0 && reader_status == 0 ? 0 : 1;
}
