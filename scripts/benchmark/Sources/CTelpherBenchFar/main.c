// A link over a long distance, and a raw TCP stream over it, on loopback.
//
//   bench-far-c delay TARGET MILLISECONDS forwards connections to TARGET, a port of 127.0.0.1 or the
//                                         path of a Unix socket, and delays what each side sends;
//                                         only memory bounds what is in transit
//   bench-far-c serve                     answers `up` and `down`
//   bench-far-c up|down PORT BYTES        sends or requests BYTES on an open connection, and prints the
//                                         throughput until the last byte is acknowledged or read
//
// `delay` and `serve` print where they listen: a port, or a path beside that of TARGET.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { buffer_size = 256 * 1024 };

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct sockaddr_in loopback(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET,
      .sin_port = htons((uint16_t)port),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int connect_to(int port) {
  struct sockaddr_in address = loopback(port);
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  if (connection < 0 || connect(connection, (void *)&address, sizeof address) != 0) return -1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return connection;
}

static struct sockaddr_un unix_address(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  check(strlen(path) < sizeof address.sun_path, "the path is too long");
  strcpy(address.sun_path, path);
  return address;
}

static int connect_to_unix(const char *path) {
  struct sockaddr_un address = unix_address(path);
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0 || connect(connection, (void *)&address, sizeof address) != 0) return -1;
  return connection;
}

static int listen_beside(const char *path) {
  char own[sizeof((struct sockaddr_un *)0)->sun_path];
  snprintf(own, sizeof own, "%s.far", path);
  struct sockaddr_un address = unix_address(own);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(own);
  check(
      listener >= 0 && bind(listener, (void *)&address, sizeof address) == 0 &&
          listen(listener, 64) == 0,
      "listen");
  printf("listening on %s\n", own);
  fflush(stdout);
  return listener;
}

static int listen_anywhere(void) {
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(
      listener >= 0 && bind(listener, (void *)&address, sizeof address) == 0 &&
          listen(listener, 64) == 0 && getsockname(listener, (void *)&address, &size) == 0,
      "listen");
  printf("listening on %d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static int accept_from(int listener) {
  int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  int one = 1;
  check(connection >= 0, "accept");
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return connection;
}

static int write_all(int connection, const char *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t written = write(connection, bytes + done, count - done);
    if (written <= 0) return 0;
    done += (size_t)written;
  }
  return 1;
}

static void start_thread(void *(*body)(void *), void *argument) {
  pthread_t thread;
  check(pthread_create(&thread, NULL, body, argument) == 0, "pthread_create");
  pthread_detach(thread);
}

// ---- delay

// Bytes that are in transit; none for the end.
struct piece {
  struct piece *next;
  uint64_t due;
  size_t count;
  char bytes[];
};

// One direction of a connection.
struct direction {
  int from, to;
  uint64_t delay;
  pthread_mutex_t mutex;
  pthread_cond_t arrived;
  struct piece *first, *last;
};

static void *take(void *argument) {
  struct direction *direction = argument;
  char *buffer = malloc(buffer_size);
  for (;;) {
    ssize_t count = read(direction->from, buffer, buffer_size);
    if (count < 0) count = 0;
    struct piece *piece = malloc(sizeof *piece + (size_t)count);
    check(buffer && piece, "malloc");
    *piece = (struct piece){.due = now() + direction->delay, .count = (size_t)count};
    memcpy(piece->bytes, buffer, (size_t)count);
    pthread_mutex_lock(&direction->mutex);
    if (direction->last) direction->last->next = piece; else direction->first = piece;
    direction->last = piece;
    pthread_cond_signal(&direction->arrived);
    pthread_mutex_unlock(&direction->mutex);
    if (count == 0) break;
  }
  free(buffer);
  return NULL;
}

