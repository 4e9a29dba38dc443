// The limit for round trips per second: a minimal echo server for frames (docs/PROTOCOL.md) in C on
// libuv. It parses each 12-byte header and answers each frame with the same bytes. It listens on a
// free port of 127.0.0.1, prints the address, and runs until a signal ends it.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum {
  header_size = 12,
  // Room for one frame of the default max_frame, and for the bytes that are read after it.
  buffer_size = 2 * (256 * 1024 + header_size),
  largest_frame = 256 * 1024,
};

struct connection {
  uv_tcp_t tcp;
  // The number of bytes at the start of `buffer` that were read and not answered yet.
  size_t used;
  // The number of queued writes; with too many the server stops reading.
  int queued;
  char buffer[buffer_size];
};

struct queued_write {
  uv_write_t request;
  struct connection *connection;
  char bytes[];
};

static void did_close(uv_handle_t *handle) { free(handle->data); }

static void close_connection(struct connection *connection) {
  if (!uv_is_closing((uv_handle_t *)&connection->tcp)) {
    uv_close((uv_handle_t *)&connection->tcp, did_close);
  }
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  struct connection *connection = handle->data;
  buffer->base = connection->buffer + connection->used;
  buffer->len = buffer_size - connection->used;
}

static void did_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void did_write(uv_write_t *request, int status) {
  struct queued_write *write = (struct queued_write *)request;
  struct connection *connection = write->connection;
  free(write);
  if (status < 0) {
    close_connection(connection);
  } else if (--connection->queued == 0) {
    uv_read_start((uv_stream_t *)&connection->tcp, allocate, did_read);
  }
}

static void answer(struct connection *connection, char *bytes, size_t count) {
  uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
  if (connection->queued == 0) {
    uv_buf_t piece = uv_buf_init(bytes, (unsigned)count);
    int written = uv_try_write(stream, &piece, 1);
    if (written < 0 && written != UV_EAGAIN) return close_connection(connection);
    if (written > 0) {
      bytes += written;
      count -= (size_t)written;
    }
    if (count == 0) return;
  }
  struct queued_write *write = malloc(sizeof *write + count);
  write->connection = connection;
  memcpy(write->bytes, bytes, count);
  uv_buf_t piece = uv_buf_init(write->bytes, (unsigned)count);
  connection->queued++;
  uv_read_stop(stream);
  if (uv_write(&write->request, stream, &piece, 1, did_write) < 0) {
    free(write);
    close_connection(connection);
  }
}

static void did_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  (void)buffer;
  struct connection *connection = stream->data;
  if (count < 0) return close_connection(connection);
  connection->used += (size_t)count;
  size_t whole = 0;
  while (connection->used - whole >= header_size) {
    const unsigned char *header = (const unsigned char *)connection->buffer + whole;
    uint32_t length = (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 |
                      (uint32_t)header[2] << 8 | header[3];
    if (length > largest_frame) return close_connection(connection);
    if (connection->used - whole < header_size + length) break;
    whole += header_size + length;
  }
  if (whole == 0) return;
  // Sends all complete frames in one write.
  answer(connection, connection->buffer, whole);
  connection->used -= whole;
  memmove(connection->buffer, connection->buffer + whole, connection->used);
}

static void did_connect(uv_stream_t *listener, int status) {
  if (status < 0) return;
  struct connection *connection = malloc(sizeof *connection);
  connection->used = 0;
  connection->queued = 0;
  uv_tcp_init(listener->loop, &connection->tcp);
  connection->tcp.data = connection;
  if (uv_accept(listener, (uv_stream_t *)&connection->tcp) < 0) return close_connection(connection);
  uv_tcp_nodelay(&connection->tcp, 1);
  uv_read_start((uv_stream_t *)&connection->tcp, allocate, did_read);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t listener;
  struct sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_init(loop, &listener);
  uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
  int result = uv_listen((uv_stream_t *)&listener, 512, did_connect);
  if (result < 0) {
    fprintf(stderr, "listen: %s\n", uv_strerror(result));
    return 1;
  }
  int size = sizeof address;
  uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
  printf("listening on tcp:127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
