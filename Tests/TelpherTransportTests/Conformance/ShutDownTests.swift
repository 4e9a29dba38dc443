import TelpherTransport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite(.timeLimit(.minutes(15)))
struct ShutDownTests {
  @Test(arguments: Backends.all)
  func shuttingDownAgainReturns(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(1)
    let loop = rig.loops[0]
    async let first: Void = loop.shutDown()
    async let second: Void = loop.shutDown()
    await first
    await second
    await loop.shutDown()
  }

  @Test(arguments: Backends.all)
  func callsBeforeShutDownRun(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(1)
    let count = Shared(0)
    for _ in 0..<100 { rig.loops[0].execute { count.withLock { $0 += 1 } } }
    await rig.loops[0].shutDown()
    #expect(count.withLock { $0 } == 100)
  }

  @Test(arguments: Backends.all)
  func callsAfterShutDownAreDropped(_ backend: TransportUnderTest) async throws {
    let rig = try backend.makeRig(1)
    await rig.loops[0].shutDown()
    let witness = Witness()
    weak let released = witness
    rig.loops[0].execute { [witness] in
      _ = witness; Issue.record("ran")
    }
    _ = consume witness
    #expect(released == nil)
  }

  @Test(arguments: Backends.all, HandleKind.allCases)
  fileprivate func openHandlesAreClosedWithoutCallbacks(
    _ backend: TransportUnderTest, _ kind: HandleKind
  ) async throws {
    let rig = try backend.makeRig(1)
    let stage = Stage(rig, loop: rig.loops[0])
    let witness = try await stage.open(kind)
    await rig.loops[0].shutDown()
    #expect(witness.value == nil, "a closure is still there")
    withExtendedLifetime(stage) {}
  }

  @Test(arguments: Backends.all)
  func otherLoopsSeeTheEnd(_ backend: TransportUnderTest) async throws {
    try await backend.run(loops: 2) { stage in
      let door = try stage.listen(.unix)
      let other = Stage(stage.rig, loop: stage.rig.loops[1])
      try await other.connectOnly(to: door.socket.address)
      try await stage.until("accepted") { door.accepted.count == 1 }
      door.accepted[0].resume()
      await stage.rig.loops[1].shutDown()
      try await stage.until("the end") { door.accepted[0].hasEnded }
    }
  }

  @Test(arguments: Backends.all)
  func anAddressIsFreeAfterShutDown(_ backend: TransportUnderTest) async throws {
    try await backend.run(loops: 2) { stage in
      let other = Stage(stage.rig, loop: stage.rig.loops[1])
      let socket = try await other.listenOnly()
      await stage.rig.loops[1].shutDown()
      stage.rig.close(socket)
      let door = try stage.serve(stage.bind(to: socket.address))
      _ = try await stage.connect(to: door.socket.address)
      try await stage.until("accepted") { door.accepted.count == 1 }
    }
  }

  @Test(arguments: Backends.all)
  func theLoopItselfIsReleased(_ backend: TransportUnderTest) async throws {
    let loop = try await useAndShutDown(backend)
    // A thread of the backend that is ending may still hold it for a moment.
    for _ in 0..<10_000 where loop.value != nil { try await Task.sleep(for: .milliseconds(1)) }
    #expect(loop.value == nil)
  }

  private func useAndShutDown(_ backend: TransportUnderTest) async throws -> WeakReference {
    let rig = try backend.makeRig(1)
    await Stage(rig, loop: rig.loops[0]).connectToNobody()
    await rig.loops[0].shutDown()
    return WeakReference(rig.loops[0])
  }
}

/// The kinds of handles that a loop may hold when it ends.
private enum HandleKind: String, CaseIterable {
  case listener, timer, signalWatch, stream, child
  /// A child's input that was finished but not closed.
  case finishedInput
}

/// An object that closures capture, to check whether they still exist.
private final class Witness: Sendable {}

private final class WeakReference: @unchecked Sendable {
  weak var value: AnyObject?

  init(_ value: AnyObject) {
    self.value = value
  }
}

extension Stage {
  /// Opens a handle of one kind whose callbacks capture an object, and returns the object. The
  /// actor retains the handle itself, so only the loop can release the closures.
  fileprivate func open(_ kind: HandleKind) async throws -> WeakReference {
    let witness = Witness()
    switch kind {
    case .listener:
      let socket = try bind(to: .tcp(host: "127.0.0.1", port: 0))
      events.keep(try loop.serve(socket) { _ in _ = witness })
    case .timer:
      events.keep(loop.schedule(after: 1_000_000_000_000) { _ = witness })
    case .signalWatch:
      events.keep(try loop.watch(signal: SIGWINCH) { _ = witness })
    case .stream:
      let (client, server) = try await pair(.unix)
      _ = client.fill()
      for stream in [client.stream, server.stream] {
        stream.onRead = { _ in _ = witness }
        stream.onEnd = { _ in Issue.record("called \(witness)") }
        stream.onWritable = { Issue.record("called \(witness)") }
        stream.onWriteFailure = { _ in Issue.record("called \(witness)") }
      }
      client.stream.resumeReading()
    case .child:
      let child = try await spawn(.sleepForever, input: .pipe)
      child.process.onExit = { _ in _ = witness }
      child.process.output?.onRead = { _ in _ = witness }
      child.process.output?.resumeReading()
      // A loop that ends does not end its children; this child should not outlive the tests.
      child.process.signalTree(SIGKILL)
    case .finishedInput:
      let child = try await spawn(.cat, input: .pipe)
      child.process.input?.onWritable = { _ = witness }
      child.process.input?.onWriteFailure = { _ in _ = witness }
      child.process.input?.finishWriting()
      child.resume()
      try await until("the end") { child.isDone }
    }
    return WeakReference(witness)
  }

  fileprivate func connectOnly(to address: SocketAddress) async throws {
    _ = try await connect(to: address)
  }

  fileprivate func listenOnly() throws -> any BoundSocket {
    try listen(.unix).socket
  }

  fileprivate func connectToNobody() async {
    _ = try? await connect(to: rig.freshAddress(.unix))
  }
}
