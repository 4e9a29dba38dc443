// The load for round trips per second, the same for every server.
//
//   bench-load-c ping|data PORT CONNECTIONS DEPTH SECONDS [HELLO [TOKEN]]
//   bench-load-c idle PORT CONNECTIONS HELLO [TOKEN]
//
// Each of CONNECTIONS always has DEPTH unanswered frames (docs/PROTOCOL.md): PINGs, or DATA of 64
// bytes on a stream that it opens. With HELLO, a connection first sends the preface and this HELLO,
// and skips the server's. With TOKEN, it then sends a proof that it knows the token. A plain echo
// server needs neither. `idle` only keeps its connections open until its standard input ends, and
// prints `ready` once they are open.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
enum { type_hello = 1, type_open = 2, type_data = 3, type_ping = 8, type_pong = 9, type_auth = 11 };
// A channel on which both sides may send.
enum { channel_file = 4 };

// The state of reading a connection: a partial header, or the rest of a frame's payload. Answers
// are counted by the bytes of their payload, since a server may split a frame in two.
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

// Reads a frame of the server, stores its payload in `out`, which has room for `room` bytes, and
// returns the size of the payload.
static uint32_t skip_frame(int fd, uint8_t *out, size_t room) {
  uint8_t header[header_size];
  read_exactly(fd, header, sizeof header);
  uint32_t size;
  memcpy(&size, header, 4);
  size = ntohl(size);
  check(size <= room, "a short frame of the server");
  read_exactly(fd, out, size);
  return size;
}

static size_t put_counted(uint8_t *out, const void *bytes, uint32_t count) {
  uint32_t length = htonl(count);
  memcpy(out, &length, 4);
  memcpy(out + 4, bytes, count);
  return 4 + count;
}

// Sends a proof that this side knows the token (docs/PROTOCOL.md). It does not verify the server's
// proof, since the benchmark itself started the server.
static void prove(int fd, const char *port, const char *token, const void *hello, size_t length,
                  const void *theirs, size_t their_length) {
  uint8_t key[32], message[16384], out[header_size + 32], unused[32];
  for (int i = 0; i < 32; i++) check(sscanf(token + 2 * i, "%2hhx", &key[i]) == 1, "the token");
  size_t count = (size_t)sprintf((char *)message, "telpher client v1\n127.0.0.1:%s\n", port);
  count += put_counted(message + count, hello, (uint32_t)length);
  count += put_counted(message + count, theirs, (uint32_t)their_length);
  check(skip_frame(fd, unused, sizeof unused) == 32, "the server's proof");
  put_header(out, 32, type_auth);
  unsigned code = 32;
  HMAC(EVP_sha256(), key, sizeof key, message, count, out + header_size, &code);
  write_exactly(fd, out, sizeof out);
}

// Sends the preface and HELLO, reads those of the server, and sends a proof if there is a token.
static void greet(int fd, const char *port, const char *hello, const char *token) {
  uint8_t out[8192], in[8192];
  size_t length = strlen(hello);
  check(length < 3072, "a HELLO of at most 3 KiB");
  memcpy(out, "TELPHER1", 8);
  memcpy(out + 20, hello, length);
  if (token) {
    check(strlen(token) == 64, "a token of 64 digits");
    length += (size_t)sprintf((char *)out + 20 + length - 1, ",\"auth\":{\"nonce\":\"%064d\"}}", 0) - 1;
  }
  put_header(out + 8, (uint32_t)length, type_hello);
  write_exactly(fd, out, 20 + length);
  read_exactly(fd, in, 8);
  uint32_t size = skip_frame(fd, in, sizeof in);
  if (token) prove(fd, port, token, out + 20, length, in, size);
}

static int open_connection(const char *port, const char *hello, const char *token) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons((uint16_t)atoi(port)),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  check(fd >= 0 && connect(fd, (void *)&address, sizeof address) == 0, "connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (hello) greet(fd, port, hello, token);
  return fd;
}

// Processes the bytes that were read, and returns the number of complete answers.
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

static int hold(const char *port, int count, const char *hello, const char *token) {
  for (int i = 0; i < count; i++) open_connection(port, hello, token);
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
  if ((argc == 5 || argc == 6) && strcmp(argv[1], "idle") == 0 && counts) {
    return hold(argv[2], count, argv[4], argc > 5 ? argv[5] : NULL);
  }
  int is_data = argc > 1 && strcmp(argv[1], "data") == 0;
  int depth = argc > 4 ? atoi(argv[4]) : 0;
  if (argc < 6 || !counts || depth < 1 || depth > max_depth) {
    fprintf(stderr, "usage: bench-load-c ping|data PORT CONNECTIONS DEPTH SECONDS [HELLO [TOKEN]]\n");
    fprintf(stderr, "       bench-load-c idle PORT CONNECTIONS HELLO [TOKEN]\n");
    return 64;
  }
  double seconds = atof(argv[5]);
  const char *hello = argc > 6 ? argv[6] : NULL;
  const char *token = argc > 7 ? argv[7] : NULL;

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
    int fd = open_connection(argv[2], hello, token);
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
      // Sends one frame for each answer, so the depth stays the same.
      if (whole > 0) write_exactly(connection->fd, frames, whole * frame_size);
    }
  }
  printf("round_trips %llu\n", (unsigned long long)answers);
  printf("round_trips_per_second %.3f\n", (double)answers / (now() - begin));
  return 0;
}
