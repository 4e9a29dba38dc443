// Descriptors. The header documents the functions.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int telpher_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

int telpher_spawn_close_from(void *actions, int first) {
  return -posix_spawn_file_actions_addclosefrom_np(actions, first);
}

int telpher_set_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0) return -errno;
  return fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int telpher_close_on_exec(int descriptor) {
  return fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
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

int telpher_epoll(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  return epoll < 0 ? -errno : epoll;
}

int telpher_epoll_add(int epoll, int descriptor, uint64_t key) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = key};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) < 0 ? -errno : 0;
}

int telpher_epoll_wait(int epoll, uint64_t *keys, int capacity) {
  struct epoll_event events[64];
  if (capacity > 64) capacity = 64;
  int count;
  do {
    count = epoll_wait(epoll, events, capacity, -1);
  } while (count < 0 && errno == EINTR);
  for (int i = 0; i < count; i++) keys[i] = events[i].data.u64;
  return count < 0 ? -errno : count;
}
