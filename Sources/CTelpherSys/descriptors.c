// Descriptors: see the header.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <fcntl.h>
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
