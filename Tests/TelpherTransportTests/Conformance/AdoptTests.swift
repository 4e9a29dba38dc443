import TelpherTransport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite(.timeLimit(.minutes(15)))
struct AdoptTests {
  @Test(arguments: Backends.all.filter { !$0.hasDescriptors })
  func adoptThrowsWithoutDescriptors(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let error = #expect(throws: TransportError.self) {
        _ = try stage.loop.adopt(reading: 0, writing: 1)
      }
      #expect(error?.errno == ENOTSUP)
    }
  }

  @Test(arguments: Backends.all.filter(\.hasDescriptors))
  func twoPipesBecomeAStream(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let (up, down) = (try Pipe(), try Pipe())
      let here = stage.probe(try stage.loop.adopt(reading: down.reader, writing: up.writer))
      let there = stage.probe(try stage.loop.adopt(reading: up.reader, writing: down.writer))
      #expect(here.stream.peer == .inherited)
      here.resume()
      there.resume()
      here.write([1, 2, 3])
      here.finishWriting()
      try await stage.until("the end there") { there.hasEnded }
      #expect(there.bytes == [1, 2, 3])
      there.write([4])
      there.close()
      try await stage.until("the end here") { here.hasEnded }
      #expect(here.bytes == [4])
    }
  }

  @Test(arguments: Backends.all.filter(\.hasDescriptors))
  func aSocketIsAdoptedForBothDirections(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      var ends: [Int32] = [0, 0]
      #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
      let probes = try ends.map { stage.probe(try stage.loop.adopt(reading: $0, writing: $0)) }
      for probe in probes { probe.resume() }
      probes[0].write([1])
      probes[1].write([2])
      probes[0].finishWriting()
      try await stage.until("both ways") { probes[0].bytes == [2] && probes[1].hasEnded }
      #expect(probes[1].bytes == [1])
    }
  }
}

private struct Pipe {
  let reader: Int32
  let writer: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    (reader, writer) = (ends[0], ends[1])
  }
}
