import TelpherTransport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite(.timeLimit(.minutes(15)))
struct ChildPipeTests {
  @Test(arguments: Backends.all)
  func outputAndErrorAreSeparate(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.runToEnd(.print("to output", "to error"))
      #expect(child.output?.text == "to output")
      #expect(child.error?.text == "to error")
      #expect(child.output?.ends == [nil])
      #expect(child.error?.ends == [nil])
    }
  }

  @Test(arguments: Backends.all)
  func errorCanBeMergedIntoOutput(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.runToEnd(.print("first ", "second"), error: .sameAsOutput)
      #expect(child.process.error == nil)
      #expect(child.output?.text == "first second")
    }
  }

  @Test(arguments: Backends.all)
  func onlyRequestedStreamsArePipes(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.print("x", "y"), output: .null, error: .null)
      #expect(child.process.input == nil)
      #expect(child.process.output == nil)
      #expect(child.process.error == nil)
      try await stage.until("the exit") { child.status != nil }
      #expect(child.status == .exited(code: 0))
    }
  }

  @Test(arguments: Backends.all)
  func aChildWithoutInputReadsTheEndAtOnce(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.runToEnd(.cat)
      #expect(child.status == .exited(code: 0))
      #expect(child.output?.bytes.isEmpty == true)
    }
  }

  @Test(arguments: Backends.all)
  func inputEndsWithTheHalfClose(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.cat, input: .pipe)
      child.resume()
      child.input?.write(Array("first ".utf8))
      try await stage.until("the first echo") { child.output?.text == "first " }
      child.input?.write(Array("second".utf8))
      child.input?.finishWriting()
      try await stage.until("the end") { child.isDone }
      #expect(child.output?.text == "first second")
      #expect(child.status == .exited(code: 0))
    }
  }

  @Test(arguments: Backends.all)
  func closingInputEndsIt(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.cat, input: .pipe)
      child.resume()
      child.input?.close()
      try await stage.until("the end") { child.isDone }
      #expect(child.status == .exited(code: 0))
    }
  }

  @Test(arguments: Backends.all)
  func manyBytesPassThroughAChild(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.cat, input: .pipe)
      let sent = testBytes(2 << 20)
      child.resume()
      child.input?.write(body: Chunk(sent))
      child.input?.finishWriting()
      try await stage.until("the end") { child.isDone }
      #expect(isSame(child.output?.bytes ?? [], sent))
    }
  }

  @Test(arguments: Backends.all)
  func outputCanBeReadAfterTheExit(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let text = String(repeating: "0123456789", count: 1000)
      let child = try await stage.spawn(.print(text, "bad"))
      try await stage.until("the exit") { child.status != nil }
      try await stage.settle()
      let output = try #require(child.output)
      #expect([0, text.utf8.count].contains(output.stream.unreadBytes))
      // A process that another test forks at that moment has the pipe's end until it executes. No
      // event reports that, so ask again and again.
      while output.stream.hasWriters { try await stage.settle() }
      output.resume()
      child.error?.resume()
      try await stage.until("the end") { child.isDone }
      #expect(output.text == text)
      #expect(child.error?.text == "bad")
    }
  }

  @Test(arguments: Backends.all)
  func anUnreadPipeBlocksTheChild(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.writeForever)
      let output = try #require(child.output)
      output.stream.readLimit = 4096
      output.didRead = { [unowned output] in
        if output.bytes.count > 1 << 18 { output.pause() }
      }
      output.resume()
      try await stage.until("much") { output.bytes.count > 1 << 18 }
      let count = output.bytes.count
      try await stage.settle()
      #expect(output.bytes.count == count)
      #expect(output.stream.hasWriters)
      #expect(child.status == nil)
      child.process.signalTree(SIGKILL)
      try await stage.until("the exit") { child.status != nil }
    }
  }

  @Test(arguments: Backends.all)
  func aClosedPipeEndsItsWriter(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.writeForever)
      child.output?.close()
      try await stage.until("the exit") { child.status != nil }
      #expect(child.status == .signaled(SIGPIPE, coreDumped: false))
    }
  }

  @Test(arguments: Backends.all)
  func writingToAnEndedChildFails(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.exit(0), input: .pipe)
      child.resume()
      try await stage.until("the end") { child.isDone }
      let input = try #require(child.input)
      // More than a pipe or a socket holds: a process that another test is just starting may have the
      // other end for a moment, and takes what fits.
      input.write([UInt8](repeating: 1, count: 4 << 20))
      try await stage.until("the failure") { input.failures.count == 1 }
      #expect(input.failures[0].code == .broken)
      #expect(input.failures[0].errno == EPIPE)
    }
  }

  @Test(arguments: Backends.all)
  func pipesReportAnInheritedPeer(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.cat, input: .pipe)
      #expect(child.process.output?.peer == .inherited)
      #expect(child.process.input?.peer == .inherited)
      child.input?.finishWriting()
      child.resume()
      try await stage.until("the end") { child.isDone }
    }
  }
}
