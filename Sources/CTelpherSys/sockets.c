// Socket addresses. The header documents the functions.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

// It needs <sys/socket.h> before it.
#include <linux/vm_sockets.h>

_Static_assert(sizeof(struct telpher_address) >= sizeof(struct sockaddr_un) &&
                   sizeof(struct telpher_address) >= sizeof(struct sockaddr_in6),
               "an address has room for every kind");

static struct sockaddr *any(struct telpher_address *address) {
  return (struct sockaddr *)address->bytes;
}

int telpher_parse_address(const char *host, int port, struct telpher_address *address) {
  memset(address, 0, sizeof *address);
  struct sockaddr_in *v4 = (struct sockaddr_in *)address->bytes;
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    address->length = sizeof *v4;
    return 0;
  }
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address->bytes;
  // A link-local address may name its interface: fe80::1%eth0.
  char text[INET6_ADDRSTRLEN];
  const char *zone = strchr(host, '%');
  size_t length = zone ? (size_t)(zone - host) : strlen(host);
  if (length >= sizeof text) return -EINVAL;
  memcpy(text, host, length);
  text[length] = 0;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) return -EINVAL;
  if (zone && (v6->sin6_scope_id = if_nametoindex(zone + 1)) == 0) return -EINVAL;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons((uint16_t)port);
  address->length = sizeof *v6;
  return 0;
}

int telpher_unix_address(const char *path, struct telpher_address *address) {
  memset(address, 0, sizeof *address);
  struct sockaddr_un *un = (struct sockaddr_un *)address->bytes;
  if (strlen(path) >= sizeof un->sun_path) return -ENAMETOOLONG;
  un->sun_family = AF_UNIX;
  strcpy(un->sun_path, path);
  address->length = sizeof *un;
  return 0;
}

void telpher_vsock_address(uint32_t cid, uint32_t port, struct telpher_address *address) {
  memset(address, 0, sizeof *address);
  struct sockaddr_vm *vm = (struct sockaddr_vm *)address->bytes;
  vm->svm_family = AF_VSOCK;
  vm->svm_cid = cid;
  vm->svm_port = port == 0 ? VMADDR_PORT_ANY : port;
  address->length = sizeof *vm;
}

uint32_t telpher_vsock_cid(const struct telpher_address *address) {
  return ((const struct sockaddr_vm *)address->bytes)->svm_cid;
}

uint32_t telpher_vsock_port(const struct telpher_address *address) {
  return ((const struct sockaddr_vm *)address->bytes)->svm_port;
}

int telpher_longest_unix_path(void) { return sizeof(((struct sockaddr_un *)0)->sun_path) - 1; }

int telpher_address_family(const struct telpher_address *address) {
  return ((const struct sockaddr *)address->bytes)->sa_family;
}

uint16_t telpher_address_port(const struct telpher_address *address) {
  if (telpher_address_family(address) == AF_INET6) {
    return ntohs(((const struct sockaddr_in6 *)address->bytes)->sin6_port);
  }
  return ntohs(((const struct sockaddr_in *)address->bytes)->sin_port);
}

int telpher_address_host(const struct telpher_address *address, char *text, size_t size) {
  const void *host = &((const struct sockaddr_in *)address->bytes)->sin_addr;
  int family = telpher_address_family(address);
  if (family == AF_INET6) host = &((const struct sockaddr_in6 *)address->bytes)->sin6_addr;
  return inet_ntop(family, host, text, (socklen_t)size) ? 0 : -errno;
}

int telpher_address_is_loopback(const struct telpher_address *address) {
  if (telpher_address_family(address) == AF_INET) {
    return ntohl(((const struct sockaddr_in *)address->bytes)->sin_addr.s_addr) >> 24 == 127;
  }
  if (telpher_address_family(address) != AF_INET6) return 0;
  const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address->bytes)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

int telpher_bind(int socket, const struct telpher_address *address) {
  return bind(socket, (const struct sockaddr *)address->bytes, address->length) < 0 ? -errno : 0;
}

int telpher_connect(int socket, const struct telpher_address *address) {
  return connect(socket, (const struct sockaddr *)address->bytes, address->length) < 0 ? -errno : 0;
}

int telpher_own_address(int socket, struct telpher_address *address) {
  socklen_t length = sizeof address->bytes;
  if (getsockname(socket, any(address), &length) < 0) return -errno;
  address->length = length;
  return 0;
}

int telpher_peer_address(int socket, struct telpher_address *address) {
  socklen_t length = sizeof address->bytes;
  if (getpeername(socket, any(address), &length) < 0) return -errno;
  address->length = length;
  return 0;
}

int telpher_accept(int socket) {
  int accepted = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
  return accepted < 0 ? -errno : accepted;
}

int64_t telpher_unacknowledged_for(int socket) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  int queued = 0;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return -errno;
  if (ioctl(socket, SIOCOUTQ, &queued) < 0) return -errno;
  if (queued == 0) return 0;
  // If the peer's window is closed, nothing is in flight. The kernel then only asks now and then
  // whether it is open, at intervals that grow to two minutes, and counts questions without answer.
  if (info.tcpi_unacked == 0 && info.tcpi_probes <= 1) return 0;
  return info.tcpi_last_ack_recv;
}
