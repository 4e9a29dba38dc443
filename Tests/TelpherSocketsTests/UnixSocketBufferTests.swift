import Glibc
import Testing

@testable import TelpherSockets

struct UnixSocketBufferTests {
  @Test func anEnlargedSocketBufferHoldsAFrameIfTheSystemAllowsIt() throws {
    var pair: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
    defer { pair.forEach { close($0) } }
    let before = try Self.size(pair[0])
    UnixSocketBuffer.enlarge(pair[0])
    // This file is not visible in every network namespace.
    let most = Self.number(in: "/proc/sys/net/core/wmem_max")
    let wanted = min(UnixSocketBuffer.size, most ?? before / 2)
    #expect(try Self.size(pair[0]) >= max(before, 2 * wanted))
    #expect(try Self.size(pair[1]) == before, "the other direction has its own buffer")
  }

  @Test func aLargerBufferKeepsItsSize() throws {
    var pair: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
    defer { pair.forEach { close($0) } }
    var size = 2 * UnixSocketBuffer.size
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout.size(ofValue: size)))
    let before = try Self.size(pair[0])
    UnixSocketBuffer.enlarge(pair[0])
    #expect(try Self.size(pair[0]) == before)
  }

  /// The number in a file; nil if there is none.
  private static func number(in path: String) -> Int32? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 32)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    return Int32(strtol(line, nil, 10))
  }

  private static func size(_ descriptor: Int32) throws -> Int32 {
    var size: Int32 = 0
    var length = socklen_t(MemoryLayout.size(ofValue: size))
    try #require(getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0)
    return size
  }
}
