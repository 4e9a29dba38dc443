// The load for the suite fleet: a queue of nats-server with JetStream, without Telpher.
//
//   bench-queue-c queue|records PORT WORKERS IN_FLIGHT JOBS LENGTH
//
// One connection submits JOBS messages of LENGTH bytes and keeps IN_FLIGHT of them unfinished. Each of
// WORKERS connections pulls one, acknowledges it and waits until the server has confirmed that. With
// `records` it first writes two records, one after the other, as a worker of a fleet does: which worker has
// claimed the job, and how it ended. A job is finished when the server has stored it and has confirmed
// its acknowledgement, or with `records` its second record. Streams and consumer have the settings of
// a fleet's. Nothing is run.
//
// Prints `jobs_per_second N`, and `latency_ns N` for each job. The server at 127.0.0.1:PORT demands no
// credentials; what an earlier run has left there is deleted.
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

enum { max_workers = 1000, max_jobs = 100000, max_length = 16 * 1024, max_line = 4096 };
// About the sizes of a fleet's records.
enum { claim_length = 150, result_length = 350 };

// What the next message of a worker's connection answers.
enum state { pulling, claiming, recording, confirming };

struct connection {
  int fd;
  int number;
  enum state state;
  int job;
  char acknowledgement[256];
  size_t used;
  char in[64 * 1024];
};

// The first one submits; the others are the workers.
static struct connection connections[max_workers + 1];
static uint64_t begun[max_jobs], latencies[max_jobs];
// What a job still waits for: that it is stored, and its end.
static uint8_t missing[max_jobs];
static int jobs, submitted, finished, has_records;
static size_t length;
static char filler[max_length];
static char answer[max_line];
static int has_answer;

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void fail(const char *what, const char *text) {
  fprintf(stderr, "bench-queue-c: %s: %.200s\n", what, text);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void write_exactly(int fd, const char *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t n = write(fd, bytes + done, count - done);
    check(n > 0, "write");
    done += (size_t)n;
  }
}

// Publishes with a subject for the answer; `header` is a line without its end, or NULL.
static void publish(
    struct connection *connection, const char *subject, const char *reply, const char *header,
    const char *payload, size_t count) {
  static char out[max_length + 1024];
  int used;
  if (header) {
    int size = (int)strlen(header) + 14;
    used = sprintf(
        out, "HPUB %s %s %d %zu\r\nNATS/1.0\r\n%s\r\n\r\n", subject, reply, size,
        (size_t)size + count, header);
  } else {
    used = sprintf(out, "PUB %s %s %zu\r\n", subject, reply, count);
  }
  memcpy(out + used, payload, count);
  memcpy(out + used + count, "\r\n", 2);
  write_exactly(connection->fd, out, (size_t)used + count + 2);
}

static void submit(void) {
  char subject[96], reply[32], header[96];
  int job = submitted++;
  sprintf(subject, "tj.job.g.web.%032x", (unsigned)job);
  sprintf(reply, "s.%d.%d", (int)getpid(), job);
  sprintf(header, "Nats-Msg-Id: %032x", (unsigned)job);
  missing[job] = 2;
  begun[job] = now();
  publish(&connections[0], subject, reply, header, filler, length);
}

// The subject of a worker's answers: another one in each run, since the server still answers the calls
// of an earlier one when its consumer is deleted.
static void inbox(char *out, int number) { sprintf(out, "w.%d.%d", (int)getpid(), number); }

// A part of what a job waits for is there.
static void proceed(int job) {
  if (--missing[job] > 0) return;
  latencies[job] = now() - begun[job];
  finished++;
  if (submitted < jobs) submit();
}

static void ask(struct connection *worker, enum state state, const char *subject,
                const char *header, const char *payload, size_t count) {
  char reply[32];
  inbox(reply, worker->number);
  worker->state = state;
  publish(worker, subject, reply, header, payload, count);
}

static void pull(struct connection *worker) {
  static const char request[] = "{\"batch\":1,\"expires\":30000000000}";
  ask(worker, pulling, "$JS.API.CONSUMER.MSG.NEXT.TJ.g_web", NULL, request, sizeof request - 1);
}