static void *pass_on(void *argument) {
  struct direction *direction = argument;
  for (;;) {
    pthread_mutex_lock(&direction->mutex);
    while (!direction->first) pthread_cond_wait(&direction->arrived, &direction->mutex);
    struct piece *piece = direction->first;
    direction->first = piece->next;
    if (!piece->next) direction->last = NULL;
    pthread_mutex_unlock(&direction->mutex);
    struct timespec due = {
        .tv_sec = (time_t)(piece->due / 1000000000u), .tv_nsec = (long)(piece->due % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) != 0) {}
    int is_end = piece->count == 0;
    int ok = is_end || write_all(direction->to, piece->bytes, piece->count);
    free(piece);
    if (!ok) shutdown(direction->from, SHUT_RD);
    if (!ok || is_end) {
      shutdown(direction->to, SHUT_WR);
      return NULL;
    }
  }
}

static void delay(const char *target, double milliseconds) {
  int is_unix = strchr(target, '/') != NULL;
  // Pieces come from the heap, not from fresh mappings, which would cost a page fault each 4 KiB.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  int listener = is_unix ? listen_beside(target) : listen_anywhere();
  for (;;) {
    int client = accept_from(listener);
    int server = is_unix ? connect_to_unix(target) : connect_to(atoi(target));
    if (server < 0) {
      close(client);
      continue;
    }
    for (int i = 0; i < 2; i++) {
      struct direction *direction = calloc(1, sizeof *direction);
      check(direction != NULL, "calloc");
      direction->from = i ? server : client;
      direction->to = i ? client : server;
      direction->delay = (uint64_t)(milliseconds * 1e6);
      pthread_mutex_init(&direction->mutex, NULL);
      pthread_cond_init(&direction->arrived, NULL);
      start_thread(take, direction);
      start_thread(pass_on, direction);
    }
  }
}

// ---- raw TCP

// What a client asks for: the server reads `up` bytes and answers one, or writes `down` bytes.
struct request {
  uint64_t up, down;
};

static int transfer(int connection, char *buffer, uint64_t count, int writes) {
  while (count > 0) {
    size_t part = count < buffer_size ? (size_t)count : buffer_size;
    ssize_t done = writes ? write(connection, buffer, part) : read(connection, buffer, part);
    if (done <= 0) return 0;
    count -= (uint64_t)done;
  }
  return 1;
}

static void *answer(void *argument) {
  int connection = (int)(intptr_t)argument;
  char *buffer = calloc(1, buffer_size);
  struct request request;
  while (read(connection, &request, sizeof request) == sizeof request) {
    if (!transfer(connection, buffer, request.up, 0)) break;
    if (request.up > 0 && !write_all(connection, "", 1)) break;
    if (!transfer(connection, buffer, request.down, 1)) break;
  }
  close(connection);
  free(buffer);
  return NULL;
}

static void serve(void) {
  int listener = listen_anywhere();
  for (;;) start_thread(answer, (void *)(intptr_t)accept_from(listener));
}

static void ask(int connection, char *buffer, uint64_t up, uint64_t down) {
  struct request request = {up, down};
  check(
      write_all(connection, (char *)&request, sizeof request) &&
          transfer(connection, buffer, up, 1) && (up == 0 || read(connection, buffer, 1) == 1) &&
          transfer(connection, buffer, down, 0),
      "transfer");
}

static int measure(int is_up, int port, uint64_t count) {
  char *buffer = calloc(1, buffer_size);
  int connection = connect_to(port);
  check(buffer && connection >= 0, "connect");
  // Afterwards the connection is open through to the server.
  ask(connection, buffer, 1, 1);
  uint64_t begin = now();
  ask(connection, buffer, is_up ? count : 0, is_up ? 0 : count);
  printf("gigabytes_per_second %.6f\n", (double)count / (double)(now() - begin));
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  const char *mode = argc > 1 ? argv[1] : "";
  if (argc == 4 && strcmp(mode, "delay") == 0) delay(argv[2], atof(argv[3]));
  if (argc == 2 && strcmp(mode, "serve") == 0) serve();
  if (argc == 4 && (strcmp(mode, "up") == 0 || strcmp(mode, "down") == 0)) {
    return measure(strcmp(mode, "up") == 0, atoi(argv[2]), strtoull(argv[3], NULL, 10));
  }
  fprintf(stderr, "usage: bench-far-c delay TARGET MILLISECONDS | serve | up|down PORT BYTES\n");
  return 64;
}
