import Glibc
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

@testable import TelpherForward

@Suite(.timeLimit(.minutes(5))) struct SocketDialTests {
  private enum Unexpected: Error { case connection, refusal }

  /// Dials on a loop in memory, and returns what became of it.
  private func dial(
    _ address: SocketAddress, on loop: any EventLoop, lookups: Int = 4,
    limit: UInt64 = 60_000_000_000
  ) async -> Result<Void, TransportError> {
    await withCheckedContinuation { done in
      loop.execute {
        SocketDial.connect(
          to: address, on: loop, lookup: HostLookup(limit: lookups), limit: limit
        ) { result in
          if case .success(let stream) = result { stream.close() }
          done.resume(returning: result.map { _ in })
        }
      }
    }
  }

  private func with(_ body: (MemoryLoop) async throws -> Void) async throws {
    let loop = MemoryLoop(network: MemoryNetwork())
    try await body(loop)
    await loop.shutDown()
  }

  @Test func aNumericAddressNeedsNoLookup() async throws {
    try await with { loop in
      let service = try await PlainListener.start(
        at: .tcp(host: "127.0.0.1", port: 80), on: loop)
      guard case .success = await dial(service.address, on: loop, lookups: 0) else {
        throw Unexpected.refusal
      }
      let unix = try await PlainListener.start(at: .unix(path: "/a"), on: loop)
      guard case .success = await dial(unix.address, on: loop, lookups: 0) else {
        throw Unexpected.refusal
      }
    }
  }

  /// `localhost` may have the addresses ::1 and 127.0.0.1, in this order.
  @Test func theAddressesOfANameAreTriedInOrder() async throws {
    try await with { loop in
      _ = try await PlainListener.start(at: .tcp(host: "127.0.0.1", port: 80), on: loop)
      guard case .success = await dial(.tcp(host: "localhost", port: 80), on: loop) else {
        throw Unexpected.refusal
      }
    }
  }

  @Test func aRefusalIsReportedAfterTheLastAddress() async throws {
    try await with { loop in
      guard case .failure(let error) = await dial(.tcp(host: "localhost", port: 81), on: loop)
      else { throw Unexpected.connection }
      #expect(error.code == .unreachable)
    }
  }

  @Test func anUnknownNameIsAnError() async throws {
    try await with { loop in
      guard case .failure(let error) = await dial(.tcp(host: "no.such.invalid", port: 1), on: loop)
      else { throw Unexpected.connection }
      #expect(error.code == .unreachable)
      #expect(error.message.contains("look up 'no.such.invalid'"))
    }
  }

  @Test func lookupsAreLimited() async throws {
    try await with { loop in
      guard
        case .failure(let error) = await dial(
          .tcp(host: "localhost", port: 1), on: loop, lookups: 0)
      else { throw Unexpected.connection }
      #expect(error.code == .exhausted)
      #expect(error.message.contains("max_lookups"))
    }
  }

  /// The socket's queue is full and nothing accepts, so the system repeats the connect.
  @Test func theTimeIsLimited() async throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        #expect(bind(listener, $0, length) == 0 && listen(listener, 0) == 0)
        #expect(getsockname(listener, $0, &length) == 0)
      }
    }
    var others: [Int32] = []
    defer { others.forEach { close($0) } }
    for _ in 0..<8 {
      let other = socket(
        AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
      others.append(other)
      withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = connect(other, $0, length) }
      }
    }
    let loop = try SystemBackend.uv.makeLoop()
    let target = SocketAddress.tcp(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
    guard case .failure(let error) = await dial(target, on: loop, limit: 20_000_000) else {
      throw Unexpected.connection
    }
    #expect(error.code == .unreachable && error.message.contains("no answer within"))
    await loop.shutDown()
  }
}
