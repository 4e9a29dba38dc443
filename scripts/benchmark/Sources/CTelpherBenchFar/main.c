// A link over a long distance, and a raw TCP stream over it, on loopback.
//
//   bench-far-c delay TARGET MILLISECONDS forwards connections to TARGET, a port of 127.0.0.1 or the
//                                         path of a Unix socket, and delays what each side sends;
//                                         only memory bounds what is in transit
//   bench-far-c serve                     answers `up` and `down`
//   bench-far-c up|down PORT BYTES [WORK] sends or requests BYTES on an open connection, and prints the
//                                         throughput until the last byte is acknowledged or read
//
// WORK is what Telpher does besides: `command` moves the bytes through a pipe to or from dd at the
// server; `file SOURCE COPY` reads them from a file, digests them on both sides (XXH3), and writes
// them to another file.
//
// `delay` and `serve` print where they listen: a port, or a path beside that of TARGET.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

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

enum work { bare, command, files };

// What a client asks for: the server reads `up` bytes and answers one, or writes `down` bytes.
struct request {
  uint64_t up, down;
  uint32_t work;
  // With `files`: the file at the server.
  char path[508];
};

extern char **environ;

// Starts dd, which reads (`up`) or writes `count` bytes, and sets `*pipe_end` to the other end.
static pid_t start_dd(int up, uint64_t count, int *pipe_end) {
  int ends[2];
  char size[64];
  snprintf(size, sizeof size, "count=%llu", (unsigned long long)count);
  char *reader[] = {"dd", "of=/dev/null", "bs=256K", "status=none", NULL};
  char *writer[] = {
      "dd", "if=/dev/zero", "bs=256K", size, "iflag=count_bytes", "status=none", NULL};
  check(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  fcntl(ends[0], F_SETPIPE_SZ, 1024 * 1024);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[up ? 0 : 1], up ? 0 : 1);
  pid_t child;
  check(posix_spawnp(&child, "dd", &actions, NULL, up ? reader : writer, environ) == 0, "dd");
  posix_spawn_file_actions_destroy(&actions);
  close(ends[up ? 0 : 1]);
  *pipe_end = ends[up ? 1 : 0];
  return child;
}

static int open_file(const char *path, int writes) {
  int file = open(path, writes ? O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0644);
  check(file >= 0, path);
  return file;
}

// Moves `count` bytes from `from` to `to`, either of which may be -1, and digests them in between if
// `digests`.
static int move(int from, int to, uint64_t count, char *buffer, int digests) {
  XXH3_state_t *state = digests ? XXH3_createState() : NULL;
  if (state) XXH3_128bits_reset(state);
  while (count > 0) {
    size_t part = count < buffer_size ? (size_t)count : buffer_size;
    ssize_t done = from < 0 ? (ssize_t)part : read(from, buffer, part);
    if (done <= 0) break;
    if (state) XXH3_128bits_update(state, buffer, (size_t)done);
    if (to >= 0 && !write_all(to, buffer, (size_t)done)) break;
    count -= (uint64_t)done;
  }
  if (state) {
    XXH128_hash_t digest = XXH3_128bits_digest(state);
    memcpy(buffer, &digest, sizeof digest);
    XXH3_freeState(state);
  }
  return count == 0;
}

// Does the server's part of one direction.
static int serve_direction(int connection, char *buffer, const struct request *request, int up) {
  uint64_t count = up ? request->up : request->down;
  int other = -1, ok;
  pid_t child = 0;
  if (count == 0) return 1;
  if (request->work == command) child = start_dd(up, count, &other);
  if (request->work == files) other = open_file(request->path, up);
  ok = move(
      up ? connection : other, up ? other : connection, count, buffer, request->work == files);
  if (other >= 0) close(other);
  if (child > 0) waitpid(child, NULL, 0);
  return ok && (!up || write_all(connection, "", 1));
}

static void *answer(void *argument) {
  int connection = (int)(intptr_t)argument;
  char *buffer = calloc(1, buffer_size);
  struct request request;
  while (recv(connection, &request, sizeof request, MSG_WAITALL) == sizeof request) {
    if (!serve_direction(connection, buffer, &request, 1)) break;
    if (!serve_direction(connection, buffer, &request, 0)) break;
  }
  close(connection);
  free(buffer);
  return NULL;
}

static void serve(void) {
  int listener = listen_anywhere();
  for (;;) start_thread(answer, (void *)(intptr_t)accept_from(listener));
}

static void ask(int connection, char *buffer, const struct request *request, const char *own) {
  int up = request->up > 0;
  int file = request->work == files ? open_file(own, !up) : -1;
  uint64_t count = up ? request->up : request->down;
  check(
      write_all(connection, (const char *)request, sizeof *request) &&
          move(up ? file : connection, up ? connection : file, count, buffer, file >= 0) &&
          (!up || read(connection, buffer, 1) == 1),
      "transfer");
  if (file >= 0) close(file);
}

static int measure(int is_up, int port, uint64_t count, int argc, char **argv) {
  char *buffer = calloc(1, buffer_size);
  int connection = connect_to(port);
  check(buffer && connection >= 0, "connect");
  // Afterwards the connection is open through to the server.
  struct request request = {.up = 1};
  ask(connection, buffer, &request, NULL);
  request = (struct request){.up = is_up ? count : 0, .down = is_up ? 0 : count};
  const char *own = NULL;
  if (argc == 1 && strcmp(argv[0], "command") == 0) request.work = command;
  if (argc == 3 && strcmp(argv[0], "file") == 0) {
    request.work = files;
    own = argv[is_up ? 1 : 2];
    const char *theirs = argv[is_up ? 2 : 1];
    check(strlen(theirs) < sizeof request.path, "the path is too long");
    strcpy(request.path, theirs);
  }
  uint64_t begin = now();
  ask(connection, buffer, &request, own);
  printf("gigabytes_per_second %.6f\n", (double)count / (double)(now() - begin));
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  const char *mode = argc > 1 ? argv[1] : "";
  if (argc == 4 && strcmp(mode, "delay") == 0) delay(argv[2], atof(argv[3]));
  if (argc == 2 && strcmp(mode, "serve") == 0) serve();
  if (argc >= 4 && (strcmp(mode, "up") == 0 || strcmp(mode, "down") == 0)) {
    int is_up = strcmp(mode, "up") == 0;
    return measure(is_up, atoi(argv[2]), strtoull(argv[3], NULL, 10), argc - 4, argv + 4);
  }
  fprintf(
      stderr,
      "usage: bench-far-c delay TARGET MILLISECONDS | serve |\n"
      "       up|down PORT BYTES [command | file SOURCE COPY]\n");
  return 64;
}
