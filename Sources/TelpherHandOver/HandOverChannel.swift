internal import CTelpherSys
internal import Glibc
internal import TelpherJSON
internal import TelpherTransport

/// A connection between a server and the process that takes its sockets over: a Unix socket that
/// keeps messages apart (SOCK_SEQPACKET). It closes its descriptor when it is freed. Its calls block.
package final class HandOverChannel: Sendable {
  let descriptor: Int32
  /// The process at the other end, as the kernel reports it; 0 if that is not known.
  package let peer: Int32

  /// The most bytes of a message: the addresses of 64 sockets, each with a path of at most 108 bytes
  /// that JSON may write as six times as many.
  static let maxMessageLength = 128 << 10

  /// Owns `descriptor` from now on.
  package init(_ descriptor: Int32, peer: Int32) {
    self.descriptor = descriptor
    self.peer = peer
  }

  deinit { close(descriptor) }

  /// Two ends that are connected, which no child inherits; nil if there are no descriptors.
  package static func pair() -> (Int32, Int32)? {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
    return socketpair(AF_UNIX, type, 0, &ends) == 0 ? (ends[0], ends[1]) : nil
  }

  /// Sends a message.
  ///
  /// - Returns: whether it was sent: false if the other end is gone.
  func send(_ message: HandOverMessage, _ descriptors: [Int32] = []) -> Bool {
    guard let bytes = try? JSONEncoding.encode(message) else {
      preconditionFailure("a message holds only strings and numbers")
    }
    return telpher_send_message(
      descriptor, bytes, bytes.count, descriptors, descriptors.count) == 0
  }

  /// Waits for a message.
  ///
  /// - Parameter limit: the longest time to wait, in nanoseconds; nil for no limit.
  /// - Returns: the message with its descriptors, which the caller owns; nil if the other end is
  ///   gone, has sent nothing in time, or has sent something else.
  func receive(within limit: UInt64?) -> (message: HandOverMessage, descriptors: [Int32])? {
    guard waitForInput(limit) else { return nil }
    var bytes = [UInt8](repeating: 0, count: Self.maxMessageLength)
    var descriptors = [Int32](repeating: -1, count: Int(TELPHER_MESSAGE_DESCRIPTORS))
    var number = 0
    let count = telpher_receive_message(
      descriptor, &bytes, bytes.count, &descriptors, &number)
    let received = Array(descriptors.prefix(number))
    guard count > 0,
      let message = try? JSONDecoding.decode(
        HandOverMessage.self, from: Array(bytes.prefix(Int(count))))
    else {
      received.forEach { close($0) }
      return nil
    }
    return (message, received)
  }

  private func waitForInput(_ limit: UInt64?) -> Bool {
    let end = limit.map { monotonicNow() + $0 }
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      let now = monotonicNow()
      // Rounded up, so that the time has passed when poll(2) returns 0.
      let left = end.map { $0 > now ? Int32(clamping: ($0 - now + 999_999) / 1_000_000) : 0 }
      let count = poll(&entry, 1, left ?? -1)
      if count < 0 && errno == EINTR { continue }
      return count > 0
    }
  }
}
