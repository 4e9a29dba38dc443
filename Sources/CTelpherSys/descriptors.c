// Descriptors: see the header.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int telpher_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

int telpher_set_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0) return -errno;
  return fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int telpher_open_at(int folder, const char *path, int flags) {
  int descriptor;
  do {
    descriptor = openat(folder, path, flags | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor < 0 ? -errno : descriptor;
}

int telpher_peer_credentials(int socket, uint32_t *uid, int *pid) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return -errno;
  *uid = credentials.uid;
  *pid = credentials.pid;
  return 0;
}

int telpher_set_pipe_size(int pipe, int bytes) {
  int size = fcntl(pipe, F_SETPIPE_SZ, bytes);
  return size < 0 ? -errno : size;
}

int telpher_unread_bytes(int descriptor) {
  int bytes = 0;
  return ioctl(descriptor, FIONREAD, &bytes) < 0 ? -errno : bytes;
}

int telpher_has_hung_up(int descriptor) {
  struct pollfd entry = {.fd = descriptor};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0;
}

int telpher_duplicate(int descriptor, int minimum) {
  int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, minimum);
  return copy < 0 ? -errno : copy;
}

int telpher_status_flags(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  return flags < 0 ? -errno : flags;
}

int telpher_set_status_flags(int descriptor, int flags) {
  return fcntl(descriptor, F_SETFL, flags) < 0 ? -errno : 0;
}

int telpher_watch_readable(int descriptor) {
  int watch = epoll_create1(EPOLL_CLOEXEC);
  if (watch < 0) return -errno;
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(watch, EPOLL_CTL_ADD, descriptor, &event) < 0) {
    int error = errno;
    close(watch);
    return -error;
  }
  return watch;
}
