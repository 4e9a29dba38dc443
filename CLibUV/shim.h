// libuv as Swift sees it: uv.h, and `static inline` helpers for what the importer can't express.
#ifndef TELPHER_CLIBUV_SHIM_H
#define TELPHER_CLIBUV_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

// A header and a body as libuv's buffers, without an array on Swift's heap.
static inline unsigned tuv_buffers(uv_buf_t buffers[2], const void *head, size_t head_length,
                                   const void *body, size_t body_length) {
  unsigned count = 0;
  if (head_length > 0) {
    buffers[count].base = (char *)head;
    buffers[count++].len = head_length;
  }
  if (body_length > 0) {
    buffers[count].base = (char *)body;
    buffers[count++].len = body_length;
  }
  return count;
}

// uv_try_write of both in one system call: the number of bytes that went, or an error below 0.
static inline int tuv_try_write(uv_stream_t *stream, const void *head, size_t head_length,
                                const void *body, size_t body_length) {
  uv_buf_t buffers[2];
  unsigned count = tuv_buffers(buffers, head, head_length, body, body_length);
  return uv_try_write(stream, buffers, count);
}

// uv_write of both; libuv copies the two buffers, not the bytes.
static inline int tuv_write(uv_write_t *request, uv_stream_t *stream, const void *head,
                            size_t head_length, const void *body, size_t body_length,
                            uv_write_cb did_write) {
  uv_buf_t buffers[2];
  unsigned count = tuv_buffers(buffers, head, head_length, body, body_length);
  return uv_write(request, stream, buffers, count, did_write);
}

// Room for the address of any socket that Telpher opens.
typedef union {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr_un un;
} tuv_address;

// The address of a numeric host: 0, or an error below 0.
static inline int tuv_parse_address(const char *host, int port, tuv_address *address,
                                    socklen_t *length) {
  memset(address, 0, sizeof *address);
  if (uv_ip4_addr(host, port, &address->v4) == 0) {
    *length = sizeof address->v4;
    return 0;
  }
  *length = sizeof address->v6;
  return uv_ip6_addr(host, port, &address->v6);
}

// The address of a Unix socket: 0, or UV_ENAMETOOLONG.
static inline int tuv_unix_address(const char *path, tuv_address *address, socklen_t *length) {
  memset(address, 0, sizeof *address);
  if (strlen(path) >= sizeof address->un.sun_path) return UV_ENAMETOOLONG;
  address->un.sun_family = AF_UNIX;
  strcpy(address->un.sun_path, path);
  *length = sizeof address->un;
  return 0;
}

// The longest path that fits into a Unix socket's address, in bytes.
static inline size_t tuv_longest_unix_path(void) {
  return sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
}

static inline int tuv_family(const tuv_address *address) { return address->any.sa_family; }

static inline uint16_t tuv_port(const tuv_address *address) {
  return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

// The host as text: 0, or an error below 0.
static inline int tuv_host(const tuv_address *address, char *text, size_t size) {
  return address->any.sa_family == AF_INET6 ? uv_ip6_name(&address->v6, text, size)
                                            : uv_ip4_name(&address->v4, text, size);
}

// Whether the address is on the loopback interface, an IPv4 one in IPv6's clothes included.
static inline int tuv_is_loopback(const tuv_address *address) {
  if (address->any.sa_family == AF_INET) return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
  if (address->any.sa_family != AF_INET6) return 0;
  const struct in6_addr *v6 = &address->v6.sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

static inline int tuv_bind(int fd, const tuv_address *address, socklen_t length) {
  return bind(fd, &address->any, length) == 0 ? 0 : -errno;
}

static inline int tuv_connect(int fd, const tuv_address *address, socklen_t length) {
  return connect(fd, &address->any, length) == 0 ? 0 : -errno;
}

static inline int tuv_own_address(int fd, tuv_address *address) {
  socklen_t length = sizeof *address;
  return getsockname(fd, &address->any, &length) == 0 ? 0 : -errno;
}

static inline int tuv_peer_address(int fd, tuv_address *address) {
  socklen_t length = sizeof *address;
  return getpeername(fd, &address->any, &length) == 0 ? 0 : -errno;
}

static inline int tuv_tcp_connect(uv_connect_t *request, uv_tcp_t *handle,
                                  const tuv_address *address, uv_connect_cb did_connect) {
  return uv_tcp_connect(request, handle, &address->any, did_connect);
}

// The user and process at the other end of a Unix socket, unix(7). `struct ucred` needs _GNU_SOURCE,
// which a header can't set for its includers; this is its layout.
static inline int tuv_peer_user(int fd, uint32_t *user, int32_t *process) {
  struct {
    pid_t pid;
    uid_t uid;
    gid_t gid;
  } credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -errno;
  *user = credentials.uid;
  *process = credentials.pid;
  return 0;
}

// The bytes that can be read at once, or 0 where that can't be told.
static inline int tuv_unread_bytes(int fd) {
  int count = 0;
  return ioctl(fd, FIONREAD, &count) == 0 ? count : 0;
}

// Whether nobody can write to this pipe any more: POLLHUP, poll(2).
static inline int tuv_has_hung_up(int fd) {
  struct pollfd pipe = {.fd = fd};
  return poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLHUP) != 0;
}

// F_SETPIPE_SZ, fcntl(2); its name needs _GNU_SOURCE.
static inline int tuv_set_pipe_size(int fd, int bytes) { return fcntl(fd, 1031, bytes); }

static inline int tuv_status_flags(int fd) { return fcntl(fd, F_GETFL); }

static inline int tuv_set_status_flags(int fd, int flags) { return fcntl(fd, F_SETFL, flags); }

// A copy of the descriptor, at least `minimum`, that no child inherits: it, or an error below 0.
static inline int tuv_duplicate(int fd, int minimum) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, minimum);
  return copy >= 0 ? copy : -errno;
}

static inline void tuv_read_into(uv_buf_t *buffer, void *memory, size_t length) {
  buffer->base = (char *)memory;
  buffer->len = length;
}

#endif
