// The load for round trips per second, the same for every server.
//
//   bench-load-c ping|data PORT CONNECTIONS DEPTH SECONDS [HELLO]
//   bench-load-c idle PORT CONNECTIONS HELLO
//
// Each of CONNECTIONS has DEPTH frames (docs/PROTOCOL.md) under way: PINGs, or DATA of 64 bytes on a
// stream that it opens. With HELLO the preface and that HELLO go first, and the server's are
// skipped; a plain echo server gets none. `idle` only holds its connections, until its standard
// input ends; it says `ready` once they are open.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { header_size = 12, max_connections = 20000, max_depth = 1024, longest_payload = 64 };
enum { type_hello = 1, type_open = 2, type_data = 3, type_ping = 8, type_pong = 9 };
// A channel that both sides may send on.
enum { channel_file = 4 };

// What has come of a connection: a header in part, or what is left of a frame's payload. Answers
// are counted by payload, since a server may cut a frame in two.
struct connection {
  int fd;
  uint8_t header[header_size];
  int header_used;
  uint32_t left;
  int counts;
  uint32_t partial;
};

static struct connection connections[max_connections];

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

static void write_exactly(int fd, const void *buffer, size_t count) {
  check(write(fd, buffer, count) == (ssize_t)count, "write");
}

static void put_header(uint8_t *out, uint32_t length, uint8_t type) {
  memset(out, 0, header_size);
  length = htonl(length);
  memcpy(out, &length, 4);
  out[8] = type;
  if (type == type_data) out[10] = channel_file;
  if (type == type_data || type == type_open) out[7] = 1;
}

// Says HELLO and skips the server's preface and HELLO.
static void greet(int fd, const char *hello) {
  uint8_t out[8192], in[8192];
  size_t length = strlen(hello);
  check(length < 4096, "a HELLO of at most 4 KiB");
  memcpy(out, "TELPHER1", 8);
  put_header(out + 8, (uint32_t)length, type_hello);
  memcpy(out + 20, hello, length);
  write_exactly(fd, out, 20 + length);
  read_exactly(fd, in, 20);
  uint32_t size;
  memcpy(&size, in + 8, 4);
  size = ntohl(size);
  check(size <= sizeof in, "the server's HELLO");
  read_exactly(fd, in, size);
}

static int open_connection(const char *port, const char *hello) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons((uint16_t)atoi(port)),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  check(fd >= 0 && connect(fd, (void *)&address, sizeof address) == 0, "connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (hello) greet(fd, hello);
  return fd;
}

// Takes what was read, and returns how many whole answers that makes.
static uint32_t take(struct connection *connection, const uint8_t *in, size_t count, uint32_t size) {
  for (size_t at = 0; at < count;) {
    if (connection->left == 0) {
      while (connection->header_used < header_size && at < count) {
        connection->header[connection->header_used++] = in[at++];
      }
      if (connection->header_used < header_size) break;
      connection->header_used = 0;
      memcpy(&connection->left, connection->header, 4);
      connection->left = ntohl(connection->left);
      int type = connection->header[8];
      connection->counts = type == type_data || type == type_ping || type == type_pong;
      continue;
    }
    uint32_t piece =
        connection->left < count - at ? connection->left : (uint32_t)(count - at);
    at += piece;
    connection->left -= piece;
    if (connection->counts) connection->partial += piece;
  }
  uint32_t whole = connection->partial / size;
  connection->partial %= size;
  return whole;
}

static int hold(const char *port, int count, const char *hello) {
  for (int i = 0; i < count; i++) open_connection(port, hello);
  printf("ready\n");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  return 0;
}

int main(int argc, char **argv) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  int count = argc > 3 ? atoi(argv[3]) : 0;
  int counts = count >= 1 && count <= max_connections;
  if (argc == 5 && strcmp(argv[1], "idle") == 0 && counts) return hold(argv[2], count, argv[4]);
  int is_data = argc > 1 && strcmp(argv[1], "data") == 0;
  int depth = argc > 4 ? atoi(argv[4]) : 0;
  if (argc < 6 || !counts || depth < 1 || depth > max_depth) {
    fprintf(stderr, "usage: bench-load-c ping|data PORT CONNECTIONS DEPTH SECONDS [HELLO]\n");
    fprintf(stderr, "       bench-load-c idle PORT CONNECTIONS HELLO\n");
    return 64;
  }
  double seconds = atof(argv[5]);
  const char *hello = argc > 6 ? argv[6] : NULL;

  uint32_t payload = is_data ? longest_payload : 8;
  size_t frame_size = header_size + payload;
  static uint8_t frames[max_depth * (header_size + longest_payload)], in[64 * 1024];
  for (int i = 0; i < depth; i++) {
    put_header(frames + (size_t)i * frame_size, payload, is_data ? type_data : type_ping);
  }
  uint8_t request[header_size + 2] = {[header_size] = '{', '}'};
  put_header(request, 2, type_open);

  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < count; i++) {
    int fd = open_connection(argv[2], hello);
    if (is_data && hello) write_exactly(fd, request, sizeof request);
    connections[i].fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  }
  uint64_t answers = 0;
  double begin = now(), end = begin + seconds;
  for (int i = 0; i < count; i++) {
    write_exactly(connections[i].fd, frames, (size_t)depth * frame_size);
  }
  while (now() < end) {
    struct epoll_event events[256];
    int ready = epoll_wait(epoll, events, 256, 1000);
    for (int e = 0; e < ready; e++) {
      struct connection *connection = &connections[events[e].data.u32];
      ssize_t n = read(connection->fd, in, sizeof in);
      check(n > 0, "the server ended a connection");
      uint32_t whole = take(connection, in, (size_t)n, payload);
      answers += whole;
      // As many again as were answered: the depth stays the same.
      if (whole > 0) write_exactly(connection->fd, frames, whole * frame_size);
    }
  }
  printf("round_trips %llu\n", (unsigned long long)answers);
  printf("round_trips_per_second %.3f\n", (double)answers / (now() - begin));
  return 0;
}