static void write_record(struct connection *worker, enum state state, const char *kind, size_t count) {
  char subject[96];
  sprintf(subject, "tj.%s.%032x", kind, (unsigned)worker->job);
  ask(worker, state, subject, "Nats-Expected-Last-Subject-Sequence: 0", filler, count);
}

static void acknowledge(struct connection *worker) {
  ask(worker, confirming, worker->acknowledgement, NULL, "+ACK", 4);
}

// Checks the server's answer that a message was stored.
static void check_stored(const char *payload) {
  if (strstr(payload, "\"error\"") || !strstr(payload, "\"seq\"")) fail("not stored", payload);
}

static void receive_for_worker(
    struct connection *worker, const char *subject, const char *reply, const char *payload) {
  switch (worker->state) {
    case pulling:
      // A status instead of a job: the call has ended.
      if (strncmp(payload, "NATS/1.0 ", 9) == 0) {
        pull(worker);
        return;
      }
      if (!reply || strlen(reply) >= sizeof worker->acknowledgement) fail("no job", subject);
      strcpy(worker->acknowledgement, reply);
      worker->job = (int)strtoul(strrchr(subject, '.') + 1, NULL, 16);
      if (worker->job < 0 || worker->job >= jobs) fail("another job", subject);
      if (has_records) {
        write_record(worker, claiming, "claim", claim_length);
      } else {
        acknowledge(worker);
      }
      return;
    case claiming:
      check_stored(payload);
      write_record(worker, recording, "res", result_length);
      return;
    case recording:
      check_stored(payload);
      proceed(worker->job);
      acknowledge(worker);
      return;
    case confirming:
      if (strncmp(payload, "NATS/1.0 ", 9) == 0) fail("not acknowledged", payload);
      if (!has_records) proceed(worker->job);
      pull(worker);
      return;
  }
}

static void receive(
    struct connection *connection, const char *subject, const char *reply, const char *payload) {
  if (connection->number > 0) {
    receive_for_worker(connection, subject, reply, payload);
  } else if (strcmp(strrchr(subject, '.'), ".x") == 0) {
    snprintf(answer, sizeof answer, "%s", payload);
    has_answer = 1;
  } else {
    check_stored(payload);
    proceed(atoi(strrchr(subject, '.') + 1));
  }
}

// Handles the line `head` at the start of `rest` bytes; its payload, if it has one, follows at `body`.
// Returns the size of the payload with its end, or -1 if not all of it is there.
static long handle(struct connection *connection, char *head, char *body, size_t rest) {
  int is_message = strncmp(head, "MSG ", 4) == 0, has_header = strncmp(head, "HMSG ", 5) == 0;
  if (strncmp(head, "-ERR", 4) == 0) fail("the server", head);
  if (strcmp(head, "PING") == 0) write_exactly(connection->fd, "PONG\r\n", 6);
  if (!is_message && !has_header) return 0;
  // MSG subject id [reply] size, or HMSG subject id [reply] header-size size
  char *words[8], *state = NULL;
  int count = 0;
  for (char *word = strtok_r(head, " ", &state); word && count < 8; word = strtok_r(NULL, " ", &state)) {
    words[count++] = word;
  }
  if (count < 4 + has_header) fail("a message", words[0]);
  size_t size = strtoul(words[count - 1], NULL, 10);
  if (rest < size + 2) return -1;
  body[size] = 0;
  receive(connection, words[1], count > 4 + has_header ? words[3] : NULL, body);
  return (long)size + 2;
}

static void take(struct connection *connection) {
  size_t room = sizeof connection->in - connection->used;
  ssize_t n = read(connection->fd, connection->in + connection->used, room);
  check(n > 0, "the server ended a connection");
  connection->used += (size_t)n;
  size_t at = 0;
  for (;;) {
    char head[max_line], *line = connection->in + at;
    char *end = memmem(line, connection->used - at, "\r\n", 2);
    if (!end) break;
    size_t count = (size_t)(end - line);
    if (count >= sizeof head) fail("a long line", "");
    memcpy(head, line, count);
    head[count] = 0;
    size_t body = at + count + 2;
    long size = handle(connection, head, connection->in + body, connection->used - body);
    if (size < 0) break;
    at = body + (size_t)size;
  }
  connection->used -= at;
  memmove(connection->in, connection->in + at, connection->used);
}

