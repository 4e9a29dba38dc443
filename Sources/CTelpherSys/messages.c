// Messages with descriptors between processes. The header documents the functions.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Room for the descriptors of one message, aligned as the kernel needs it.
union descriptor_room {
  struct cmsghdr header;
  char space[CMSG_SPACE(TELPHER_MESSAGE_DESCRIPTORS * sizeof(int))];
};

int telpher_send_message(int socket, const void *bytes, size_t count, const int *descriptors,
                         size_t descriptor_count) {
  if (descriptor_count > TELPHER_MESSAGE_DESCRIPTORS) return -EINVAL;
  struct iovec piece = {(void *)bytes, count};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  union descriptor_room room;
  memset(&room, 0, sizeof room);
  if (descriptor_count > 0) {
    message.msg_control = room.space;
    message.msg_controllen = CMSG_SPACE(descriptor_count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptor_count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, descriptor_count * sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

int telpher_send_sealed_file(int socket, const char *name, const void *bytes, size_t count) {
  int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return -errno;
  int status = 0;
  for (size_t done = 0; done < count && status == 0;) {
    ssize_t written = write(file, (const char *)bytes + done, count - done);
    if (written > 0) done += (size_t)written;
    if (written < 0 && errno != EINTR) status = -errno;
  }
  if (status == 0 &&
      fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
    status = -errno;
  }
  if (status == 0) status = telpher_send_message(socket, NULL, 0, &file, 1);
  close(file);
  return status;
}

int64_t telpher_receive_message(int socket, void *bytes, size_t capacity, int *descriptors,
                                size_t *descriptor_count) {
  struct iovec piece = {bytes, capacity};
  union descriptor_room room;
  struct msghdr message = {.msg_iov = &piece,
                           .msg_iovlen = 1,
                           .msg_control = room.space,
                           .msg_controllen = sizeof room.space};
  *descriptor_count = 0;
  ssize_t count;
  do count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(descriptors + *descriptor_count, CMSG_DATA(header), number * sizeof(int));
    *descriptor_count += number;
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) return count;
  for (size_t index = 0; index < *descriptor_count; index++) close(descriptors[index]);
  *descriptor_count = 0;
  return -EMSGSIZE;
}

int telpher_abstract_address(const char *name, struct telpher_address *address) {
  memset(address, 0, sizeof *address);
  struct sockaddr_un *un = (struct sockaddr_un *)address->bytes;
  size_t length = strlen(name);
  if (length >= sizeof un->sun_path) return -ENAMETOOLONG;
  un->sun_family = AF_UNIX;
  memcpy(un->sun_path + 1, name, length);
  address->length = (uint32_t)(sizeof un->sun_family + 1 + length);
  return 0;
}
