import Foundation
import Glibc
import TelpherSockets
import TelpherTransport
import Testing

@testable import TelpherHandOver

/// Both sides in one process, over a socket pair.
struct HandOverTests {
  private let folder = NSTemporaryDirectory() + "telpher-hand-over-\(UUID().uuidString)"

  init() { mkdir(folder, 0o700) }

  private var path: String { folder + "/s" }

  private func giver(
    _ address: SocketAddress? = nil,
    _ report: @escaping @Sendable (HandOverGiver.Event) -> Void = { _ in }
  ) throws -> (HandOverGiver, ListeningSocket) {
    let address = address ?? .unix(path: path)
    let socket = try ListeningSocket(address: address, backlog: 16)
    return (HandOverGiver([HandOverGiver.Socket(socket, asked: address)], report: report), socket)
  }

  private func taker(of giver: HandOverGiver) throws -> HandOverTaker {
    let (one, other) = try #require(HandOverChannel.pair())
    giver.begin(HandOverChannel(one, peer: 4_711))
    return try HandOverTaker(HandOverChannel(other, peer: getpid()), server: "the test")
  }

  private func canConnect() -> Bool {
    (try? SystemAddress(.unix(path: path), "connect")).map { address in
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      return address.withSocketAddress { connect(descriptor, $0, $1) } == 0
    } ?? false
  }

  @Test func theNewOwnerHasTheSocketAndItsFile() async throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (giver, old) = try giver()
    let taker = try taker(of: giver)
    let new = try #require(
      try taker.socket(for: .unix(path: path), backlog: 16, isSameRequest: false))
    try taker.ready()
    taker.serves()
    #expect(await giver.handedOver() == 4_711)
    old.close()
    #expect(canConnect())
    new.close()
    #expect(access(path, F_OK) != 0)
  }

  @Test func theOldOwnerKeepsAllIfTheOtherLeaves() async throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (events, report) = AsyncStream.makeStream(of: HandOverGiver.Event.self)
    let (giver, old) = try giver { report.yield($0) }
    do {
      let taker = try taker(of: giver)
      _ = try taker.socket(for: .unix(path: path), backlog: 16, isSameRequest: false)
      try taker.ready()
    }
    var reported = events.makeAsyncIterator()
    #expect(await reported.next() == .offered(4_711))
    #expect(await reported.next() == .failed(4_711))
    #expect(canConnect())
    old.close()
    #expect(access(path, F_OK) != 0)
  }

  @Test func aSecondProcessIsRefusedMeanwhile() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (giver, old) = try giver()
    defer { old.close() }
    let first = try taker(of: giver)
    let error = #expect(throws: HandOverTaker.Failure.self) { try taker(of: giver) }
    #expect(error?.message.contains("process 4711 is taking") == true)
    withExtendedLifetime(first) {}
  }

  @Test func aServerThatEndsRefusesAtTheLastMoment() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (giver, old) = try giver()
    defer { old.close() }
    let taker = try taker(of: giver)
    giver.end()
    let error = #expect(throws: HandOverTaker.Failure.self) { try taker.ready() }
    #expect(error?.message.contains("it is ending") == true)
  }

  @Test func aPortOfTheSystemIsFoundOnlyByTheSameRequest() throws {
    let zero = SocketAddress.tcp(host: "127.0.0.1", port: 0)
    let (giver, old) = try giver(zero)
    defer { old.close() }
    let taker = try taker(of: giver)
    #expect(try taker.socket(for: zero, backlog: 16, isSameRequest: false) == nil)
    let new = try taker.socket(for: zero, backlog: 16, isSameRequest: true)
    #expect(new?.address == old.address)
  }

  @Test func aServerIsFoundByTheFileOfItsSocket() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (giver, old) = try giver()
    defer {
      giver.end()
      old.close()
    }
    #expect(giver.open() == 0)
    let link = folder + "/link"
    symlink(folder, link)
    #expect(try HandOverTaker.find([.unix(path: link + "/s")]) != nil)
    #expect(try HandOverTaker.find([.unix(path: folder + "/other")]) == nil)
  }
}
