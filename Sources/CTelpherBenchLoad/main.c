// The load for round trips per second: N connections, each with D PINGs (docs/PROTOCOL.md) under
// way. The same for every server: one that answers HELLO gets the preface and the HELLO that the
// caller passes, and its own is skipped; a plain echo server gets none.
//
//   bench-load-c PORT CONNECTIONS DEPTH SECONDS [HELLO]
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { header_size = 12, frame_size = 20, max_connections = 10000, type_hello = 1, type_ping = 8 };

static int connections[max_connections];
// Bytes of a frame that came in part, by connection.
static int partial[max_connections];

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void read_exactly(int fd, void *buffer, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t n = read(fd, (char *)buffer + done, count - done);
    check(n > 0, "read");
    done += (size_t)n;
  }
}

static void put_header(uint8_t *out, uint32_t length, uint8_t type) {
  memset(out, 0, header_size);
  length = htonl(length);
  memcpy(out, &length, 4);
  out[8] = type;
}

// Says HELLO and skips the server's preface and HELLO.
static void greet(int fd, const char *hello) {
  uint8_t out[8192], in[8192];
  size_t length = strlen(hello);
  check(length < 4096, "a HELLO of at most 4 KiB");
  memcpy(out, "TELPHER1", 8);
  put_header(out + 8, (uint32_t)length, type_hello);
  memcpy(out + 20, hello, length);
  check(write(fd, out, 20 + length) == (ssize_t)(20 + length), "write");
  read_exactly(fd, in, 20);
  uint32_t size;
  memcpy(&size, in + 8, 4);
  read_exactly(fd, in, ntohl(size));
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: bench-load-c PORT CONNECTIONS DEPTH SECONDS [HELLO]\n");
    return 64;
  }
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons((uint16_t)atoi(argv[1])),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int count = atoi(argv[2]), depth = atoi(argv[3]);
  double seconds = atof(argv[4]);
  if (count < 1 || count > max_connections || depth < 1 || depth > 1024) return 64;

  static uint8_t frames[1024 * frame_size], in[64 * 1024];
  for (int i = 0; i < depth; i++) put_header(frames + i * frame_size, 8, type_ping);

  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < count; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    check(fd >= 0 && connect(fd, (void *)&address, sizeof address) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (argc > 5) greet(fd, argv[5]);
    connections[i] = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  }
  uint64_t answers = 0;
  double begin = now(), end = begin + seconds;
  for (int i = 0; i < count; i++) {
    check(write(connections[i], frames, (size_t)depth * frame_size) > 0, "write");
  }
  while (now() < end) {
    struct epoll_event events[256];
    int ready = epoll_wait(epoll, events, 256, 1000);
    for (int e = 0; e < ready; e++) {
      int i = (int)events[e].data.u32;
      ssize_t n = read(connections[i], in, sizeof in);
      check(n > 0, "the server ended a connection");
      int whole = (partial[i] + (int)n) / frame_size;
      partial[i] = (partial[i] + (int)n) % frame_size;
      answers += (uint64_t)whole;
      // As many again as were answered: the depth stays the same.
      if (whole > 0) {
        ssize_t size = (ssize_t)whole * frame_size;
        check(write(connections[i], frames, (size_t)size) == size, "write");
      }
    }
  }
  printf("round_trips_per_second %.0f\n", (double)answers / (now() - begin));
  return 0;
}
