import CTelpherSys
import Glibc
import Testing

/// How long the peer of a TCP connection has acknowledged nothing.
@Suite(.timeLimit(.minutes(5))) struct AcknowledgementTests {
  /// Calls `body` with the two ends of a TCP connection.
  private static func withConnection(_ body: (_ one: Int32, _ other: Int32) throws -> Void) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let one = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { for descriptor in [listener, one] { close(descriptor) } }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let connected = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, length) == 0 && listen(listener, 1) == 0
          && getsockname(listener, address, &length) == 0 && connect(one, address, length) == 0
      }
    }
    try #require(connected)
    let other = accept(listener, nil, nil)
    defer { close(other) }
    try body(one, other)
  }

  /// Sends until the peer, which reads nothing, has no room left.
  private static func fill(_ socket: Int32) {
    let bytes = [UInt8](repeating: 1, count: 65_536)
    while send(socket, bytes, bytes.count, Int32(MSG_DONTWAIT)) > 0 {}
  }

  /// Has the kernel drop each packet that arrives for a socket, by a filter (SO_ATTACH_FILTER) with
  /// the only instruction `ret #0`.
  private static func dropEverything(at socket: Int32) throws {
    /// sock_fprog of linux/filter.h.
    struct Filter {
      var length: UInt16
      var instructions: UnsafePointer<UInt64>
    }
    // sock_filter: BPF_RET | BPF_K in the first two bytes, the value 0 in the last four.
    let instruction: UInt64 = 0x06
    let result = withUnsafePointer(to: instruction) { pointer in
      var filter = Filter(length: 1, instructions: pointer)
      return setsockopt(
        socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<Filter>.size))
    }
    try #require(result == 0)
  }

  @Test func nothingWaitsOnAnIdleConnection() throws {
    try Self.withConnection { one, _ in
      #expect(send(one, "x", 1, 0) == 1)
      try eventually { telpher_unacknowledged_for(one) == 0 }
    }
  }

  /// A stopped process whose system has no room for more. The kernel asks it after 0.2, 0.4, 0.8 s
  /// and so on.
  @Test func aPeerWithoutRoomIsNotSilent() throws {
    try Self.withConnection { one, _ in
      Self.fill(one)
      try eventually { telpher_unacknowledged_for(one) == 0 }
      for _ in 0..<150 {
        usleep(10_000)
        #expect(telpher_unacknowledged_for(one) < 100)
      }
    }
  }

  /// The peer's system drops everything that arrives, as if the machine were down.
  @Test func aPeerThatAcknowledgesNothingIsSilent() throws {
    try Self.withConnection { one, other in
      try Self.dropEverything(at: other)
      #expect(send(one, "x", 1, 0) == 1)
      try eventually { telpher_unacknowledged_for(one) >= 500 }
    }
  }

  @Test func otherDescriptorsHaveNoAcknowledgements() {
    #expect(telpher_unacknowledged_for(-1) == -Int64(EBADF))
  }
}