static void connect_to(int port, int number) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_port = htons((uint16_t)port),
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct connection *connection = &connections[number];
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  check(fd >= 0 && connect(fd, (void *)&address, sizeof address) == 0, "connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connection->fd = fd;
  connection->number = number;
  // The submitter's answers have a subject for each job.
  char subject[32], out[256];
  if (number > 0) {
    inbox(subject, number);
  } else {
    sprintf(subject, "s.%d.*", (int)getpid());
  }
  int count = sprintf(
      out,
      "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,"
      "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\nSUB %s 1\r\n",
      subject);
  write_exactly(fd, out, (size_t)count);
}

// Asks the server for something and waits for the answer.
static void request(const char *subject, const char *payload, int may_fail) {
  char reply[32];
  sprintf(reply, "s.%d.x", (int)getpid());
  has_answer = 0;
  publish(&connections[0], subject, reply, NULL, payload, strlen(payload));
  while (!has_answer) take(&connections[0]);
  if (!may_fail && (strstr(answer, "\"error\"") || answer[0] != '{')) fail(subject, answer);
}

static void set_up(void) {
  request("$JS.API.STREAM.DELETE.TJ", "", 1);
  request("$JS.API.STREAM.DELETE.TR", "", 1);
  request("$JS.API.STREAM.CREATE.TJ",
          "{\"name\":\"TJ\",\"subjects\":[\"tj.job.>\"],\"retention\":\"workqueue\",\"storage\":\"file\","
          "\"discard\":\"new\",\"num_replicas\":1,\"max_age\":604800000000000,"
          "\"duplicate_window\":3600000000000,\"allow_direct\":true}", 0);
  request("$JS.API.STREAM.CREATE.TR",
          "{\"name\":\"TR\",\"subjects\":[\"tj.claim.*\",\"tj.res.*\",\"tj.dead.*\"],"
          "\"retention\":\"limits\",\"storage\":\"file\",\"num_replicas\":1,"
          "\"max_age\":1209600000000000,\"max_msgs_per_subject\":1,\"allow_direct\":true}", 0);
  request("$JS.API.CONSUMER.DURABLE.CREATE.TJ.g_web",
          "{\"stream_name\":\"TJ\",\"config\":{\"durable_name\":\"g_web\","
          "\"filter_subject\":\"tj.job.g.web.*\",\"ack_policy\":\"explicit\",\"deliver_policy\":\"all\","
          "\"replay_policy\":\"instant\",\"ack_wait\":30000000000,\"max_deliver\":-1,"
          "\"max_ack_pending\":-1,\"max_waiting\":5000}}", 0);
}

int main(int argc, char **argv) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  has_records = argc > 1 && strcmp(argv[1], "records") == 0;
  int is_queue = argc > 1 && strcmp(argv[1], "queue") == 0;
  int workers = argc > 3 ? atoi(argv[3]) : 0, in_flight = argc > 4 ? atoi(argv[4]) : 0;
  jobs = argc > 5 ? atoi(argv[5]) : 0;
  length = argc > 6 ? (size_t)atoi(argv[6]) : 0;
  if (argc != 7 || !(has_records || is_queue) || workers < 1 || workers > max_workers ||
      in_flight < 1 || jobs < 1 || jobs > max_jobs || length < 1 || length > max_length) {
    fprintf(stderr, "usage: bench-queue-c queue|records PORT WORKERS IN_FLIGHT JOBS LENGTH\n");
    return 64;
  }
  memset(filler, 'x', sizeof filler);
  for (int i = 0; i <= workers; i++) connect_to(atoi(argv[2]), i);
  set_up();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i <= workers; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) == 0, "epoll_ctl");
    if (i > 0) pull(&connections[i]);
  }
  uint64_t begin = now();
  while (submitted < jobs && submitted < in_flight) submit();
  while (finished < jobs) {
    struct epoll_event events[256];
    int ready = epoll_wait(epoll, events, 256, 60000);
    if (ready == 0) fail("nothing came for 60 s", "");
    for (int e = 0; e < ready; e++) take(&connections[events[e].data.u32]);
  }
  printf("jobs_per_second %.3f\n", jobs / ((double)(now() - begin) / 1e9));
  for (int i = 0; i < jobs; i++) printf("latency_ns %llu\n", (unsigned long long)latencies[i]);
  return 0;
}
